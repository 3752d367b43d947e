"""The document is complete, and true: each example of a request is sent, each answer is held against its schema.

With RECORD_EXAMPLES set (`make openapi`) what is missing of an example is written instead.
"""

import os
import re
from collections import Counter
from collections.abc import AsyncIterator
from functools import cache
from typing import Any

import jsonschema_rs
import openapi_spec_validator
import orjson
import pytest
import pytest_asyncio

from api.documentation.document import EVENT_STREAM
from api.documentation.examples import FOLDER, example_of
from api.main import create_app
from bevyly.ids import new_id
from bevyly.settings import Settings
from tests.integration.api.conftest import Api, running, two_tenants
from tests.integration.api.seeds import seed
from tests.support.databases import Database
from tests.support.documents import document
from tests.support.examples import JSON, Described, Story, described, record

RECORD = bool(os.environ.get("RECORD_EXAMPLES"))
DOCUMENT = document()
SENT = described(DOCUMENT)
OPERATIONS = list({one.id: one for one in SENT}.values())
if RECORD:
    for operation in OPERATIONS:
        record(operation)
    DOCUMENT = create_app(Settings()).openapi()
    SENT = described(DOCUMENT)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started(module_database: Database, redis_url: str) -> AsyncIterator[Api]:
    async with running(module_database, redis_url) as found:
        yield found


@cache
def _validator(schema: bytes) -> Any:
    return jsonschema_rs.validator_for(orjson.loads(schema) | {"components": DOCUMENT["components"]})


def problems_with(value: Any, schema: dict[str, Any]) -> list[str]:
    """What of `value` does not fit a schema of the document."""
    return [str(error) for error in _validator(orjson.dumps(schema)).iter_errors(value)]


def examples_in(media: str, content: dict[str, Any]) -> list[Any]:
    """The example of a content; of a stream, the events in it."""
    if "example" not in content:
        return []
    if media != EVENT_STREAM:
        return [content["example"]]
    blocks = [block.split("\n") for block in content["example"].split("\n\n") if block]
    fields = [dict(line.split(": ", 1) for line in block if line) for block in blocks]
    return [one | ({"retry": int(one["retry"])} if "retry" in one else {}) for one in fields]


def fits(one: Described) -> bool:
    """Whether the recorded answer of an example is still as the document has it."""
    example = example_of(one.id)
    content = response_of(one, example["status"]).get("content", {}).get(JSON) if "status" in example else None
    return (
        content is None
        or "response" not in example
        or not problems_with(example["response"], content.get("schema", {}))
    )


def response_of(one: Described, status: int) -> dict[str, Any]:
    """What the document says of a status."""
    response: dict[str, Any] = one.operation["responses"][str(status)]
    name = response.get("$ref", "").rpartition("/")[2]
    return DOCUMENT["components"]["responses"][name] if name else response


def test_the_document_is_a_document() -> None:
    openapi_spec_validator.validate(DOCUMENT)


def test_operations_have_readable_ids_of_their_own() -> None:
    ids = Counter(one["operationId"] for methods in DOCUMENT["paths"].values() for one in methods.values())
    assert {name: count for name, count in ids.items() if count > 1} == {}, "name the functions of these routes apart"
    assert [name for name in ids if not re.fullmatch(r"[a-z]+(_[a-z0-9]+)+", name)] == [], (
        "an operation is a verb and what it is about: create_lead"
    )


@pytest.mark.parametrize("one", OPERATIONS, ids=lambda one: one.id)
def test_an_operation_is_described(one: Described) -> None:
    operation = one.operation
    assert operation.get("summary"), f"{one.id} has no summary"
    assert operation.get("description"), f"{one.id} has no description: give its function a docstring"
    assert operation.get("tags"), f"{one.id} has no tag"
    example, fix = example_of(one.id), f"run `make openapi`, then read and commit api/examples/{one.id}.json"
    assert example.get("status"), f"{one.id} has no example: {fix}"
    media = [
        name
        for where in (operation.get("requestBody", {}), response_of(one, example["status"]))
        for name, content in where.get("content", {}).items()
        if content.get("schema") and "example" not in content and name in (JSON, EVENT_STREAM, "text/csv")
    ]
    assert media == [], f"the example of {one.id} lacks {media}: {fix}"
    for status in operation["responses"]:
        for name, content in response_of(one, int(status)).get("content", {}).items():
            for value in examples_in(name, content):
                assert problems_with(value, content.get("schema", {})) == [], f"{one.id} {status} {name}"
    for name, content in operation.get("requestBody", {}).get("content", {}).items():
        assert problems_with(content["example"], content.get("schema", {})) == [], f"the request of {one.id} as {name}"


def test_no_example_lies_around() -> None:
    ids = {one.id for one in OPERATIONS}
    assert [path.name for path in FOLDER.glob("*.json") if path.stem not in ids] == []


@pytest.mark.parametrize("one", SENT, ids=lambda one: one.name)
async def test_an_example_works(started: Api, one: Described) -> None:
    tenant, _ = two_tenants(started.database)
    known = seed(started.database.pipeline_url, tenant.customer_id, tenant.users["owner"])
    async with started.client(tenant) as client:
        story = Story(client, DOCUMENT, known, email=f"{new_id()}@acme.example")
        answer = await story.send(one)
        expected = example_of(one.id).get("status", 200)
        assert answer.is_success or answer.status_code == expected, f"{one.name}: {answer.status_code} {answer.text}"
        if RECORD:
            record(one, answer, stale=not fits(one))
        example = example_of(one.id)
        if one.request == example.get("request"):
            assert answer.status_code == example["status"], one.name
        content = response_of(one, answer.status_code).get("content")
        if content is None:
            assert answer.content == b""
        elif not answer.is_success:
            assert problems_with(answer.json(), content["application/problem+json"]["schema"]) == []
        elif JSON in content:
            assert problems_with(answer.json(), content[JSON]["schema"]) == []
        else:
            assert answer.headers["content-type"].partition(";")[0] in content

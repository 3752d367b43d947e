"""Bodies that break parsers, at every route that takes one: refused, quickly, with a small answer, never a 500."""

import time
from typing import Any

import orjson
import pytest

from api.problems import MAX_ERRORS
from api.routing import MAX_NAMES
from tests.integration.api.conftest import Api
from tests.integration.api.test_tenancy import checksums
from tests.integration.api.walk import Operation, operations
from tests.support.documents import document

CPU_SECONDS = 0.5
"""A whole request may cost this much; what is refused takes a tenth of it on a machine of its own."""


def with_value(body: dict[str, Any], raw: bytes) -> bytes:
    """`body` with `raw` in place of its first value, or under a name of its own."""
    name = next(iter(body), "name")
    rest = b"".join(b",%s:%s" % (orjson.dumps(k), orjson.dumps(v)) for k, v in body.items() if k != name)
    return b"{%s:%s%s}" % (orjson.dumps(name), raw, rest)


def hostile(body: dict[str, Any]) -> dict[str, bytes]:
    name = orjson.dumps(next(iter(body), "name"))
    return {
        "NUL": with_value(body, b'"a\\u0000b"'),
        "NUL in a name": orjson.dumps({**body, "a\x00": 1}),
        "invalid UTF-8": with_value(body, b'"\xc3\x28"'),
        "overlong UTF-8": with_value(body, b'"\xc0\xaf"'),
        "lone surrogate": with_value(body, b'"\\ud800"'),
        "2^70": with_value(body, str(2**70).encode()),
        "a number of 100,000 digits": with_value(body, b"9" * 100_000),
        "1e400": with_value(body, b"1e400"),
        "NaN": with_value(body, b"NaN"),
        "Infinity": with_value(body, b"-Infinity"),
        "100,000 deep": with_value(body, b"[" * 100_000 + b"]" * 100_000),
        "1,010 deep": with_value(body, b"[" * 1_010 + b"]" * 1_010),
        "100,000 deep, never closed": with_value(body, b'{"a":' * 100_000),
        "80,000 names": orjson.dumps({**body, **{f"x{n}": n for n in range(80_000)}}),
        "a million names": b"{" + b",".join(b'"%d":1' % n for n in range(1_000_000)) + b"}",
        "a name twice": b"{%s:1,%s:%s}" % (name, name, orjson.dumps(next(iter(body.values()), "x"))),
        "no object": b'"text"',
        "only white space": b" " * 500_000,
        "a byte order mark": b"\xef\xbb\xbf" + orjson.dumps(body),
        "UTF-16": orjson.dumps(body).decode().encode("utf-16"),
    }


# A batch of events answers for each row; a file of rows is no JSON.
OTHERWISE = {"/api/v1/events", "/api/v1/imports"}


def targets(api: Api) -> list[Operation]:
    return [one for one in operations() if one.has_body and one.path not in OTHERWISE]


async def test_each_is_refused_quickly_by_every_route(api: Api, ours: dict[str, str]) -> None:
    before, slowest, sent = checksums(api), (0.0, "", ""), 0
    headers = {"content-type": "application/json"}
    async with api.client(api.a) as client:
        for number, operation in enumerate(targets(api)):
            cases = hostile(operation.body() or {})
            for kind, body in cases.items():
                # what is long meets the same door everywhere: a few routes are enough
                if number % 8 and len(body) > 10_000:
                    continue
                started = time.process_time()
                answer = await client.request(operation.method, operation.url(ours), content=body, headers=headers)
                slowest = max(slowest, (time.process_time() - started, operation.name, kind))
                assert 400 <= answer.status_code < 500, (operation.name, kind, answer.status_code, answer.text[:200])
                assert len(answer.content) < 50_000, (operation.name, kind)
                sent += 1
    assert sent >= 350
    assert checksums(api) == before
    assert slowest[0] < CPU_SECONDS, slowest


@pytest.mark.parametrize("twice", [b'"name":"a","name":"b"', b'"name":"a","custom":{"x":1,"\\u0078":2}'])
async def test_a_name_twice_in_one_object_is_refused_and_in_two_is_not(api: Api, twice: bytes) -> None:
    headers = {"content-type": "application/json"}
    async with api.client(api.a) as client:
        refused = await client.post("/api/v1/accounts", content=b"{%s}" % twice, headers=headers)
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (422, "json_invalid")
        control = await client.post("/api/v1/accounts", json={"name": "a", "custom": {"name": 1}})
        assert control.status_code == 201
    assert len(api.rows("accounts")) == 1


async def test_an_answer_lists_only_as_many_errors_as_anybody_reads(api: Api) -> None:
    async with api.client(api.a) as client:
        answer = await client.post("/api/v1/accounts", json={"name": "x"} | {f"x{n}": n for n in range(900)})
    assert len(answer.json()["errors"]) == MAX_ERRORS


def truths(operation: Operation) -> list[str]:
    """Fields of a body that are true or false."""
    described = document()["paths"][operation.path][operation.method.lower()]
    reference = described["requestBody"]["content"]["application/json"]["schema"].get("$ref", "")
    fields = document()["components"]["schemas"].get(reference.rpartition("/")[2], {}).get("properties", {})
    return [name for name, schema in fields.items() if "boolean" in str(schema.get("anyOf", schema.get("type")))]


@pytest.mark.parametrize("value", [0, "true"])
async def test_only_true_and_false_are_truths(api: Api, ours: dict[str, str], value: Any) -> None:
    asked = 0
    async with api.client(api.a) as client:
        for operation in targets(api):
            for field in truths(operation):
                body = {**(operation.body() or {}), field: value}
                answer = await client.request(operation.method, operation.url(ours), json=body)
                assert answer.status_code == 422, (operation.name, field, answer.text)
                assert f"body.{field}" in {one["field"] for one in answer.json()["errors"]}, operation.name
                asked += 1
    assert asked >= 12


async def test_an_object_has_no_more_names_than_anybody_needs(api: Api) -> None:
    async with api.client(api.a) as client:
        for names, told in ((MAX_NAMES, "custom"), (MAX_NAMES + 1, "1,000 names")):
            custom = {f"x{n}": n for n in range(names)}
            answer = await client.post("/api/v1/accounts", json={"name": "a", "custom": custom})
            assert answer.status_code == 422
            assert told in orjson.dumps(answer.json()["errors"]).decode()

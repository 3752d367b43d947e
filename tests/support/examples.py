"""Sending the examples of the API's document to a real API, as a story: first what an example says must come before.

Ids in examples stand for rows that exist: those of the seeds, or of an earlier answer of the story.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import httpx

from api.documentation.examples import example_of, path_of
from tests.integration.api.walk import BODIES, QUERIES

EMAIL = "ann@acme.example"
JSON = "application/json"
_REMEMBERED = re.compile(r".*_(id|token)")


@dataclass(frozen=True)
class Described:
    """One operation of the document, with its media type and example of a request."""

    method: str
    path: str
    operation: dict[str, Any]
    media: str | None = None
    request: Any = None

    @property
    def id(self) -> str:
        """Its id."""
        operation_id: str = self.operation["operationId"]
        return operation_id

    @property
    def name(self) -> str:
        """Id and media type."""
        return self.id if self.media in (None, JSON) else f"{self.id} {self.media}"


def described(document: dict[str, Any]) -> list[Described]:
    """Every operation with each example of a request that it has."""
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {})
            given = [(media, one["example"]) for media, one in content.items() if "example" in one]
            for media, request in given or [(None, None)]:
                found.append(Described(method.upper(), path, operation, media, request))
    return found


def of(document: dict[str, Any], operation_id: str) -> Described:
    """The operation with an id."""
    return next(one for one in described(document) if one.id == operation_id)


@dataclass
class Story:
    """Examples sent one after the other by one user of one tenant; `email` is nobody else's."""

    client: httpx.AsyncClient
    document: dict[str, Any]
    known: dict[str, str]
    email: str = EMAIL
    told: list[str] = field(default_factory=list)

    async def send(self, one: Described) -> httpx.Response:
        """The answer to an example, after those that come before it."""
        example = example_of(one.id)
        for before in example.get("before", []):
            answer = await self.send(of(self.document, before))
            assert answer.is_success, f"{before}, which comes before {one.id}: {answer.text}"
        headers = {} if one.media is None else {"content-type": one.media}
        content = None if one.media is None else _body(one.media, self._with_known(one.request))
        answer = await self.client.request(
            one.method, one.path.format(**self.known), params=example.get("query"), headers=headers, content=content
        )
        self._remember(answer)
        return answer

    def _with_known(self, value: Any, name: str = "") -> Any:
        if isinstance(value, dict):
            return {key: self._with_known(inner, key) for key, inner in value.items()}
        if isinstance(value, list):
            return [self._with_known(inner) for inner in value]
        if value == EMAIL:
            return self.email
        return self.known.get(name, value) if isinstance(value, str) and name != "external_id" else value

    def _remember(self, answer: httpx.Response) -> None:
        if answer.is_success and answer.headers.get("content-type") == JSON:
            body = answer.json()
            if isinstance(body, dict):
                self.known |= {k: v for k, v in body.items() if isinstance(v, str) and _REMEMBERED.fullmatch(k)}


def _body(media: str, request: Any) -> str:
    return str(request) if media.startswith("text/") else json.dumps(request)


def record(one: Described, answer: httpx.Response | None = None, *, stale: bool = False) -> None:
    """Write what is missing of an example, or stale: the body that the walk over all routes sends, and the answer."""
    example = example_of(one.id)
    if stale:
        del example["response"]
    body, query = BODIES.get(f"{one.method} {one.path}"), QUERIES.get(f"{one.method} {one.path}")
    if answer is None and "requestBody" in one.operation and one.request is None and body is not None:
        example.setdefault("request", body)
    if answer is None and query is not None:
        example.setdefault("query", dict(parse_qsl(query)))
    if answer is not None and answer.is_success:
        example.setdefault("status", answer.status_code)
        media = answer.headers.get("content-type", "").partition(";")[0]
        if media == JSON:
            example.setdefault("response", answer.json())
        elif media.startswith("text/"):
            example.setdefault("response", answer.text)
    path_of(one.id).write_text(json.dumps(example, indent=2, ensure_ascii=False) + "\n")

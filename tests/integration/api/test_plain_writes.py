"""Plain writes answer just as FastAPI's own way would, and spare its dependency injection."""

from typing import Annotated, Any

import fastapi.routing
import pytest
from fastapi import Body, Header, Query
from fastapi.dependencies.utils import solve_dependencies
from pydantic import BaseModel
from starlette.responses import Response

from api.dependencies.work import IfMatch, Write
from api.plain_writes import plain_write
from tests.integration.api.conftest import Api

ACCOUNTS = "/api/v1/accounts"
JSON = {"content-type": "application/json"}


@pytest.fixture
def solved(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths for which FastAPI injected dependencies."""
    paths: list[str] = []

    async def watched(**arguments: Any) -> Any:
        paths.append(arguments["request"].url.path)
        return await solve_dependencies(**arguments)

    monkeypatch.setattr(fastapi.routing, "solve_dependencies", watched)
    return paths


async def test_a_plain_write_is_answered_without_dependency_injection(api: Api, solved: list[str]) -> None:
    async with api.client(api.a) as client:
        plain = await client.post(ACCOUNTS, content=b'{"name": "Acme", "employee_count": 7}', headers=JSON)
        assert solved == []
        long = await client.post(
            ACCOUNTS,
            content=b'{"name": "Zenith", "employee_count": 7}',
            headers={"content-type": "application/json; charset=utf-8"},
        )
        assert solved == [ACCOUNTS]
    assert (plain.status_code, long.status_code) == (201, 201)
    assert plain.headers.keys() == long.headers.keys()
    own = {"id", "name", "created_at", "updated_at"}
    assert [(one.json() | dict.fromkeys(own)) for one in (plain, long)] == [plain.json() | dict.fromkeys(own)] * 2


@pytest.mark.parametrize(
    ("body", "more", "status", "injected"),
    [
        (b'{"name": "Acme"}', {"params": {"allow_duplicates": "true"}}, 201, True),
        (b'{"name": "Acme"}', {"params": {"allow_duplicates": "perhaps"}}, 422, True),
        (b'{"name": "Acme"}', {"headers": {"content-type": "text/plain"}}, 422, True),
        (b'{"name": ""}', {}, 422, True),
        (b'{"name": "Acme", "name": "Twice"}', {}, 422, False),
        (b'{"name": "Acme", "no_such": 1}', {}, 422, True),
        (b"[]", {}, 422, True),
        (b"{", {}, 422, False),
        (b"", {}, 422, True),
    ],
)
async def test_what_is_not_plain_takes_the_way_of_fastapi(
    api: Api, solved: list[str], *, body: bytes, more: dict[str, Any], status: int, injected: bool
) -> None:
    more = {"headers": JSON} | more
    async with api.client(api.a) as client:
        answer = await client.post(ACCOUNTS, content=body, **more)
    assert answer.status_code == status, answer.text
    assert solved == ([ACCOUNTS] if injected else []), "what is no JSON is refused before"


class _Thing(BaseModel):
    name: str


async def _plain(thing_id: str, body: _Thing, context: Write, loud: Annotated[bool, Query()] = False) -> Response:
    return Response(f"{thing_id} {body.name} {context} {loud}")


async def _number(thing_id: int, body: _Thing, context: Write) -> Response:
    return Response()


async def _precondition(thing_id: str, body: _Thing, context: Write, if_match: IfMatch) -> Response:
    return Response()


async def _header(thing_id: str, body: _Thing, context: Write, kind: Annotated[str, Header()] = "") -> Response:
    return Response()


async def _embedded(thing_id: str, body: Annotated[_Thing, Body(embed=True)], context: Write) -> Response:
    return Response()


async def _optional(thing_id: str, context: Write, body: _Thing | None = None) -> Response:
    return Response()


async def _document(thing_id: str, body: _Thing, context: Write) -> dict[str, Any]:
    return {}


def test_only_what_is_plain_is_called_plainly() -> None:
    path = "/things/{thing_id}"
    assert plain_write(path, _plain) is not None
    for other in (_number, _precondition, _header, _embedded, _optional, _document):
        assert plain_write(path, other) is None, other.__name__

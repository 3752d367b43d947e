"""The short way of reads answers just as FastAPI's own way would, and does not enter it."""

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from api.application import ReadsFirst
from api.routing import area, read, requires
from bevyly.db.read import Reader
from bevyly.errors import Unavailable
from tests.integration.api.conftest import Api

SHORT, LONG = "short", "long"
ACCOUNTS = "/api/v1/accounts"
ONE = f"{ACCOUNTS}/01938f6e-7c1b-7d2a-9d43-5f3a1c0b9e77"


class Watched:
    """FastAPI's own way, which notes what takes it."""

    def __init__(self, app: FastAPI) -> None:
        self._own = ExceptionMiddleware(AsyncExitStackMiddleware(app.router), handlers=app.exception_handlers)
        self.entered: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.entered.append(f"{scope['method']} {scope['path']}")
        await self._own(scope, receive, send)


class Ways:
    """The same application by the short way and by FastAPI's own alone, without the layers around both."""

    def __init__(self, api: Api) -> None:
        self.api, self.own = api, Watched(api.app)
        self._apps = {SHORT: ReadsFirst(self.own, api.app.routes, api.app.exception_handlers), LONG: Watched(api.app)}

    async def ask(self, way: str, method: str, path: str, **more: Any) -> httpx.Response:
        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await self._apps[way](scope | {"app": self.api.app, "state": {}}, receive, send)

        headers = {"authorization": f"Bearer {self.api.token(self.api.a)}"} | more.pop("headers", {})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://api.test") as client:
            return await client.request(method, path, headers=headers, **more)

    async def same(self, method: str, path: str, **more: Any) -> httpx.Response:
        """What both ways answer."""
        short, long = [await self.ask(way, method, path, **more) for way in (SHORT, LONG)]
        counted = {"ratelimit", "ratelimit-policy"}
        assert (short.status_code, short.content) == (long.status_code, long.content)
        kept = [{name: one.headers[name] for name in one.headers.keys() - counted} for one in (short, long)]
        assert kept[0] == kept[1]
        return short


@pytest.fixture
def ways(api: Api) -> Ways:
    return Ways(api)


async def test_a_read_is_answered_without_fastapi(ways: Ways) -> None:
    async with ways.api.client(ways.api.a) as client:
        made = (await client.post(ACCOUNTS, json={"name": "Acme"})).json()
    for path in (ACCOUNTS, f"{ACCOUNTS}/{made['id']}", f"{ACCOUNTS}?filter=name%20eq%20%22Acme%22", ONE):
        await ways.same("GET", path)
    assert ways.own.entered == []
    assert (await ways.ask(SHORT, "GET", f"{ACCOUNTS}/{made['id']}")).json()["name"] == "Acme"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", ACCOUNTS, 405),
        ("HEAD", ONE, 405),
        ("GET", "/api/v1/nothing", 404),
        ("GET", f"{ACCOUNTS}/", 404),
        ("GET", f"{ONE}/nothing", 404),
        ("GET", "/", 404),
        ("PUT", ACCOUNTS, 405),
        ("DELETE", ACCOUNTS, 405),
        ("POST", ONE, 405),
        ("GET", "/healthz", 200),
    ],
)
async def test_what_is_no_read_takes_the_way_of_fastapi(ways: Ways, method: str, path: str, status: int) -> None:
    assert (await ways.same(method, path)).status_code == status
    assert ways.own.entered == [f"{method} {path}"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (ONE, 404),
        (f"{ACCOUNTS}/not-an-id", 404),
        (f"{ACCOUNTS}/batch", 404),
        (f"{ACCOUNTS}?limit=0", 422),
        (f"{ACCOUNTS}?no_such=1", 422),
        (f"{ACCOUNTS}?filter=nonsense", 422),
        (f"{ACCOUNTS}?cursor=forged", 422),
    ],
)
async def test_errors_of_reads_go_through_the_handlers(ways: Ways, path: str, status: int) -> None:
    answer = await ways.same("GET", path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    refused = await ways.same("GET", path, headers={"authorization": "Bearer forged"})
    assert refused.status_code == 401
    assert ways.own.entered == []


async def test_a_failure_that_nobody_knows_is_left_to_the_layers_around(
    ways: Ways, monkeypatch: pytest.MonkeyPatch
) -> None:
    failure: list[Exception] = [Unavailable("Not now.")]

    async def fail(*_: Any, **__: Any) -> Any:
        raise failure[0]

    monkeypatch.setattr(Reader, "one", fail)
    assert (await ways.same("GET", ONE)).status_code == 503
    failure[0] = RuntimeError("unknown")
    for way in (SHORT, LONG):
        with pytest.raises(RuntimeError, match="unknown"):
            await ways.ask(way, "GET", ONE)


def test_no_path_of_ours_is_found_by_a_route_that_stands_before_it(api: Api) -> None:
    """FastAPI goes by order, the short way by what is written out: where both agree, order does not matter."""
    reads = [one for one in api.app.routes if isinstance(one, Route) and "GET" in (one.methods or ())]
    assert len(reads) > 50
    fixed = [one for one in reads if not one.param_convertors]
    for route in fixed:
        first = next(one for one in reads if one.path_regex.match(route.path))
        assert first is route, (route.path, first.path)


async def test_what_is_written_out_wins_over_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    app, router, admitted = FastAPI(), area("/things", "things"), []

    @read(router, "/{thing_id}", dict)
    @requires("accounts:read")
    async def one_thing(request: Request, thing_id: str) -> Response:
        return Response(f"one {thing_id}")

    @read(router, "/all", dict)
    @requires("accounts:read")
    async def all_things(request: Request) -> Response:
        return Response("all")

    @router.get("/slow")
    @requires("accounts:read")
    async def slow_thing(request: Request) -> Response:
        return Response("slow")

    async def admit(_: Request, permission: str, cost: str) -> None:
        admitted.append((permission, cost))

    async def own(scope: Scope, receive: Receive, send: Send) -> None:
        await Response("own")(scope, receive, send)

    app.router.routes.extend(router.routes)
    monkeypatch.setattr("api.routing.resources_of", lambda _: SimpleNamespace(gate=SimpleNamespace(admit=admit)))
    short = ReadsFirst(own, app.routes, {})

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        await short(scope | {"app": app}, receive, send)

    async with httpx.AsyncClient(transport=httpx.ASGITransport(asked), base_url="http://api.test") as client:
        said = {name: (await client.get(f"/api/v1/things/{name}")).text for name in ("all", "slow", "7", "7/more")}
    assert said == {"all": "all", "slow": "own", "7": "one 7", "7/more": "own"}
    assert admitted == [("accounts:read", "reads")] * 2, "the gate stands before the short way too"

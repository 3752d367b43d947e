"""The gateway: what each route costs, by user and by address; other origins; proxies; what is not unpacked."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.requests import Request

from api import server
from api.dependencies.address import site_of
from api.dependencies.rate_limit import UNCOUNTED
from api.middleware.cors import origins_of
from api.routing import COSTS, costs, requires
from bevyly.errors import MissingDependency
from bevyly.ids import new_id
from bevyly.runtime.ports import free_port
from bevyly.settings import Settings
from tests.integration.api.conftest import UNLIMITED, Api, running
from tests.integration.api.test_edge import ACCOUNTS, is_problem
from tests.integration.api.walk import operations
from tests.support.databases import Database
from tests.support.documents import document

PAGE = "https://app.example"
ME = "/api/v1/auth/me"


def rules(**limits: int) -> Any:
    """Unlimited, but for the rules that are named; counted under names of this test's own."""
    name = new_id()
    named = {
        field: replace(getattr(UNLIMITED, field), name=f"{field}{name}", limit=n, lease=1)
        for field, n in limits.items()
    }
    return replace(UNLIMITED, **named)


def test_every_route_says_what_it_costs() -> None:
    found = {
        f"{method.upper()} {path}": described["x-rate-limit"]
        for path, methods in document()["paths"].items()
        for method, described in methods.items()
    }
    assert set(found.values()) == set(COSTS)
    assert len(found) == len(operations())
    for name, cost in (
        ("GET /api/v1/accounts", "lists"),
        ("GET /api/v1/accounts/{account_id}", "reads"),
        ("POST /api/v1/accounts", "writes"),
        ("POST /api/v1/events", "bulk"),
        ("POST /api/v1/auth/sign-up", "authentication"),
        ("POST /api/v1/auth/reset-password", "authentication"),
        ("POST /api/v1/auth/change-password", "writes"),
    ):
        assert found[name] == cost, name
    table = document()["info"]["description"]
    for row in (
        "| `list` | a list or a query | user or key | 1200 in 60 s |",
        "| `recovery` |",
        "| `address` | everything",
    ):
        assert row in table
    with pytest.raises(ValueError, match="no such rate limit"):
        costs("refused")
    with pytest.raises(ValueError, match="no such permission"):
        requires("accounts:fly")


async def test_each_class_has_its_own_count_and_says_so(database: Database, redis_url: str) -> None:
    limits = rules(reads=2, lists=3, writes=1, bulk=2, authentication=1)
    event = {"specversion": "1.0", "id": "1", "source": "x", "type": "lead.created", "data": {"lead_id": "1"}}
    async with running(database, redis_url, limits=limits) as api, api.client(api.a) as client:
        for times, method, path, body in (
            (2, "GET", ME, None),
            (3, "GET", ACCOUNTS, None),
            (1, "POST", ACCOUNTS, {"name": "x"}),
            (2, "POST", "/api/v1/events", event),
            (1, "POST", "/api/v1/auth/refresh", {"refresh_token": "x"}),
        ):
            answers = [await client.request(method, path, json=body) for _ in range(times + 2)]
            assert [one.status_code == 429 for one in answers] == [False] * times + [True] * 2, path
            for one in answers:
                assert one.headers["ratelimit-policy"].endswith(f";q={times};w=60")
                assert "ratelimit" in one.headers
            is_problem(answers[-1], 429, "rate_limited")
            assert int(answers[-1].headers["retry-after"]) >= 1
            assert answers[-1].headers["ratelimit"].split(";")[1] == "r=0"
        async with api.client(api.a, "member") as other:
            assert (await other.get(ME)).status_code == 200, "another user has a count of their own"


async def test_an_address_has_a_count_whoever_asks(database: Database, redis_url: str) -> None:
    async with running(database, redis_url, limits=rules(addresses=4)) as api:
        statuses = []
        for role in ("owner", "admin", "member"):
            async with api.client(api.a, role) as client:
                statuses += [(await client.get(ME)).status_code for _ in range(2)]
    assert statuses == [200] * 4 + [429] * 2


async def test_without_redis_the_api_goes_on_and_says_so(
    database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(database, redis_url) as api, api.client(api.a) as client:

        async def away(**_: object) -> None:
            raise ConnectionError("gone")

        monkeypatch.setattr(api.app.state.resources.limiter, "_script", away)
        before = UNCOUNTED.labels("list")._value.get()
        answer = await client.get(ACCOUNTS)
        assert (answer.status_code, "ratelimit" in answer.headers) == (200, False)
        assert UNCOUNTED.labels("list")._value.get() == before + 1
        assert 'bevyly_rate_limit_uncounted_total{rule="list"}' in (await client.get("/metrics")).text
        body = {"email": "a@example.com", "password": "x"}
        closed = await client.post("/api/v1/auth/log-in", json=body)
        is_problem(closed, 503, "unavailable")
        assert "retry-after" in closed.headers


def preflight(origin: str, method: str = "POST") -> dict[str, str]:
    return {
        "origin": origin,
        "access-control-request-method": method,
        "access-control-request-headers": "authorization,content-type,idempotency-key,if-match",
    }


async def test_pages_of_named_origins_may_call_and_no_others(database: Database, redis_url: str) -> None:
    async with running(database, redis_url, cors_origins=f"{PAGE}, http://localhost:5173") as api:
        async with api.client() as client:
            for origin in (PAGE, "http://localhost:5173"):
                answer = await client.options(ACCOUNTS, headers=preflight(origin))
                assert answer.status_code == 200, "nobody is asked who they are"
                assert answer.headers["access-control-allow-origin"] == origin
                assert "access-control-allow-credentials" not in answer.headers
                assert "if-match" in answer.headers["access-control-allow-headers"].lower()
                assert "PATCH" in answer.headers["access-control-allow-methods"]
            for origin in ("https://evil.example", f"{PAGE}.evil.example", "http://app.example", "null"):
                refused = await client.options(ACCOUNTS, headers=preflight(origin))
                assert refused.status_code == 400
                assert "access-control-allow-origin" not in refused.headers
            # errors too can be read by the page: without a token, and of bodies that are refused at the door
            unknown = await client.get(ACCOUNTS, headers={"origin": PAGE})
            huge = await client.post(ACCOUNTS, content=b"x" * 2_000_000, headers={"origin": PAGE})
            assert (unknown.status_code, huge.status_code) == (401, 413)
            assert {one.headers["access-control-allow-origin"] for one in (unknown, huge)} == {PAGE}
        async with api.client(api.a) as client:
            answer = await client.get(ACCOUNTS, headers={"origin": PAGE})
            exposed = answer.headers["access-control-expose-headers"].lower()
            assert {"etag", "ratelimit", "retry-after", "x-request-id"} <= set(exposed.replace(" ", "").split(","))
            assert answer.headers["vary"] == "Origin"
            other = await client.get(ACCOUNTS, headers={"origin": "https://evil.example"})
            assert "access-control-allow-origin" not in other.headers


async def test_without_the_setting_no_other_origin_may_call(api: Api) -> None:
    async with api.client(api.a) as client:
        answer = await client.get(ACCOUNTS, headers={"origin": PAGE})
        assert "access-control-allow-origin" not in answer.headers
        assert (await client.options(ACCOUNTS, headers=preflight(PAGE))).status_code == 405


@pytest.mark.parametrize(
    "origin", ["app.example", "https://app.example/", "https://*.example", "*,https://a.example", "null"]
)
def test_what_is_no_origin_is_said_at_the_start(origin: str) -> None:
    with pytest.raises(MissingDependency, match="is no origin"):
        origins_of(Settings(cors_origins=origin))
    assert origins_of(Settings(cors_origins="*")) == ["*"]


async def test_a_bomb_is_not_unpacked(api: Api) -> None:
    bomb = gzip.compress(b'{"name":"' + b"a" * 10_000_000 + b'"}')
    async with api.client(api.a) as client:
        for encoding in ("gzip", "br", "deflate", "identity, gzip", "GZIP"):
            headers = {"content-encoding": encoding, "content-type": "application/json"}
            is_problem(await client.post(ACCOUNTS, content=bomb, headers=headers), 415, "encoding_not_supported")
        plain = await client.post(ACCOUNTS, json={"name": "x"}, headers={"content-encoding": "identity"})
        assert plain.status_code == 201, "the control"


@pytest.mark.parametrize(
    ("host", "site"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("evil\r\nkey", "unknown"),
    ],
)
def test_who_is_counted_together(host: str, site: str) -> None:
    assert site_of(Request({"type": "http", "client": (host, 1), "headers": []})) == site
    assert site_of(Request({"type": "http", "client": None, "headers": []})) == "unknown"


@asynccontextmanager
async def served(app: Any, **settings: Any) -> AsyncIterator[str]:
    """`app` on the real server; yields its URL."""
    port = free_port()
    options = server.server_options(Settings(api_port=port, **settings)) | {
        "app": app,
        "factory": False,
        "lifespan": "off",
    }
    running_server = uvicorn.Server(uvicorn.Config(**options))
    running_server.install_signal_handlers = lambda: None
    task = asyncio.create_task(running_server.serve())
    async with asyncio.timeout(20):
        while not running_server.started:
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running_server.should_exit = True
        await task


async def test_only_a_trusted_proxy_says_who_the_client_is(api: Api) -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(site_of(Request(scope)))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    forged = {"x-forwarded-for": "198.51.100.9, 192.0.2.1"}
    for trusted in ("", "10.0.0.0/8", "127.0.0.1", "127.0.0.0/8, 192.0.2.0/24"):
        async with served(app, trusted_proxies=trusted) as url, httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(url, headers=forged)).status_code == 204
    assert seen == ["127.0.0.1", "127.0.0.1", "192.0.2.1", "198.51.100.9"], "from the right, the first not trusted"

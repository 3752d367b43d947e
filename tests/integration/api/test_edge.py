"""The edge: what is refused before it can do harm, and how that looks."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from api.middleware.limits import MAX_BODY_BYTES, RequestLimits
from bevyly.ids import new_id
from tests.integration.api.conftest import Api

ACCOUNTS = "/api/v1/accounts"


def is_problem(answer: httpx.Response, status: int, code: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["code"] == code
    assert document["status"] == status
    assert document["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    "body",
    [
        b'{"name": "a\\u0000b"}',
        b'{"name": "a", "custom": {"x": "\\u0000"}}',
        b'{"name": "a", "custom": {"x\\u0000": 1}}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xff"}',
        b'{"name": "a", "employee_count": 1180591620717411303424}',
        b'{"name": "a", "employee_count": 2147483648}',
        b'{"name": "a", "annual_revenue_minor": 9223372036854775808, "currency": "EUR"}',
        b'{"name": "a", "employee_count": 1e400}',
        b'{"name": "a", "employee_count": NaN}',
        b'{"name": "a", "custom": {"x": {"y": 1}}}',
        b'{"name": "a", "custom": {"x": 1e300}}',
        b'{"name": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"name": "' + b"a" * 256 + b'"}',
        b'{"name": "   "}',
        b'{"name": "a", "annual_revenue_minor": 5}',
        b"[]",
        b"",
        b"{",
        b"null",
    ],
)
async def test_bodies_that_cannot_be_kept_are_refused(api: Api, body: bytes) -> None:
    async with api.client(api.a) as client:
        answer = await client.post(ACCOUNTS, content=body, headers={"content-type": "application/json"})
    is_problem(answer, 422, "invalid")
    assert api.rows("accounts") == []


@pytest.mark.parametrize("field", ["id", "customer_id", "version", "created_at", "deleted_at", "fit_score"])
async def test_nobody_assigns_what_is_ours(api: Api, field: str) -> None:
    async with api.client(api.a) as client:
        made = (await client.post(ACCOUNTS, json={"name": "Acme"})).json()
        before = api.rows("accounts")
        for method, path in (("POST", ACCOUNTS), ("PATCH", f"{ACCOUNTS}/{made['id']}")):
            answer = await client.request(method, path, json={"name": "x", field: api.b.customer_id})
            is_problem(answer, 422, "invalid")
            assert answer.json()["errors"][0] == {
                "field": f"body.{field}",
                "code": "extra_forbidden",
                "message": "Extra inputs are not permitted",
            }
    assert api.rows("accounts") == before


@pytest.mark.parametrize(
    "query", ["q=%00", "limit=0", "limit=201", "limit=9" * 30, "cursor=%F0", "owner_id=x", "order=name"]
)
async def test_queries_that_make_no_sense_are_refused(api: Api, query: str) -> None:
    async with api.client(api.a) as client:
        answer = await client.get(f"{ACCOUNTS}?{query}")
        assert answer.status_code == 422, answer.text
        assert (await client.get(f"{ACCOUNTS}/a%00b")).status_code == 422
        assert (await client.get(f"{ACCOUNTS}/%ff%fe")).status_code == 404


async def test_a_prefix_is_no_pattern(api: Api) -> None:
    async with api.client(api.a) as client:
        for name in ("100% Acme", "Acme_1", "AcmeX1"):
            await client.post(ACCOUNTS, json={"name": name})
        for q, names in (("%", []), ("100%", ["100% Acme"]), ("acme_", ["Acme_1"]), ("ACME", ["AcmeX1", "Acme_1"])):
            found = (await client.get(ACCOUNTS, params={"q": q})).json()["data"]
            assert [row["name"] for row in found] == names


async def test_a_huge_body_is_refused_before_it_is_read(api: Api) -> None:
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += 64 * 1024
            yield b"x" * 64 * 1024

    async with api.client(api.a) as client:
        declared = await client.post(ACCOUNTS, content=b"x" * (MAX_BODY_BYTES + 1))
        is_problem(declared, 413, "body_too_large")
        undeclared = await client.post(ACCOUNTS, content=chunks())
        is_problem(undeclared, 413, "body_too_large")
    assert sent <= MAX_BODY_BYTES + 2 * 64 * 1024


async def test_a_target_that_is_too_long_is_refused(api: Api) -> None:
    async with api.client(api.a) as client:
        for path, query in ((ACCOUNTS, "x" * 33_000), (f"{ACCOUNTS}/{'x' * 33_000}", "")):
            is_problem(await client.get(path, params={"q": query}), 414, "target_too_long")
        longest = " and ".join(f'name ne "{letter * 900}"' for letter in "abcd")
        answer = await client.get(ACCOUNTS, params={"filter": longest})
        assert answer.status_code == 200, "the longest filter fits"


async def test_too_many_headers_are_refused(api: Api) -> None:
    async with api.client(api.a) as client:
        is_problem(await client.get(ACCOUNTS, headers={"x-long": "x" * 40_000}), 431, "headers_too_large")


async def test_a_body_that_never_ends_is_given_up(api: Api) -> None:
    async def never() -> dict[str, Any]:
        await asyncio.Event().wait()
        raise AssertionError

    answers: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        answers.append(message)

    limited = RequestLimits(api.app, body_seconds=0.01)
    scope = {
        "type": "http",
        "method": "POST",
        "path": ACCOUNTS,
        "headers": [(b"content-length", b"5")],
        "query_string": b"",
    }
    await limited(scope, never, send)
    assert answers[0]["status"] == 408


async def test_more_than_the_cap_at_once_is_refused(api: Api) -> None:
    gate = asyncio.Event()

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()

    limited = RequestLimits(slow, max_in_flight=2)
    scope = {"type": "http", "method": "GET", "path": ACCOUNTS, "headers": [], "query_string": b""}
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    waiting = [asyncio.create_task(limited(scope, receive, send)) for _ in range(2)]
    await asyncio.sleep(0)
    await limited(scope, receive, send)
    gate.set()
    await asyncio.gather(*waiting)
    assert statuses == [503]
    await limited(scope, receive, send)
    assert statuses == [503]


async def test_every_answer_carries_its_headers(api: Api) -> None:
    async with api.client(api.a) as client:
        for path in (ACCOUNTS, "/nowhere", "/healthz"):
            answer = await client.get(path, headers={"x-request-id": "mine-1"})
            assert answer.headers["x-request-id"] == "mine-1"
            assert answer.headers["x-content-type-options"] == "nosniff"
        limited = await client.get(ACCOUNTS)
        assert limited.headers["ratelimit-policy"] == '"list";q=1000000;w=60'
        is_problem(await client.get("/nowhere"), 404, "not_found")
        refused = await client.put(ACCOUNTS)
        is_problem(refused, 405, "method_not_allowed")
        assert refused.headers["allow"] == "GET, POST"
        assert (await client.get("/api/v1/accounts/batch")).status_code == 404, "a record whose id that could be"
        assert (await client.put("/api/v1/accounts/batch")).headers["allow"] == "POST"
        reproduce = f"/api/v1/intent/scores/{new_id()}/reproduce"
        assert (await client.put(reproduce)).headers["allow"] == "POST", "not an entity of that name"


@pytest.mark.parametrize("number", ["0.5", "-1", "1e9", " 17 ", "1732838400"])
async def test_a_number_is_no_instant(api: Api, number: str) -> None:
    async with api.client(api.a) as client:
        is_problem(await client.get("/api/v1/audit", params={"until": number}), 422, "invalid")
        odd = await client.get(ACCOUNTS, headers={"x-request-id": "a b\tc"})
        assert odd.headers["x-request-id"] != "a b\tc"


async def test_health_names_what_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api.client() as client:
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["away"]) == (200, [])
        assert "bevyly_http_requests_total" in (await client.get("/metrics")).text
        reader = api.app.state.resources.reader
        await reader.close()
        monkeypatch.setattr(reader, "_conninfo", "host=127.0.0.1 port=1")
        away = await client.get("/readyz")
        assert (away.status_code, away.json()["away"]) == (503, ["database"])
        refused = await client.get(ACCOUNTS, headers={"authorization": f"Bearer {api.token(api.a)}"})
        is_problem(refused, 503, "unavailable")
        assert refused.headers["retry-after"] == "1"


async def test_the_documentation_asks_nobody_else(api: Api) -> None:
    async with api.client() as client:
        page = (await client.get("/docs")).text
        assert "http://" not in page
        assert "https://" not in page
        assert (await client.get("/openapi.json")).json()["openapi"].startswith("3.1")


@pytest.mark.parametrize(
    ("path", "field", "value"),
    [
        ("/api/v1/leads", "value_minor", False),
        ("/api/v1/accounts", "employee_count", True),
        ("/api/v1/activities", "occurred_at", 0),
        ("/api/v1/activities", "due_at", "1700000000"),
        ("/api/v1/opportunities", "expected_close_date", 0),
    ],
)
async def test_a_value_of_another_kind_is_not_made_to_fit(api: Api, path: str, field: str, value: object) -> None:
    async with api.client(api.a) as client:
        answer = await client.post(path, json={"name": "x", "kind": "note", "account_id": new_id(), field: value})
        is_problem(answer, 422, "invalid")
        assert f"body.{field}" in {error["field"] for error in answer.json()["errors"]}

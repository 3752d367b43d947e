"""Queries of lists: every operator against an oracle, pages that visit each row once, and what nobody may ask."""

import random
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import pytest_asyncio
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from api.modules.opportunities.listing import OPPORTUNITIES
from api.query.conditions import MAX_SEARCHES
from api.query.parse import MAX_CONDITIONS, MAX_DEPTH, MAX_LENGTH, MAX_LITERALS
from api.query.schemas import ListQuery, selected_page
from api.query.tree import COMPARISONS, SEARCHES
from api.resources import QUERY_CONNECTIONS
from bevyly.db.engine import make_engine
from bevyly.identity.keys import create_api_key
from bevyly.ids import new_id
from tests.integration.api.conftest import Api, Tenant, two_tenants
from tests.integration.api.seeds import seed
from tests.integration.api.walk import operations

NOW = datetime.now(UTC)
Row = dict[str, Any]
ROWS = 240
LISTS = {
    "/api/v1/accounts": "-created_at",
    "/api/v1/contacts": "-created_at",
    "/api/v1/opportunities": "-created_at",
    "/api/v1/leads": "-created_at",
    "/api/v1/activities": "-occurred_at",
    "/api/v1/intent/signals": "-last_seen_at",
    "/api/v1/intent/patterns": "-last_seen_at",
    "/api/v1/intent/recommendations": "-created_at",
    "/api/v1/agents/runs": "-started_at",
    "/api/v1/approvals": "-created_at",
    "/api/v1/enrolments": "-created_at",
    "/api/v1/decisions": "-noted_at",
}
DEALS = "/api/v1/opportunities"
GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "querying.md"
OPERATORS = (*COMPARISONS, *SEARCHES, "has")


@dataclass
class Crowd:
    """A tenant with many opportunities, as the database has them."""

    api: Api
    tenant: Tenant
    rows: list[Row]

    async def ids(self, path: str = DEALS, **query: Any) -> list[str]:
        """Ids that a list answers, page by page."""
        found: list[str] = []
        async with self.api.client(self.tenant) as client:
            while True:
                answer = await client.get(path, params={"limit": 200} | query)
                assert answer.status_code == 200, (query, answer.text)
                found += [row["id"] for row in answer.json()["data"]]
                query["cursor"] = answer.json()["page"]["next_cursor"]
                if query["cursor"] is None:
                    return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowd(module_api: Api) -> Crowd:
    api, dice = module_api, random.Random(7)
    tenant, _ = two_tenants(api.database)
    users = list(tenant.users.values())
    accounts = [
        {"id": new_id(), "name": f"Account {n}", "industry": ["Software", "Banking", None][n % 3], "deleted": n == 8}
        for n in range(9)
    ]
    texts = ["Renewal", "renewal 50%", "Straße_Ü", 'a "quoted" \\ one', "ÜBER", "new_deal", "'; drop table users; --"]
    rows = []
    for n in range(ROWS):
        account, open_ = dice.choice(accounts), dice.random() < 0.6
        value = dice.choice([None, 0, 100_000, 250_000, dice.randrange(10**9)])
        rows.append(
            {
                "id": new_id(),
                "account_id": account["id"],
                "account": None if account["deleted"] else account,
                "name": f"{dice.choice(texts)} {n % 7}",
                "status": "open" if open_ else "won",
                "stage": dice.choice(["proposal", "negotiation"]) if open_ else "won",
                "value": value,
                "currency": None if value is None else "EUR",
                "close": dice.choice([None, NOW.date() + timedelta(days=dice.randrange(-40, 40))]),
                "owner_id": dice.choice([None, *users]),
                "created_at": NOW - timedelta(hours=dice.randrange(0, 24 * 60)),
                "closed_at": None if open_ else NOW,
                "custom": dice.choice(
                    [
                        {},
                        {"tier": "gold", "score": 3, "tags": ["a", "b"], "hot": True, "Renews on": "2026-05-01"},
                        {"tier": "Silver", "score": 4.5, "tags": ["b"], "hot": False, "Renews on": "2027-01-01T00:00Z"},
                        {"tier": None, "score": "many", "tags": "a", "Renews on": "soon"},
                    ]
                ),
            }
        )
    with psycopg.connect(api.database.pipeline_url) as connection, connection.cursor() as cursor:
        cursor.executemany(
            "insert into accounts (customer_id, id, name, industry, deleted_at) values (%s, %s, %s, %s, %s)",
            [
                (tenant.customer_id, one["id"], one["name"], one["industry"], NOW if one["deleted"] else None)
                for one in accounts
            ],
        )
        cursor.executemany(
            "insert into opportunities (customer_id, id, account_id, name, status, stage, value, currency, "
            "expected_close_date, owner_id, created_at, closed_at, custom, stage_entered_at) "
            "values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, now())",
            [
                (
                    tenant.customer_id, row["id"], row["account_id"], row["name"], row["status"], row["stage"],
                    row["value"], row["currency"], row["close"], row["owner_id"], row["created_at"], row["closed_at"],
                    Jsonb(row["custom"]),
                )
                for row in rows
            ],
        )  # fmt: skip
    ranked = "select id, dense_rank() over (order by lower(name)) from opportunities where customer_id = %s"
    ranks: dict[str, int] = dict(api.sql(ranked, tenant.customer_id))
    return Crowd(api, tenant, [row | {"name_rank": ranks[row["id"]]} for row in rows])


def has(test: Callable[[Any], bool], *names: str) -> Callable[[Row], bool]:
    """A condition that a missing value does not fulfil."""

    def holds(row: Row) -> bool:
        value: Any = row
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value is not None and bool(test(value))

    return holds


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


TODAY, DAY = NOW.date(), timedelta(days=1)
MONTH = datetime(NOW.year, NOW.month, 1, tzinfo=UTC)
ORACLE: dict[str, Callable[[Row], bool]] = {
    'status eq "open"': has(lambda v: v == "open", "status"),
    'status ne "open"': lambda row: row["status"] != "open",
    'stage in ("proposal", "won")': has(lambda v: v in ("proposal", "won"), "stage"),
    'name eq "Renewal 0"': has(lambda v: v == "Renewal 0", "name"),
    'name contains "RENEWAL"': has(lambda v: "renewal" in v.lower(), "name"),
    'name contains "50%"': has(lambda v: "50%" in v, "name"),
    'name contains "_"': has(lambda v: "_" in v, "name"),
    'name contains "über"': has(lambda v: "über" in v.lower(), "name"),
    'name contains "\\\\"': has(lambda v: "\\" in v, "name"),
    'name contains "\\"quoted"': has(lambda v: '"quoted' in v, "name"),
    'name contains "\'; drop"': has(lambda v: "'; drop" in v, "name"),
    'name starts "r"': has(lambda v: v.lower().startswith("r"), "name"),
    'name starts "%"': lambda row: False,
    'name ends " 3"': has(lambda v: v.endswith(" 3"), "name"),
    "value_minor eq 100000": has(lambda v: v == 100_000, "value"),
    "value_minor ne 100000": lambda row: row["value"] != 100_000,
    "value_minor lt 100000": has(lambda v: v < 100_000, "value"),
    "value_minor le 100000": has(lambda v: v <= 100_000, "value"),
    "value_minor gt 100000": has(lambda v: v > 100_000, "value"),
    "value_minor ge 100000": has(lambda v: v >= 100_000, "value"),
    "value_minor in (0, 250000)": has(lambda v: v in (0, 250_000), "value"),
    "value_minor between 1 and 250000": has(lambda v: 1 <= v <= 250_000, "value"),
    "value_minor is null": lambda row: row["value"] is None,
    "value_minor is not null": lambda row: row["value"] is not None,
    "not value_minor gt 100000": lambda row: not (row["value"] is not None and row["value"] > 100_000),
    "owner_id eq me": lambda row: row["owner_id"] == row["me"],
    "not owner_id is null": lambda row: row["owner_id"] is not None,
    "expected_close_date eq today": has(lambda v: v == TODAY, "close"),
    "expected_close_date lt today": has(lambda v: v < TODAY, "close"),
    "expected_close_date le today": has(lambda v: v <= TODAY, "close"),
    "expected_close_date gt tomorrow": has(lambda v: v > TODAY + DAY, "close"),
    "expected_close_date ne today": lambda row: row["close"] != TODAY,
    "expected_close_date between today and +2w": has(lambda v: TODAY <= v <= TODAY + 14 * DAY, "close"),
    "expected_close_date in (yesterday, tomorrow)": has(lambda v: v in (TODAY - DAY, TODAY + DAY), "close"),
    f"expected_close_date ge {TODAY + 3 * DAY}": has(lambda v: v >= TODAY + 3 * DAY, "close"),
    "expected_close_date in this_month": has(lambda v: (v.year, v.month) == (TODAY.year, TODAY.month), "close"),
    "created_at in today": has(lambda v: v.date() == TODAY, "created_at"),
    "created_at lt start_of_month": has(lambda v: v < MONTH, "created_at"),
    f"created_at eq {TODAY - 3 * DAY}": has(lambda v: v.date() == TODAY - 3 * DAY, "created_at"),
    f"created_at gt {TODAY - 3 * DAY}": has(lambda v: v.date() > TODAY - 3 * DAY, "created_at"),
    f"created_at le {TODAY - 3 * DAY}": has(lambda v: v.date() <= TODAY - 3 * DAY, "created_at"),
    f"created_at ge {(NOW - 9 * DAY).isoformat()}": has(lambda v: v >= NOW - 9 * DAY, "created_at"),
    'account.industry in ("Software", "Banking")': has(lambda v: v in ("Software", "Banking"), "account", "industry"),
    'account.industry ne "Software"': lambda row: (row["account"] or {}).get("industry") != "Software",
    "account.id is null": lambda row: row["account"] is None,
    'custom.tier eq "gold"': has(lambda v: v == "gold", "custom", "tier"),
    'custom.tier ne "gold"': lambda row: row["custom"].get("tier") != "gold",
    'custom.tier in ("gold", "Silver")': has(lambda v: v in ("gold", "Silver"), "custom", "tier"),
    'custom.tier contains "IL"': has(lambda v: "il" in v.lower(), "custom", "tier"),
    "custom.tier is null": lambda row: row["custom"].get("tier") is None,
    "custom.score ge 3.5": has(lambda v: number(v) and v >= 3.5, "custom", "score"),
    "custom.score between 1 and 3": has(lambda v: number(v) and 1 <= v <= 3, "custom", "score"),
    "custom.score eq 4.5": has(lambda v: v == 4.5, "custom", "score"),
    "custom.hot eq true": has(lambda v: v is True, "custom", "hot"),
    'custom.tags has "a"': has(lambda v: isinstance(v, list) and "a" in v, "custom", "tags"),
    'custom.tags has any ("a", "x")': has(lambda v: isinstance(v, list) and "a" in v, "custom", "tags"),
    'custom."Renews on" lt 2027-01-01': has(lambda v: v == "2026-05-01", "custom", "Renews on"),
    'custom."Renews on" eq 2027-01-01': has(lambda v: v.startswith("2027-01-01"), "custom", "Renews on"),
    'status eq "won" or value_minor gt 0 and not custom.hot eq true': lambda row: (
        row["status"] == "won" or ((row["value"] or 0) > 0 and row["custom"].get("hot") is not True)
    ),
    'not (status eq "won" or (value_minor is null and owner_id is not null))': lambda row: (
        not (row["status"] == "won" or (row["value"] is None and row["owner_id"] is not None))
    ),
}


@pytest.mark.parametrize("text", ORACLE, ids=range(len(ORACLE)))
async def test_a_filter_finds_what_it_says(crowd: Crowd, text: str) -> None:
    me = crowd.tenant.users["owner"]
    expected = {row["id"] for row in crowd.rows if ORACLE[text](row | {"me": me})}
    found = await crowd.ids(filter=text)
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert expected != {row["id"] for row in crowd.rows}


SORTS: dict[str, Callable[[Row], tuple[Any, ...]]] = {
    "value_minor": lambda row: (row["value"] is None, row["value"], row["id"]),
    "-value_minor": lambda row: (row["value"] is None, -(row["value"] or 0), invert(row["id"])),
    "name": lambda row: (row["name_rank"], row["id"]),
    "-expected_close_date,name": lambda row: (
        row["close"] is None, -(row["close"] or date.min).toordinal(), row["name_rank"], row["id"],
    ),
    "expected_close_date,-value_minor": lambda row: (
        row["close"] is None, row["close"], row["value"] is None, -(row["value"] or 0), invert(row["id"]),
    ),
    "name,-created_at,value_minor": lambda row: (
        row["name_rank"], -row["created_at"].timestamp(), row["value"] is None, row["value"], row["id"],
    ),
    "-created_at": lambda row: (-row["created_at"].timestamp(), invert(row["id"])),
}  # fmt: skip


def invert(row_id: str) -> tuple[int, ...]:
    return tuple(-ord(one) for one in row_id)


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_visit_each_row_once_in_order_while_rows_are_added(crowd: Crowd, sort: str) -> None:
    expected = [row["id"] for row in sorted(crowd.rows, key=SORTS[sort])]
    api, seen, dice = crowd.api, [], random.Random(sort)
    query: dict[str, Any] = {"sort": sort, "fields": "id"}
    added: set[str] = set()
    async with api.client(crowd.tenant) as client:
        while True:
            answer = (await client.get(DEALS, params=query | {"limit": dice.randrange(20, 60)})).json()
            seen += [row["id"] for row in answer["data"]]
            query["cursor"] = answer["page"]["next_cursor"]
            if query["cursor"] is None:
                break
            body = {"name": dice.choice("Aaz"), "account_id": crowd.rows[0]["account_id"], "value_minor": 7}
            added.add((await client.post(DEALS, json=body | {"currency": "EUR"})).json()["id"])
        assert [row_id for row_id in seen if row_id not in added] == expected
        assert len(seen) == len(set(seen))
        for row_id in added:
            api.sql("delete from opportunity_history where opportunity_id = %s", row_id)
            api.sql("delete from opportunities where id = %s", row_id)
    assert added


# rows of the seeds, where there is more than one
SEEDED = {"/api/v1/activities": 2, "/api/v1/decisions": 3}


@pytest.fixture
def theirs(api: Api) -> dict[str, str]:
    """Tenant B with a row in every table."""
    return seed(api.database.pipeline_url, api.b.customer_id, api.b.users["owner"])


async def test_a_query_shows_a_row_as_the_list_itself_does(api: Api, theirs: dict[str, str]) -> None:
    async with api.client(api.b) as client:
        for path, sort in LISTS.items():
            plain, asked = (await client.get(path)).content, (await client.get(path, params={"sort": sort})).content
            assert plain == asked, path
            assert len(httpx.Response(200, content=plain).json()["data"]) == SEEDED.get(path, 1), path


def test_every_list_of_records_and_conclusions_takes_a_query() -> None:
    taking = {one.path for one in operations() if {"filter", "sort", "facets"} <= set(one.query)}
    assert taking == LISTS.keys()


async def test_simple_parameters_narrow_a_query_as_they_narrow_the_list(crowd: Crowd) -> None:
    for query in (
        {"status": "won"},
        {"stage": "proposal", "owner_id": crowd.tenant.users["owner"]},
        {"account_id": crowd.rows[0]["account_id"]},
        {"q": "REN"},
    ):
        plain = await crowd.ids(**query)
        assert plain == await crowd.ids(sort="-created_at", **query), query
        large = {row["id"] for row in crowd.rows if (row["value"] or 0) > 200_000}
        narrowed = await crowd.ids(filter="value_minor gt 200000", **query)
        assert narrowed == [one for one in plain if one in large]
        assert 0 < len(narrowed) < len(plain) < ROWS


async def test_a_reading_of_signals_keeps_its_own_parameters(api: Api, theirs: dict[str, str]) -> None:
    path = "/api/v1/intent/signals"
    async with api.client(api.b) as client:
        for query, count in (({"open": "true"}, 1), ({"open": "false"}, 0), ({"filter": "open eq true"}, 1)):
            answer = (await client.get(path, params=query | {"count": "exact"})).json()
            assert (len(answer["data"]), answer["page"]["total"]) == (count, count), query
        evidence = (await client.get(path, params={"filter": 'evidence has "x"'})).json()
        assert evidence["data"] == []
        api.sql('update signals set evidence = \'["x", "y"]\' where customer_id = %s', api.b.customer_id)
        evidence = (await client.get(path, params={"filter": 'evidence has any ("z", "y")'})).json()
        assert len(evidence["data"]) == 1


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("confidence eq 0.1", True),
        ("confidence in (0.1, 7)", True),
        ("confidence lt 0.1", False),
        ("confidence ge 0.1 and confidence_high gt 0.5", True),
        ("lift is null", True),
        ("confidence between 0.10001 and 1", False),
    ],
)
async def test_a_number_is_as_exact_as_its_column(api: Api, theirs: dict[str, str], text: str, found: bool) -> None:
    api.sql("update patterns set confidence = 0.1 where customer_id = %s", api.b.customer_id)
    async with api.client(api.b) as client:
        answer = await client.get("/api/v1/intent/patterns", params={"filter": text})
    assert len(answer.json()["data"]) == int(found)


async def test_counts_and_facets_are_those_of_the_same_filter(crowd: Crowd) -> None:
    query = {"filter": "value_minor gt 0", "count": "exact", "facets": "status,owner_id", "limit": 3}
    rows = [row for row in crowd.rows if (row["value"] or 0) > 0]
    async with crowd.api.client(crowd.tenant) as client:
        answer = (await client.get(DEALS, params=query)).json()
    assert answer["page"]["total"] == len(rows)
    assert len(answer["data"]) == 3
    for facet in ("status", "owner_id"):
        counts = {one["value"]: one["count"] for one in answer["facets"][facet]}
        assert counts == {value: sum(row[facet] == value for row in rows) for value in {row[facet] for row in rows}}
        assert [one["count"] for one in answer["facets"][facet]] == sorted(counts.values(), reverse=True)


async def test_rows_show_the_fields_and_relations_that_were_asked_for(crowd: Crowd) -> None:
    row = next(row for row in crowd.rows if row["account"] and row["owner_id"])
    gone = next(row for row in crowd.rows if not row["account"])
    async with crowd.api.client(crowd.tenant) as client:

        async def show(row_id: str, **query: str) -> Any:
            answer = await client.get(DEALS, params=query | {"filter": f'id eq "{row_id}"'})
            return answer.json()["data"][0]

        assert await show(row["id"], fields="name,id") == {"name": row["name"], "id": row["id"]}
        named = await show(row["id"], fields="id,account.name,owner.id")
        account, owner = {"name": row["account"]["name"]}, {"id": row["owner_id"]}
        assert named == {"id": row["id"], "account": account, "owner": owner}
        included = await show(row["id"], include="account,owner")
        plain = await show(row["id"])
        assert included == plain | {"account": included["account"], "owner": included["owner"]}
        assert included["account"]["industry"] == row["account"]["industry"]
        assert included["owner"].keys() == {"id", "name", "email", "role"}
        assert (await show(gone["id"], include="account"))["account"] is None
        for query in ({"include": "account,owner,lead"}, {"fields": "id,account.custom", "facets": "stage"}):
            answer = await client.get(DEALS, params=query | {"count": "exact"})
            page: Any = selected_page(OPPORTUNITIES).model_validate_json(answer.content)
            assert len(page.data) == 50
            assert page.page.total == ROWS


async def test_costly_queries_hold_up_no_list(crowd: Crowd) -> None:
    resources = crowd.api.app.state.resources
    async with AsyncExitStack() as held, crowd.api.client(crowd.tenant) as client:
        for _ in range(QUERY_CONNECTIONS):
            await held.enter_async_context(resources.queries._connection())
        assert (await client.get(DEALS)).status_code == 200
        assert (await client.get(DEALS, params={"count": "exact"})).status_code == 503


async def test_deleted_rows_show_to_those_who_may_delete(api: Api) -> None:
    async with api.client(api.a) as client:
        kept, gone = [(await client.post("/api/v1/accounts", json={"name": n})).json()["id"] for n in ("kept", "gone")]
        await client.delete(f"/api/v1/accounts/{gone}")
        for deleted, expected in (("only", {gone}), ("include", {kept, gone})):
            found = (await client.get("/api/v1/accounts", params={"deleted": deleted})).json()["data"]
            assert {row["id"] for row in found} == expected
        marked = (await client.get("/api/v1/accounts", params={"deleted": "only", "fields": "deleted_at"})).json()
        assert marked["data"][0]["deleted_at"] is not None
        assert (await client.get("/api/v1/intent/signals", params={"deleted": "only"})).status_code == 422
    async with api.client(api.a, "viewer") as client:
        answer = await client.get("/api/v1/accounts", params={"deleted": "only"})
        assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_a_relation_takes_its_own_permission(api: Api) -> None:
    engine = make_engine(api.database.app_url, pool_size=1)
    owner = api.a.users["owner"]
    narrow = create_api_key(engine, api.a.customer_id, owner, "n", ["opportunities:read"])
    wide = create_api_key(engine, api.a.customer_id, owner, "w", ["opportunities:read", "accounts:read"])
    engine.dispose()
    for key, status in ((narrow, 403), (wide, 200)):
        async with api.client(**{"x-api-key": key}) as client:
            for query in ({"include": "account"}, {"fields": "account.name"}, {"filter": 'account.name starts "a"'}):
                assert (await client.get(DEALS, params=query)).status_code == status, query


async def test_another_tenant_shows_in_no_query(api: Api, theirs: dict[str, str]) -> None:
    relations = {"account": "name", "contact": "email", "lead": "company_name", "opportunity": "name"}
    walked = 0
    for tenant, visible in ((api.a, False), (api.b, True)):
        async with api.client(tenant) as client:
            for path in LISTS:
                answer = (await client.get(path, params={"count": "exact", "filter": 'id ne "x"'})).json()
                rows = int(visible) * SEEDED.get(path, 1)
                assert (answer["page"]["total"], len(answer["data"])) == (rows, rows), path
            foreign = theirs["account_id"]
            answer = (await client.get(DEALS, params={"filter": f'account.id eq "{foreign}"'})).json()
            assert len(answer["data"]) == int(visible)
    # even a row that pointed into another tenant would show nothing of it
    with psycopg.connect(api.database.owner_url) as owner:
        owner.execute("set session_replication_role = replica")
        owner.execute(
            "insert into activities (customer_id, id, kind, direction, occurred_at, account_id, contact_id, lead_id, "
            "opportunity_id) values (%s, %s, 'note', 'internal', now(), %s, %s, %s, %s)",
            (
                api.a.customer_id,
                new_id(),
                *(theirs[f"{one}_id"] for one in ("account", "contact", "lead", "opportunity")),
            ),
        )
    async with api.client(api.a) as client:
        row = (await client.get("/api/v1/activities", params={"include": "account,contact,lead"})).json()["data"][0]
        assert (row["account_id"], row["account"], row["contact"], row["lead"]) == (
            theirs["account_id"],
            None,
            None,
            None,
        )
        for relation, field in relations.items():
            answer = await client.get("/api/v1/activities", params={"filter": f'{relation}.{field} contains "s"'})
            assert answer.json()["data"] == []
            walked += 1
    assert walked == 4


async def test_a_cursor_belongs_to_its_tenant_list_filter_and_sort(crowd: Crowd) -> None:
    query = {"filter": "value_minor ge 0", "sort": "-value_minor", "limit": "5"}
    async with crowd.api.client(crowd.tenant) as client:
        cursor = (await client.get(DEALS, params=query)).json()["page"]["next_cursor"]
        same = await client.get(DEALS, params=query | {"cursor": cursor, "fields": "id", "limit": "7"})
        assert same.status_code == 200
        changes: list[tuple[str, dict[str, str]]] = [
            (DEALS, query | {"filter": "value_minor ge 1"}),
            (DEALS, query | {"sort": "value_minor"}),
            (DEALS, query | {"status": "open"}),
            (DEALS, query | {"deleted": "include"}),
            (DEALS, query | {"timezone": "Europe/Berlin"}),
            (DEALS, {}),
            ("/api/v1/leads", query),
        ]
        for path, other in changes:
            answer = await client.get(path, params=other | {"cursor": cursor})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor"), other
        for forged in ("", "A" * 40, cursor[::-1], "' or 1=1 --"):
            answer = await client.get(DEALS, params=query | {"cursor": forged})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor"), forged
    async with crowd.api.client(crowd.api.a) as client:
        answer = await client.get(DEALS, params=query | {"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_relative_times_stand_still_from_page_to_page(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = crowd.api.app.state.resources.clock
    query: dict[str, Any] = {"filter": "created_at ge -30d", "sort": "created_at", "fields": "id", "limit": 50}
    expected = {row["id"] for row in crowd.rows if row["created_at"] >= clock.now() - 30 * DAY}
    async with crowd.api.client(crowd.tenant) as client:
        first = (await client.get(DEALS, params=query)).json()
        monkeypatch.setattr(type(clock), "now", lambda _: NOW + timedelta(minutes=9))
        second = (await client.get(DEALS, params=query | {"cursor": first["page"]["next_cursor"], "limit": 200})).json()
    assert {row["id"] for row in first["data"] + second["data"]} == expected


INJECTIONS = ("'", '";--', "1; drop table users", "name) or (1=1", "$1", "r.name", "name--", "{row}", "\x00", "%s", "%")


@pytest.mark.parametrize("parameter", ["filter", "sort", "fields", "include", "facets", "timezone"])
async def test_sql_in_a_parameter_is_refused(crowd: Crowd, parameter: str) -> None:
    async with crowd.api.client(crowd.tenant) as client:
        for text in INJECTIONS:
            for wrapped in (text, f"name {text}", f"name eq {text}", f"name.{text}", f"{text} desc"):
                answer = await client.get(DEALS, params={parameter: wrapped})
                assert answer.status_code == 422, (parameter, wrapped, answer.text)
                assert answer.json()["code"] in ("invalid_query", "invalid_filter", "invalid"), answer.text


async def test_sql_in_a_value_is_a_value(crowd: Crowd) -> None:
    wanted = [row["id"] for row in crowd.rows if row["name"].startswith("'; drop table users")]
    assert wanted
    assert set(await crowd.ids(filter='name starts "\'; drop table users; --"')) == set(wanted)
    for key in ("tier' or '1'='1", "') is null or true --", "$1", "{row}", "a\\u0027"):
        assert await crowd.ids(filter=f'custom."{key}" eq "gold"') == []
        assert await crowd.ids(filter=f'custom."{key}" ge 1') == []


REFUSED = {
    ("filter", "nothing eq 1"): ("invalid_filter", 0),
    ("filter", 'status eq "open" and stage lt "won"'): ("invalid_filter", 21),
    ("filter", 'status eq "never"'): ("invalid_filter", 10),
    ("filter", "status eq 1"): ("invalid_filter", 10),
    ("filter", 'value_minor eq "1"'): ("invalid_filter", 15),
    ("filter", "value_minor eq 1.5"): ("invalid_filter", 15),
    ("filter", "value_minor eq 99999999999999999999"): ("invalid_filter", 15),
    ("filter", "value_minor eq me"): ("invalid_filter", 15),
    ("filter", "name eq me"): ("invalid_filter", 8),
    ("filter", "created_at ge 12"): ("invalid_filter", 14),
    ("filter", "created_at ge +9999y"): ("invalid_filter", 14),
    ("filter", "created_at ge 9999-12-31"): ("invalid_filter", 14),
    ("filter", "custom eq 1"): ("invalid_filter", 0),
    ("filter", "custom.a.b eq 1"): ("invalid_filter", 0),
    ("filter", 'custom.a lt "b"'): ("invalid_filter", 12),
    ("filter", 'account.owner.name eq "x"'): ("invalid_filter", 0),
    ("filter", "account is null"): ("invalid_filter", 0),
    ("filter", 'name eq "\x00"'): ("invalid", None),
    ("filter", 'name eq "\\u0000"'): ("invalid_filter", 8),
    ("filter", ""): ("invalid_filter", 0),
    ("filter", " and ".join(["value_minor gt 1"] * 31)): ("query_too_expensive", None),
    ("filter", "not " * 20 + "value_minor gt 1"): ("query_too_expensive", None),
    ("filter", f"value_minor in ({','.join(['1'] * 251)})"): ("query_too_expensive", None),
    ("filter", " or ".join(['name contains "a"'] * 6)): ("query_too_expensive", None),
    ("filter", "x" * 4001): ("query_too_expensive", None),
    ("sort", "name,-stage"): ("invalid_query", 5),
    ("sort", "name,-name"): ("invalid_query", None),
    ("sort", "name,created_at,updated_at,value_minor"): ("query_too_expensive", None),
    ("sort", "account.name"): ("invalid_query", 0),
    ("fields", "id,secret"): ("invalid_query", 3),
    ("fields", "owner.password_hash"): ("invalid_query", 0),
    ("fields", "account.owner.name"): ("invalid_query", 0),
    ("include", "account,users"): ("invalid_query", 8),
    ("include", "account,contact,lead,owner"): ("query_too_expensive", None),
    ("facets", "name"): ("invalid_query", 0),
    ("facets", "status,stage,currency,owner_id"): ("query_too_expensive", None),
    ("timezone", "Mars/Olympus"): ("invalid", None),
    ("timezone", "../../etc/passwd"): ("invalid", None),
    ("timezone", "Europe"): ("invalid", None),
}  # fmt: skip


@pytest.mark.parametrize("asked", REFUSED, ids=lambda asked: f"{asked[0]}={asked[1][:40]!r}")
async def test_what_cannot_be_asked_says_where_and_why(crowd: Crowd, asked: tuple[str, str]) -> None:
    parameter, text = asked
    async with crowd.api.client(crowd.tenant) as client:
        answer = await client.get(DEALS, params={parameter: text})
    problem = answer.json()
    assert (answer.status_code, problem["code"], problem.get("position")) == (422, *REFUSED[asked]), answer.text
    if problem["code"] != "invalid":
        assert problem["errors"] == [
            {"field": f"query.{parameter}", "code": problem["code"], "message": problem["detail"]}
        ]


async def test_a_query_that_takes_too_long_is_refused_as_too_expensive(crowd: Crowd) -> None:
    reader = crowd.api.app.state.resources.queries
    await reader.close()
    conninfo, reader._conninfo = (
        reader._conninfo,
        reader._conninfo.replace("statement_timeout%3D5s", "statement_timeout%3D1ms"),
    )
    assert conninfo != reader._conninfo
    async with crowd.api.client(crowd.tenant) as client:
        answer = await client.get(
            DEALS, params={"filter": 'name contains "a"', "count": "exact", "facets": "status,stage"}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "query_too_expensive"), answer.text
        reader._conninfo = conninfo
        await reader.close()
        assert (await client.get(DEALS, params={"count": "exact"})).status_code == 200


async def test_a_query_is_one_statement_on_a_connection_that_cannot_write(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = crowd.api.app.state.resources
    reader, asked = resources.queries, []
    real = reader._fetch_once

    async def count(statement: bytes, parameters: Any) -> Any:
        asked.append(statement)
        return await real(statement, parameters)

    query = {
        "filter": 'account.name contains "a"',
        "include": "account,owner,lead",
        "count": "exact",
        "facets": "stage",
    }
    async with crowd.api.client(crowd.tenant) as client:
        await client.get("/api/v1/auth/me")
        monkeypatch.setattr(reader, "_fetch_once", count)
        monkeypatch.setattr(resources.reader, "_fetch_once", count)
        assert (await client.get(DEALS, params=query)).status_code == 200
    assert len(asked) == 1
    for connection in reader._idle:
        left = await (await connection.execute("select current_setting('bevyly.customer_id', true)")).fetchone()
        assert left in [("",), (None,)], "no tenant stays on a connection"
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="DELETE is not allowed"):
        await reader.one(
            "api_query", crowd.tenant.customer_id, "delete from accounts returning '', '', 1::bigint, ''", ["x"]
        )
    for role, allowed in (("bevyly_app", True), ("public", False)):
        granted = "select has_function_privilege(%s, 'api_query(text, text, text[])', 'execute')"
        assert crowd.api.sql(granted, role) == [(allowed,)]


def test_every_parameter_of_a_query_is_bounded() -> None:
    schema = ListQuery.model_json_schema()["properties"]
    texts = {name: str(one) for name, one in schema.items() if "string" in str(one) and "'enum'" not in str(one)}
    assert len(texts) >= 7
    assert [name for name, one in texts.items() if "maxLength" not in one and "const" not in one] == []


EXAMPLES = re.findall(r"^(GET|422) (\S+?)\?(.*)$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: one[2])
async def test_the_examples_of_the_guide_are_answered(crowd: Crowd, example: tuple[str, str, str]) -> None:
    expected, path, query = example
    parameters = dict(part.split("=", 1) for part in query.split("&"))
    async with crowd.api.client(crowd.tenant) as client:
        answer = await client.get(path, params=parameters)
    assert answer.status_code == (200 if expected == "GET" else 422), answer.text
    assert ("data" in answer.json()) == (expected == "GET")


def test_the_guide_has_examples_and_the_true_limits() -> None:
    assert len(EXAMPLES) >= 15
    text = GUIDE.read_text(encoding="utf-8").replace("\n", " ")
    limits = (
        f"{MAX_LENGTH:,} characters, {MAX_CONDITIONS} conditions, {MAX_LITERALS} values, {MAX_SEARCHES} text searches"
    )
    assert limits in text
    assert f"or {MAX_DEPTH} levels" in text


FIELDS = [
    "status",
    "name",
    "value_minor",
    "created_at",
    "expected_close_date",
    "owner_id",
    "custom.score",
    "account.id",
]
VALUES = ['"x"', '"%"', "1", "-0.5", "true", "me", "-30d", "today", "now", "last_quarter", "2026-01-01", "2200-01-01"]
CONDITIONS = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(FIELDS), st.sampled_from(OPERATORS), st.sampled_from(VALUES)),
    st.builds("{} in ({}, {})".format, st.sampled_from(FIELDS), st.sampled_from(VALUES), st.sampled_from(VALUES)),
    st.builds("{} between {} and {}".format, st.sampled_from(FIELDS), st.sampled_from(VALUES), st.sampled_from(VALUES)),
    st.builds("{} is null".format, st.sampled_from(FIELDS)),
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda parts: st.one_of(
        st.builds("({} and {})".format, parts, parts),
        st.builds("({} or {})".format, parts, parts),
        st.builds("not {}".format, parts),
    ),
    max_leaves=4,
)


async def test_whatever_is_asked_is_answered_or_refused(crowd: Crowd) -> None:
    asked: dict[str, int] = {}
    sorts = st.sampled_from([None, "name", "-value_minor,created_at", "expected_close_date,-name,value_minor"])

    @settings(max_examples=120, database=None, deadline=None, phases=[Phase.generate], derandomize=True)
    @given(FILTERS, sorts)
    def collect(text: str, sort: str | None) -> None:
        asked[text + "\n" + (sort or "")] = 0

    collect()
    async with crowd.api.client(crowd.tenant) as client:
        for question in asked:
            text, sort = question.split("\n")
            query = {"filter": text, "count": "exact", "facets": "status"} | ({"sort": sort} if sort else {})
            answer = await client.get(DEALS, params=query)
            assert answer.status_code in (200, 422), (query, answer.text)
            asked[question] = answer.status_code
            opposite = await client.get(DEALS, params=query | {"filter": f"not ({text})"})
            if answer.status_code == opposite.status_code == 200:
                totals = answer.json()["page"]["total"], opposite.json()["page"]["total"]
                assert sum(totals) == ROWS, "each row fulfils a filter or its opposite"
    assert min(list(asked.values()).count(status) for status in (200, 422)) >= 15

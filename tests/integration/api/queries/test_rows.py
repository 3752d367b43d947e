"""What a query shows of rows: fields, relations, counts; and to whom."""

from typing import Any

import httpx
import psycopg

from api.modules.opportunities.listing import OPPORTUNITIES
from api.query.schemas import selected_page
from bevyly.db.engine import make_engine
from bevyly.identity.keys import create_api_key
from bevyly.ids import new_id
from tests.integration.api.conftest import Api
from tests.integration.api.queries.crowd import DEALS, LISTS, ROWS, Crowd
from tests.integration.api.walk import operations

# rows of the seeds, where there is more than one
SEEDED = {"/api/v1/activities": 2, "/api/v1/decisions": 3}


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

"""One tenant never sees, changes or even notices another: every route, every kind of id, every table."""

import re
from typing import Any

import httpx
import psycopg
import pytest

from bevyly.ids import new_id
from tests.integration.api.conftest import Api
from tests.integration.api.seeds import seed
from tests.integration.api.walk import Operation, operations

TENANT_TABLES = """
    select n.nspname || '.' || c.relname, c.relrowsecurity, c.relforcerowsecurity, pg_get_userbyid(c.relowner), c.oid
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    join pg_attribute a on a.attrelid = c.oid and a.attname = 'customer_id' and not a.attisdropped
    where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not in ('pg_catalog', 'information_schema')
    order by 1
"""

UNREADABLE = {
    "public.briefing_backlog",
    "public.decision_heads",
    "public.decisions_pending",
    "public.erased_marks",
    "public.event_journal",
    "public.mails",
    "public.outbox",
    "public.rankings",
    "public.recent_changes",
    "public.recommendation_offers",
    "public.tenant_spreads",
    "public.wordings",
    "raw.dead_letters",
    "raw.events",
}
"""Tables that the app has no business in. Partitions live where it has no rights at all."""
NAMES_FOR_ALL = {"signal_type"}
"""Names in paths that are the same for every tenant: nothing that could be somebody else's."""


@pytest.fixture
def theirs(api: Api) -> dict[str, str]:
    """Tenant B with a row in every table; the ids of its rows."""
    return seed(api.database.pipeline_url, api.b.customer_id, api.b.users["owner"])


def tables(api: Api) -> list[str]:
    return [row[0] for row in api.sql(TENANT_TABLES)]


def checksums(api: Api) -> dict[str, Any]:
    """What tenant B has, table by table."""
    statement = "select count(*), md5(string_agg(r::text, '|' order by r::text)) from {} r where customer_id = %s"
    return {table: api.sql(statement.format(table), api.b.customer_id)[0] for table in tables(api)}


def without_request_id(answer: httpx.Response) -> tuple[int, dict[str, Any]]:
    return answer.status_code, {name: value for name, value in answer.json().items() if name != "request_id"}


def without_moment(answer: httpx.Response) -> bytes:
    """A period that nobody named ends when it was asked for; links ask again what was asked."""
    return re.sub(rb'"(since|until|drill)":"[^"]*"', b"", answer.content)


async def same_as_missing(
    client: httpx.AsyncClient, operation: Operation, theirs: dict[str, str], missing: dict[str, str]
) -> None:
    """With an id of the other tenant the answer is the one for an id that nobody has."""
    body = operation.body()
    if operation.name == "POST /api/v1/opportunities" and body is not None:
        body["account_id"] = (await client.post("/api/v1/accounts", json={"name": "mine"})).json()["id"]
    if set(operation.path_ids) - NAMES_FOR_ALL:
        answers = [await client.request(operation.method, operation.url(ids), json=body) for ids in (theirs, missing)]
        assert without_request_id(answers[0]) == without_request_id(answers[1]), operation.name
        assert answers[0].status_code == 404, operation.name
    for field in operation.body_ids:
        if operation.path_ids or field in ("external_id", "message_id"):
            continue
        answers = [
            await client.request(operation.method, operation.path, json={**(body or {}), field: ids[field]})
            for ids in (theirs, missing)
        ]
        assert without_request_id(answers[0]) == without_request_id(answers[1]), (operation.name, field)
        assert answers[0].status_code == 404, (operation.name, field, answers[0].text)
    for name in operation.query:
        if not name.endswith("_id"):
            continue
        answers = [await client.get(operation.path, params={name: ids[name]}) for ids in (theirs, missing)]
        assert answers[0].status_code == 200, operation.name
        assert without_moment(answers[0]) == without_moment(answers[1]), operation.name
        if answers[0].headers["content-type"] == "application/json":
            assert answers[0].json()["data"] == []
        elif not operation.path.endswith(".parquet"):
            assert len(answers[0].content.splitlines()) <= operation.path.endswith(".csv"), "a header at most"


async def test_every_route_answers_a_foreign_id_like_a_missing_one(api: Api, theirs: dict[str, str]) -> None:
    before = checksums(api)
    missing = {name: new_id() for name in theirs} | {"entity_type": "lead"}
    walked = 0
    async with api.client(api.a) as client:
        for operation in operations():
            if operation.permission != "public":
                await same_as_missing(client, operation, theirs, missing)
                walked += 1
    assert walked >= 35
    assert checksums(api) == before


async def test_the_walk_would_notice(api: Api, theirs: dict[str, str]) -> None:
    """The positive control: as tenant B the same requests do reach the rows."""
    reached, before = set(), checksums(api)
    async with api.client(api.b) as client:
        for operation in operations():
            if operation.path_ids and operation.method in ("GET", "PATCH"):
                answer = await client.request(operation.method, operation.url(theirs), json=operation.body())
                reached.add(answer.status_code)
    assert reached == {200}
    assert checksums(api) != before


async def test_changes_with_a_foreign_reference_change_nothing(api: Api, theirs: dict[str, str]) -> None:
    before = checksums(api)
    async with api.client(api.a) as client:
        account = (await client.post("/api/v1/accounts", json={"name": "mine"})).json()["id"]
        lead = (await client.post("/api/v1/leads", json={"company_name": "mine"})).json()["id"]
        mine = api.rows("leads")
        attempts = [
            ("PATCH", f"/api/v1/accounts/{account}", {"owner_id": theirs["owner_id"]}),
            ("PATCH", f"/api/v1/leads/{lead}", {"contact_id": theirs["contact_id"]}),
            ("POST", f"/api/v1/leads/{lead}/convert", {"account_id": theirs["account_id"]}),
            ("POST", f"/api/v1/leads/{lead}/convert", {"contact_id": theirs["contact_id"]}),
            ("POST", f"/api/v1/leads/{lead}/convert", {"opportunity": {"owner_id": theirs["owner_id"]}}),
            ("POST", "/api/v1/activities", {"kind": "note", "participants": [{"contact_id": theirs["contact_id"]}]}),
        ]
        for method, path, body in attempts:
            answer = await client.request(method, path, json=body)
            assert (answer.status_code, answer.json()["code"]) == (404, "reference_not_found"), (path, answer.text)
    assert api.rows("leads") == mine
    assert checksums(api) == before


async def test_a_cursor_of_another_tenant_list_or_filter_is_refused(api: Api) -> None:
    async with api.client(api.b) as client:
        for name in "abc":
            await client.post("/api/v1/accounts", json={"name": name})
        page = (await client.get("/api/v1/accounts", params={"limit": 1})).json()
        cursor = page["page"]["next_cursor"]
        assert (await client.get("/api/v1/accounts", params={"limit": 1, "cursor": cursor})).status_code == 200
        abuses: list[tuple[str, dict[str, Any]]] = [
            ("/api/v1/contacts", {"cursor": cursor}),
            ("/api/v1/accounts", {"cursor": cursor, "q": "a"}),
            ("/api/v1/accounts", {"cursor": cursor[::-1]}),
            ("/api/v1/accounts", {"cursor": "A" + cursor[1:]}),
            ("/api/v1/accounts", {"cursor": ""}),
            ("/api/v1/accounts", {"cursor": "A" * 500}),
        ]
        for path, query in abuses:
            answer = await client.get(path, params=query)
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor"), query
    async with api.client(api.a) as client:
        answer = await client.get("/api/v1/accounts", params={"limit": 1, "cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_an_idempotency_key_of_another_tenant_is_another_key(api: Api) -> None:
    for tenant in (api.a, api.b):
        async with api.client(tenant) as client:
            answer = await client.post("/api/v1/accounts", json={"name": "x"}, headers={"idempotency-key": "same"})
            assert answer.status_code == 201
            assert "idempotency-replayed" not in answer.headers
    assert len(api.rows("accounts")) == len(api.rows("accounts", api.b)) == 1


def test_every_tenant_table_forces_row_level_security(api: Api) -> None:
    found = api.sql(TENANT_TABLES)
    assert len(found) >= 24
    for table, enabled, forced, owner, oid in found:
        assert enabled, table
        assert forced or owner == "bevyly_pipeline", table
        assert owner != "bevyly_app", table
        policies = api.sql(
            "select polcmd, polqual is not null, polwithcheck is not null from pg_policy "
            "where polrelid = %s and 'bevyly_app'::regrole = any(polroles) and polpermissive",
            oid,
        )
        assert policies == [("*", True, True)], table
    roles = api.sql("select rolbypassrls, rolsuper, rolcreaterole from pg_roles where rolname = 'bevyly_app'")
    assert roles == [(False, False, False)]
    views = "select count(*) from pg_class where relkind = 'm' and has_table_privilege('bevyly_app', oid, 'select')"
    assert api.sql(views) == [(0,)]


def test_functions_of_the_app_run_with_the_rights_of_the_app(api: Api) -> None:
    elevated = api.sql(
        "select p.proname from pg_proc p join pg_namespace n on n.oid = p.pronamespace "
        "where n.nspname = 'public' and p.prosecdef and has_function_privilege('bevyly_app', p.oid, 'execute') "
        "order by 1"
    )
    assert elevated == [("find_logins",), ("search_candidates",)]


def test_the_app_sees_one_tenant_in_every_table(api: Api, theirs: dict[str, str]) -> None:
    with psycopg.connect(api.database.app_url, autocommit=True) as app:
        for table in tables(api):
            if api.sql("select has_table_privilege('bevyly_app', %s, 'select')", table) == [(False,)]:
                assert table in UNREADABLE, table
                continue
            rows_of_b = api.sql(f"select count(*) from {table} where customer_id = %s", api.b.customer_id)[0][0]
            assert rows_of_b > 0, f"{table} has no row of the other tenant: nothing could leak"
            for tenant, visible in ((api.a.customer_id, False), (api.b.customer_id, True), ("", False)):
                app.execute("select set_config('bevyly.customer_id', %s, false)", (tenant,))
                statement = f"select count(*) from {table} where customer_id = %s"
                counted = app.execute(statement, (api.b.customer_id,)).fetchone()
                assert counted == (rows_of_b if visible else 0,), (table, tenant)


def test_partitions_are_where_no_role_of_ours_may_look(api: Api) -> None:
    schemas = api.sql("select distinct relnamespace::regnamespace::text from pg_class where relispartition")
    assert schemas == [("journal",)]
    for role in ("bevyly_app", "bevyly_pipeline"):
        assert api.sql("select has_schema_privilege(%s, 'journal', 'usage')", role) == [(False,)]


async def test_no_tenant_stays_on_a_connection(api: Api) -> None:
    reader, engine = api.app.state.resources.reader, api.app.state.resources.engine
    async with api.client(api.a) as client:
        await client.get("/api/v1/accounts")
        await client.post("/api/v1/accounts", json={"name": "x"})
        await client.post("/api/v1/accounts", json={"name": "x", "owner_id": new_id()})
    for connection in reader._idle:
        cursor = await connection.execute("select current_setting('bevyly.customer_id', true)")
        assert await cursor.fetchone() in [("",), (None,)]
    async with engine.connect() as connection:
        left = (await connection.exec_driver_sql("select current_setting('bevyly.customer_id', true)")).scalar()
        assert left in ("", None)

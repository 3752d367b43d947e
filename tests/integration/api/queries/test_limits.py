"""What nobody may ask, what costs too much, and what a query can reach in the database."""

from contextlib import AsyncExitStack
from typing import Any

import psycopg
import pytest

from api.query.schemas import ListQuery
from api.resources import QUERY_CONNECTIONS
from tests.integration.api.queries.crowd import DEALS, Crowd

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


async def test_costly_queries_hold_up_no_list(crowd: Crowd) -> None:
    resources = crowd.api.app.state.resources
    async with AsyncExitStack() as held, crowd.api.client(crowd.tenant) as client:
        for _ in range(QUERY_CONNECTIONS):
            await held.enter_async_context(resources.queries._connection())
        assert (await client.get(DEALS)).status_code == 200
        assert (await client.get(DEALS, params={"count": "exact"})).status_code == 503


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

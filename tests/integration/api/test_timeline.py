"""One timeline for each entity: all kinds of things, each once, newest first, in pages that lose nothing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
import pytest

from bevyly.ids import new_id
from tests.integration.api.conftest import Api

NOW = datetime.now(UTC)


async def make(client: httpx.AsyncClient, path: str, **values: Any) -> str:
    answer = await client.post(f"/api/v1/{path}", json=values)
    assert answer.status_code == 201, answer.text
    made: str = answer.json()["id"]
    return made


async def timeline(client: httpx.AsyncClient, kind: str, entity: str, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while True:
        answer = await client.get(f"/api/v1/timeline/{kind}/{entity}", params=query)
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        query["cursor"] = answer.json()["page"]["next_cursor"]
        if query["cursor"] is None:
            return found


async def a_story(api: Api, client: httpx.AsyncClient) -> dict[str, str]:
    """A lead that becomes a deal, with what people and Bevyly do about it."""
    account = await make(client, "accounts", name="Acme")
    contact = await make(client, "contacts", account_id=account, email="ann@acme.example")
    lead = await make(client, "leads", company_name="Acme", account_id=account, contact_id=contact)
    wanted = {"opportunity": {"name": "Deal", "value_minor": 100, "currency": "EUR"}}
    became = await client.post(f"/api/v1/leads/{lead}/convert", json=wanted)
    assert became.status_code == 200, became.text
    deal = became.json()["opportunity_id"]
    changes = {"stage": "proposal", "value_minor": 200, "expected_close_date": "2199-01-01"}
    assert (await client.patch(f"/api/v1/opportunities/{deal}", json=changes)).status_code == 200
    owner = {"owner_id": api.a.users["member"]}
    assert (await client.patch(f"/api/v1/contacts/{contact}", json=owner)).status_code == 200
    both = {"account_id": account, "opportunity_id": deal, "contact_id": contact}
    call = await make(client, "activities", kind="call", **both)
    mail = await make(client, "activities", kind="email", participants=[{"email": "ann@acme.example"}])
    gone = await make(client, "activities", kind="note", **both)
    await client.delete(f"/api/v1/activities/{gone}")
    with psycopg.connect(api.database.pipeline_url) as connection:
        connection.execute(
            "insert into signals (customer_id, id, entity_type, entity_id, signal_type, polarity, severity, strength, "
            "title, data, evidence, dedupe_key, detector_version, found_by, first_seen_at, last_seen_at, "
            "closed_at, close_reason) "
            "values (%s, %s, 'opportunity', %s, 'going_dark', '-', 'high', 1, 'Quiet', '{}', '[]', %s, "
            "'1', 'batch', %s, %s, "
            "%s, 'there was contact')",
            (api.a.customer_id, new_id(), deal, new_id(), NOW, NOW, NOW),
        )
        connection.execute(
            "insert into recommendations (customer_id, id, entity_type, entity_id, action_type, "
            "priority, title, rationale, "
            "urgency, expected_value_minor, expected_value_low_minor, expected_value_high_minor, basis, "
            "rank, expires_at, "
            "dedupe_key, as_of, status, acted_by, acted_at) values (%s, %s, 'opportunity', %s, 'call', "
            "'low', 'Call', 'r', 1, 1, 1, 1, "
            "'prior', 1, %s, %s, %s, 'completed', %s, %s)",
            (api.a.customer_id, new_id(), deal, NOW, new_id(), NOW, api.a.users["owner"], NOW),
        )
    return {"account": account, "contact": contact, "lead": lead, "deal": deal, "call": call, "mail": mail}


DEAL = [
    "amount_changed",
    "close_date_changed",
    "recommendation_acted",
    "signal_closed",
    "signal_raised",
    "stage_changed",
]


async def test_everything_is_there_once_and_newest_first(api: Api) -> None:
    async with api.client(api.a) as client:
        ids = await a_story(api, client)
        of_deal = await timeline(client, "opportunity", ids["deal"])
        assert sorted(item["kind"] for item in of_deal) == sorted([*DEAL, "activity", "created", "lead_converted"])
        of_contact = await timeline(client, "contact", ids["contact"])
        told = sorted(item["kind"] for item in of_contact)
        assert told == ["activity", "activity", "created", "lead_converted", "owner_changed"]
        of_lead = await timeline(client, "lead", ids["lead"])
        assert sorted(item["kind"] for item in of_lead) == ["created", "lead_converted"]

        whole = await timeline(client, "account", ids["account"])
        kinds = [*DEAL, "activity", "activity", "lead_converted", "owner_changed", "created", "created", "created"]
        assert sorted(item["kind"] for item in whole) == sorted(kinds)
        places = [(datetime.fromisoformat(item["at"]), item["id"]) for item in whole]
        assert places == sorted(places, reverse=True)
        for limit in (1, 2, 5):
            assert await timeline(client, "account", ids["account"], limit=limit) == whole

    by_kind = {item["kind"]: item for item in whole}
    assert by_kind["stage_changed"]["data"] == {"from": "prospecting", "to": "proposal"}
    assert by_kind["amount_changed"]["data"] == {"from": "100", "to": "200"}
    assert by_kind["signal_closed"]["data"]["reason"] == "there was contact"
    assert by_kind["owner_changed"]["data"] | {"actor_type": ""} == {
        "actor_type": "",
        "actor_id": api.a.users["owner"],
        "from": api.a.users["owner"],
        "to": api.a.users["member"],
    }
    mail = next(item for item in whole if item["id"] == ids["mail"])
    assert (mail["entity_type"], mail["entity_id"]) == ("contact", ids["contact"])
    assert mail["data"]["participants"][0]["email"] == "ann@acme.example"


async def test_kinds_narrow_a_timeline(api: Api) -> None:
    async with api.client(api.a) as client:
        ids = await a_story(api, client)
        for kinds in ("activity", "stage_changed,signal_closed", "created", "lead_converted,recommendation_acted"):
            found = await timeline(client, "account", ids["account"], kinds=kinds, limit=1)
            assert {item["kind"] for item in found} == set(kinds.split(",")), kinds
        url = f"/api/v1/timeline/account/{ids['account']}"
        for kinds in ("", "activity,", "nothing", "activity;drop"):
            assert (await client.get(url, params={"kinds": kinds})).status_code == 422, kinds


async def test_what_is_not_there_has_no_timeline(api: Api) -> None:
    async with api.client(api.a) as client:
        ids = await a_story(api, client)
        await client.delete(f"/api/v1/contacts/{ids['contact']}")
        for path in (f"contact/{ids['contact']}", f"account/{ids['contact']}", f"invoice/{ids['deal']}", "account/1"):
            answer = await client.get(f"/api/v1/timeline/{path}")
            assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
    async with api.client(api.b) as client:
        assert (await client.get(f"/api/v1/timeline/account/{ids['account']}")).status_code == 404


TABLES = ("activities", "opportunity_history", "signals", "recommendations", "leads", "audit")


@pytest.mark.parametrize("kind", ["account", "contact", "opportunity"])
async def test_a_timeline_comes_from_indexes(api: Api, kind: str) -> None:
    """Of 3,000 rows of each table a page of ten reads no table as a whole and no more than a few rows of an index."""
    tenant, ids = api.a.customer_id, {name: new_id() for name in ("account", "contact", "opportunity")}
    with psycopg.connect(api.database.owner_url, autocommit=True) as owner:
        for statement in _crowd(tenant, ids):
            owner.execute(statement)
    counted = """
        select c.relname, pg_stat_get_xact_tuples_returned(c.oid)::int from pg_class c
        left join pg_index i on i.indexrelid = c.oid
        where coalesce(i.indrelid, c.oid) = any(select unnest(%s::text[])::regclass)
    """
    page = (
        "select body from api_timeline(set_config('bevyly.customer_id', %s, true), 'infinity', '~', 10, null, %s, %s)"
    )
    with psycopg.connect(api.database.app_url) as connection:
        (body,) = connection.execute(page, (tenant, kind, ids[kind])).fetchone() or ("",)
        rows = connection.execute(counted, (list(TABLES),)).fetchall()
    read = {relation: count for relation, count in rows if count}
    assert body.count('"kind" : ') + body.count('"kind":') >= 10
    assert not read.keys() & set(TABLES), read
    assert max(read.values()) <= 60, read


def _crowd(tenant: str, ids: dict[str, str]) -> list[str]:
    """3,000 rows that are not ours in every table of a timeline, and thirty activities of each entity."""
    new, at = "gen_random_uuid()::text", f"'{NOW - timedelta(days=1)}'::timestamptz - n * interval '1 minute'"
    account, contact, deal = (f"'{ids[name]}'" for name in ("account", "contact", "opportunity"))
    other = new_id()
    crowd = f"select '{tenant}', {new}, {{}} from generate_series(1, 3000) n"
    return [
        f"insert into accounts (customer_id, id, name) values ('{tenant}', {account}, 'Acme'), "
        f"('{tenant}', '{other}', 'x')",
        f"insert into contacts (customer_id, id, account_id) values ('{tenant}', {contact}, {account})",
        "insert into opportunities (customer_id, id, account_id, name, stage, stage_entered_at) "
        f"values ('{tenant}', {deal}, {account}, 'Deal', 'proposal', now())",
        "insert into opportunities (customer_id, id, account_id, name, stage, stage_entered_at) "
        + crowd.format(f"'{other}', 'x', 'proposal', now()"),
        "insert into opportunity_history (customer_id, id, opportunity_id, field, valid_from) "
        f"select customer_id, {new}, id, 'stage', now() from opportunities where account_id = '{other}'",
        "insert into leads (customer_id, id, company_name) " + crowd.format("'x'"),
        "insert into activities (customer_id, id, kind, direction, occurred_at) "
        + crowd.format(f"'note', 'internal', {at}"),
        "insert into activities (customer_id, id, kind, direction, occurred_at, account_id, contact_id, "
        "opportunity_id) "
        f"select '{tenant}', {new}, 'call', 'outbound', {at}, {account}, {contact}, "
        f"{deal} from generate_series(1, 30) n",
        "insert into audit (customer_id, id, actor_type, action, entity_type, entity_id, occurred_at) "
        + crowd.format(f"'user', 'contact.created', 'contact', {new}, {at}"),
        "insert into signals (customer_id, id, entity_type, entity_id, signal_type, polarity, severity, "
        "strength, title, data, "
        "evidence, dedupe_key, detector_version, found_by, first_seen_at, last_seen_at) "
        + crowd.format(f"'lead', {new}, 's', '+', 'low', 1, 't', '{{}}', '[]', {new}, '1', 'batch', {at}, {at}"),
        "insert into recommendations (customer_id, id, entity_type, entity_id, action_type, priority, "
        "title, rationale, urgency, "
        "expected_value_minor, expected_value_low_minor, expected_value_high_minor, basis, rank, "
        "expires_at, dedupe_key, as_of) "
        + crowd.format(f"'lead', {new}, 'call', 'low', 't', 'r', 1, 1, 1, 1, 'prior', 1, now(), {new}, now()"),
        "analyze",
    ]

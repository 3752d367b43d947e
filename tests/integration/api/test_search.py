"""One search across kinds: starts of words, slips, permissions, tenants, what is deleted or hostile; on its index."""

from typing import Any

import httpx
import psycopg
import pytest

from api.modules.search.schemas import SearchResult
from bevyly.db.engine import make_engine
from bevyly.identity.keys import create_api_key
from tests.integration.api.conftest import Api

URL = "/api/v1/search"


async def hits(client: httpx.AsyncClient, q: str, **more: Any) -> list[dict[str, Any]]:
    """What a search finds, in its documented shape."""
    answer = await client.get(URL, params={"q": q, **more})
    assert answer.status_code == 200, answer.text
    SearchResult.model_validate_json(answer.content)
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


async def titles(client: httpx.AsyncClient, q: str, **more: Any) -> list[str]:
    return [one["title"] for one in await hits(client, q, **more)]


async def create(client: httpx.AsyncClient, area: str, **body: Any) -> str:
    answer = await client.post(f"/api/v1/{area}", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def filled(client: httpx.AsyncClient) -> dict[str, str]:
    """A record of each kind, and some that must not be in the way."""
    account = await create(client, "accounts", name="Northwind Traders", domain="northwind.example")
    await create(client, "accounts", name="Northern Lights", domain="lights.example")
    await create(client, "accounts", name="Müller & Søn Größe GmbH", domain="mueller.example")
    ann = {
        "first_name": "Ann",
        "last_name": "Smith",
        "email": "ann.smith@northwind.example",
        "phone": "+49 (40) 123-4567",
    }
    return {
        "account": account,
        "contact": await create(client, "contacts", account_id=account, title="Buyer", **ann),
        "opportunity": await create(client, "opportunities", account_id=account, name="Wind farm rollout"),
        "lead": await create(client, "leads", company_name="Windmill Bakery", contact_email="jo@windmill.example"),
        "activity": await create(client, "activities", kind="note", subject="Call about wind turbines"),
    }  # fmt: skip


async def test_starts_of_words_are_found_in_every_kind_the_best_first(api: Api) -> None:
    async with api.client(api.a) as client:
        ids = await filled(client)
        assert {(one["kind"], one["id"]) for one in await hits(client, "wind")} == set(ids.items()) - {
            ("account", ids["account"]),
            ("contact", ids["contact"]),
        }
        assert (await titles(client, "wind"))[:2] == ["Windmill Bakery", "Wind farm rollout"]
        assert await titles(client, "wind", kinds="lead,activity") == ["Windmill Bakery", "Call about wind turbines"]
        assert await titles(client, "wind", limit=1) == ["Windmill Bakery"]
        first, *_ = await hits(client, "northwind traders")
        assert first == {
            "kind": "account",
            "id": ids["account"],
            "title": "Northwind Traders",
            "subtitle": "northwind.example",
            "field": "name",
            "value": "Northwind Traders",
            "score": 1.0,
        }
        (contact,) = await hits(client, "ANN.smith@northwind.example", kinds="contact")
        assert (contact["title"], contact["field"], contact["score"]) == ("Ann Smith", "email", 1.0)
        assert contact["subtitle"] == "Buyer · ann.smith@northwind.example"
        assert (await hits(client, "lights.example"))[0]["field"] == "domain"


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("nortwhind", "Northwind Traders"),
        ("norhtwind tradres", "Northwind Traders"),
        ("northwnd", "Northwind Traders"),
        ("northwiind", "Northwind Traders"),
        ("smiht", "Ann Smith"),
        ("msith", "Ann Smith"),
        ("smth", "Ann Smith"),
        ("smith ann", "Ann Smith"),
        ("muller", "Müller & Søn Größe GmbH"),
        ("MÜLLER son grosse", "Müller & Søn Größe GmbH"),
        ("bakrey", "Windmill Bakery"),
        ("turbnies", "Call about wind turbines"),
        ("+49 40 1234567", "Ann Smith"),
        ("040 1234567", "Ann Smith"),
        ("123 45 67", "Ann Smith"),
    ],
)
async def test_slips_accents_and_ways_to_write_a_number_are_forgiven(api: Api, q: str, found: str) -> None:
    async with api.client(api.a) as client:
        await filled(client)
        assert (await titles(client, q))[:1] == [found]
        assert await titles(client, "quxxyplugh") == []


async def test_one_or_two_characters_are_the_start_of_a_word(api: Api) -> None:
    async with api.client(api.a) as client:
        await filled(client)
        assert await titles(client, "a") == ["Ann Smith", "Call about wind turbines"]
        assert await titles(client, "sm") == ["Ann Smith"]
        assert await titles(client, "mi") == []
        assert await titles(client, "ü") == []


async def test_what_is_deleted_is_gone_at_once_what_is_restored_or_renamed_is_there_at_once(api: Api) -> None:
    async with api.client(api.a) as client:
        account = await create(client, "accounts", name="Phoenix")
        path = f"/api/v1/accounts/{account}"
        assert (await client.delete(path)).status_code == 204
        assert await titles(client, "phoenix") == []
        assert (await client.post(f"{path}/restore")).status_code == 200
        assert await titles(client, "phoenix") == ["Phoenix"]
        assert (await client.patch(path, json={"name": "Griffin"})).status_code == 200
        assert (await titles(client, "phoenix"), await titles(client, "griffin")) == ([], ["Griffin"])
        opportunity = await create(client, "opportunities", account_id=account, name="Egg")
        await client.patch(f"/api/v1/opportunities/{opportunity}", json={"stage": "proposal"})
        assert (await hits(client, "egg"))[0]["subtitle"] == "proposal"


async def test_another_tenant_finds_nothing_of_it(api: Api) -> None:
    async with api.client(api.a) as ours, api.client(api.b) as theirs:
        await filled(ours)
        await create(theirs, "accounts", name="Northwind Other")
        assert await titles(theirs, "northwind") == ["Northwind Other"]
        assert await titles(theirs, "nortwhind") == ["Northwind Other"]
        assert "Northwind Other" not in await titles(ours, "northwind")


async def test_a_reader_finds_only_kinds_that_it_may_read(api: Api) -> None:
    engine = make_engine(api.database.app_url, pool_size=1)
    key = create_api_key(engine, api.a.customer_id, api.a.users["owner"], "k", ["search:read", "leads:read"])
    engine.dispose()
    async with api.client(api.a) as client, api.client(**{"x-api-key": key}) as narrow:
        await filled(client)
        assert {one["kind"] for one in await hits(narrow, "wind")} == {"lead"}
        assert await hits(narrow, "wind", kinds="account,opportunity") == []


async def test_hostile_questions_do_no_harm(api: Api) -> None:
    async with api.client(api.a) as client:
        await filled(client)
        for q in ("%", "_", "%%%", "\\", "'; drop table accounts; --", "*", "(((", "   ", "🦊", "\u202e", "Ａ" * 200):
            assert await titles(client, q) == [], q
        assert "Windmill Bakery" in await titles(client, "wind " * 40)
        for query in ("", "q=", "q=" + "x" * 201, "q=a%00b", "q=x&kinds=user", "q=x&kinds=", "q=x&limit=51", "q=x&y=1"):
            assert (await client.get(f"{URL}?{query}")).status_code == 422, query
        assert (await client.get(f"{URL}?q=%ff%fe%80wind")).status_code == 200
        assert await titles(client, "wind")


def test_both_steps_scan_the_index_and_never_the_table(api: Api) -> None:
    """What ran inside of the function, by the counters of the transaction."""
    counters = (
        "select pg_stat_get_xact_numscans('ix_search_entries_grams'::regclass), "
        "pg_stat_get_xact_numscans('search_entries'::regclass)"
    )
    with psycopg.connect(api.database.owner_url) as connection:
        connection.execute(
            "insert into accounts (customer_id, id, name) "
            "select %s, 'bulk' || g, 'Firm ' || g from generate_series(1, 3000) g",
            (api.b.customer_id,),
        )
        connection.execute("analyze search_entries")
        connection.execute("set local role bevyly_app")
        for tenant in (api.a, api.b):
            before = connection.execute(counters).fetchone()
            for q in ("firm", "frim"):
                connection.execute(
                    "select * from api_search(set_config('bevyly.customer_id', %s, true), %s, '{account}', 20)",
                    (tenant.customer_id, q),
                )
            after = connection.execute(counters).fetchone()
            assert before is not None
            assert after is not None
            assert after[0] - before[0] >= 2
            assert after[1] == before[1]
        connection.rollback()

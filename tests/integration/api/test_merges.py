"""Merging accounts, contacts and leads: one transaction, tombstones that lead on, and races with one outcome."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest

from api.modules.merges.references import REFERENCES
from bevyly.clock import SystemClock
from bevyly.ids import new_id
from pipelines.streams.signal_detector import SignalDetector
from tests.integration.api.conftest import Api
from tests.integration.api.ingest import company, event, send

ACCOUNTS = "/api/v1/accounts"


async def create(client: httpx.AsyncClient, path: str, **values: Any) -> str:
    answer = await client.post(f"/api/v1/{path}", json=values)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def merge(client: httpx.AsyncClient, path: str, survivor: str, *others: str, **wanted: Any) -> httpx.Response:
    return await client.post(f"/api/v1/{path}/{survivor}/merge", json={"other_ids": list(others), **wanted})


async def unmerge(client: httpx.AsyncClient, path: str, survivor: str, merge_id: str) -> httpx.Response:
    return await client.post(f"/api/v1/{path}/{survivor}/unmerge", json={"merge_id": merge_id})


async def children_of(client: httpx.AsyncClient, account: str) -> dict[str, str]:
    contact = await create(client, "contacts", account_id=account, last_name="Lee")
    return {
        "contacts": contact,
        "opportunities": await create(client, "opportunities", account_id=account, contact_id=contact, name="Deal"),
        "leads": await create(client, "leads", account_id=account, company_name="Acme"),
        "activities": await create(
            client, "activities", account_id=account, kind="note", participants=[{"contact_id": contact}]
        ),
    }


async def of_account(client: httpx.AsyncClient, children: dict[str, str]) -> set[str]:
    return {(await client.get(f"/api/v1/{path}/{child}")).json()["account_id"] for path, child in children.items()}


def note_signals(api: Api, kind: str, *records: str) -> None:
    """Each record has an open signal, seen before anything that is still to happen."""
    for record in records:
        api.sql(
            "insert into signals (customer_id, id, entity_type, entity_id, signal_type, polarity, severity, strength, "
            "title, detector_version, found_by, first_seen_at, last_seen_at, dedupe_key) "
            "values (%s, %s, %s, %s, 'going_dark', '-', 'low', 1, 't', '1', 'batch', now() - interval '1 hour', "
            "now() - interval '1 hour', %s)",
            *(api.a.customer_id, new_id(), kind, record, record),
        )


@pytest.mark.parametrize(("kind", "values"), [("account", {"name": "Acme"}), ("lead", {"company_name": "Acme"})])
async def test_signals_of_who_goes_end_and_those_of_who_stays_stay(api: Api, kind: str, values: dict[str, Any]) -> None:
    async with api.client(api.a) as client:
        stays, goes = [await create(client, f"{kind}s", **values) for _ in range(2)]
        note_signals(api, kind, stays, goes)
        assert (await merge(client, f"{kind}s", stays, goes)).status_code == 200
    with psycopg.connect(api.database.pipeline_url) as connection:
        SignalDetector(SystemClock())(connection, api.events())
    found = api.sql("select entity_id, close_reason from signals where customer_id = %s", api.a.customer_id)
    assert dict(found) == {stays: None, goes: f"the {kind} was merged into another one"}


async def test_a_merge_moves_everything_and_taking_it_back_does_too(api: Api) -> None:
    async with api.client(api.a) as client:
        stays = await create(client, "accounts", name="Acme", city="Bonn", custom={"tier": 1})
        goes = await create(
            client, "accounts", name="ACME Ltd", industry="Steel", city="Köln", annual_revenue_minor=5, currency="EUR",
            custom={"tier": 2, "region": "west"},
        )  # fmt: skip
        children = await children_of(client, goes)
        answer = await merge(client, "accounts", stays, goes, fields={"name": goes}, versions={goes: 1})
        assert answer.status_code == 200, answer.text
        done = answer.json()
        assert done["moved"] == {f"{name}.account_id": 1 for name in children}
        assert (answer.headers["etag"], done["version"]) == ('"2"', 2)
        kept = (await client.get(f"{ACCOUNTS}/{stays}")).json()
        assert (kept["name"], kept["city"], kept["industry"]) == ("ACME Ltd", "Bonn", "Steel")
        assert (kept["annual_revenue_minor"], kept["currency"]) == (5, "EUR")
        assert kept["custom"] == {"tier": 1, "region": "west"}
        assert await of_account(client, children) == {stays}
        assert [row["id"] for row in (await client.get(ACCOUNTS)).json()["data"]] == [stays]

        await client.patch(f"{ACCOUNTS}/{stays}", json={"industry": "Iron"})
        later = await create(client, "contacts", account_id=stays, last_name="Later")
        moved_on = await create(client, "accounts", name="Elsewhere")
        await client.patch(f"/api/v1/leads/{children['leads']}", json={"account_id": moved_on})

        back = await unmerge(client, "accounts", stays, done["merge_id"])
        assert back.status_code == 200, back.text
        assert back.json()["moved"] == {f"{name}.account_id": 1 for name in children if name != "leads"}
        kept = (await client.get(f"{ACCOUNTS}/{stays}")).json()
        assert (kept["name"], kept["industry"], kept["annual_revenue_minor"]) == ("Acme", "Iron", None)
        assert kept["custom"] == {"tier": 1}
        returned = (await client.get(f"{ACCOUNTS}/{goes}")).json()
        assert (returned["name"], returned["custom"]) == ("ACME Ltd", {"tier": 2, "region": "west"})
        lead = children.pop("leads")
        assert await of_account(client, children) == {goes}
        assert await of_account(client, {"leads": lead}) == {moved_on}
        assert await of_account(client, {"contacts": later}) == {stays}
        again = await unmerge(client, "accounts", stays, done["merge_id"])
        assert (again.status_code, again.json()["code"]) == (409, "already_unmerged")
        (listed,) = (await client.get("/api/v1/merges", params={"survivor_id": stays})).json()["data"]
        assert (listed["id"], listed["undone_by"]) == (done["merge_id"], api.a.users["owner"])

    told = [(event.type, event.subject_id) for event in api.events()]
    assert told.count(("account.merged", stays)) == told.count(("account.deleted", goes)) == 1
    assert told.count(("account.unmerged", stays)) == told.count(("account.restored", goes)) == 1
    assert told.count(("contact.updated", children["contacts"])) == 2
    deleted = next(event for event in api.events() if event.type == "account.deleted")
    assert deleted.data["merged_into"] == stays
    trail = api.sql(
        "select before, after from audit where customer_id = %s and action = 'account.merged'", api.a.customer_id
    )
    assert trail[0][0]["name"] == "Acme"
    assert trail[0][1]["absorbed_ids"] == [goes]
    assert api.sql("select count(*) from audit where action = 'account.unmerged' and entity_id = %s", stays) == [(1,)]


async def test_a_tombstone_leads_on_and_takes_no_change(api: Api) -> None:
    async with api.client(api.a) as client:
        first, second, third = [await create(client, "accounts", name=f"Acme {n}") for n in range(3)]
        lead = await create(client, "leads", company_name="Acme")
        one = (await merge(client, "accounts", second, first)).json()
        two = (await merge(client, "accounts", third, second)).json()
        for gone in (first, second):
            answer = await client.get(f"{ACCOUNTS}/{gone}")
            assert (answer.status_code, answer.headers["location"]) == (308, f"{ACCOUNTS}/{third}")
            assert "etag" not in answer.headers
            attempts = [
                ("PATCH", f"{ACCOUNTS}/{gone}", {"name": "x"}),
                ("DELETE", f"{ACCOUNTS}/{gone}", None),
                ("POST", f"{ACCOUNTS}/{gone}/restore", None),
                ("POST", f"{ACCOUNTS}/{gone}/merge", {"other_ids": [third]}),
                ("POST", f"{ACCOUNTS}/{third}/merge", {"other_ids": [gone]}),
                ("POST", "/api/v1/contacts", {"account_id": gone}),
                ("PATCH", f"/api/v1/leads/{lead}", {"account_id": gone}),
                ("POST", f"/api/v1/leads/{lead}/convert", {"account_id": gone}),
            ]
            for method, path, body in attempts:
                answer = await client.request(method, path, json=body)
                said = answer.json()
                assert (answer.status_code, said["code"], said["merged_into"]) == (409, "record_merged", third), path
        assert (await unmerge(client, "accounts", second, one["merge_id"])).json()["code"] == "record_merged"
        assert (await unmerge(client, "accounts", third, two["merge_id"])).status_code == 200
        assert (await client.get(f"{ACCOUNTS}/{first}")).headers["location"] == f"{ACCOUNTS}/{second}"
        assert (await unmerge(client, "accounts", second, one["merge_id"])).status_code == 200
        assert [(await client.get(f"{ACCOUNTS}/{id_}")).status_code for id_ in (first, second, third)] == [200] * 3
        assert api.rows("contacts") == []


async def test_contacts_and_participants_move(api: Api) -> None:
    async with api.client(api.a) as client:
        stays, goes = [await create(client, "contacts", last_name=f"Lee {n}") for n in range(2)]
        note = await create(client, "activities", kind="note", participants=[{"contact_id": goes}])
        await client.delete(f"/api/v1/activities/{note}")
        done = await merge(client, "contacts", stays, goes)
        assert done.json()["moved"] == {"activity_participants.contact_id": 1}
        refused = await client.post("/api/v1/activities", json={"kind": "note", "participants": [{"contact_id": goes}]})
        assert (refused.status_code, refused.json()["code"]) == (409, "record_merged")
        await client.post(f"/api/v1/activities/{note}/restore")
        assert (await client.get(f"/api/v1/activities/{note}")).json()["participants"][0]["contact_id"] == stays


async def test_a_converted_lead_stays_what_it_is(api: Api) -> None:
    async with api.client(api.a) as client:
        new, sold = [await create(client, "leads", company_name=f"Acme {n}") for n in range(2)]
        await client.post(f"/api/v1/leads/{sold}/convert", json={})
        assert (await merge(client, "leads", new, sold)).json()["code"] == "not_mergeable"
        assert (await merge(client, "leads", sold, new, fields={"status": new})).json()["code"] == "not_mergeable"
        assert (await merge(client, "leads", sold, new)).status_code == 200
        assert (await client.get(f"/api/v1/leads/{sold}")).json()["status"] == "converted"
        late = await client.post(f"/api/v1/leads/{new}/convert", json={})
        assert (late.status_code, late.json()["merged_into"]) == (409, sold)


async def test_what_does_not_fit_is_refused_and_changes_nothing(api: Api) -> None:
    async with api.client(api.a) as client, api.client(api.b) as others:
        one, two = [await create(client, "accounts", name=f"Acme {n}") for n in range(2)]
        theirs = await create(others, "accounts", name="Acme")
        before = api.rows("accounts"), api.rows("accounts", api.b)
        cases: list[tuple[str, dict[str, Any], int, str]] = [
            (one, {"other_ids": [one]}, 422, "invalid"),
            (one, {"other_ids": [new_id()]}, 404, "not_found"),
            (one, {"other_ids": [theirs]}, 404, "not_found"),
            (theirs, {"other_ids": [one]}, 404, "not_found"),
            (one, {"other_ids": [two], "fields": {"nonsense": two}}, 422, "invalid"),
            (one, {"other_ids": [two], "fields": {"currency": two}}, 422, "invalid"),
            (one, {"other_ids": [two], "fields": {"name": theirs}}, 422, "invalid"),
            (one, {"other_ids": [two], "versions": {two: 7}}, 412, "precondition_failed"),
            (one, {"other_ids": []}, 422, "invalid"),
            (one, {"other_ids": [new_id() for _ in range(11)]}, 422, "invalid"),
        ]
        for survivor, body, status, code in cases:
            answer = await client.post(f"{ACCOUNTS}/{survivor}/merge", json=body)
            assert (answer.status_code, answer.json()["code"]) == (status, code), body
        stale = await client.post(f"{ACCOUNTS}/{one}/merge", json={"other_ids": [two]}, headers={"if-match": '"9"'})
        assert stale.status_code == 412
    assert (api.rows("accounts"), api.rows("accounts", api.b)) == before
    assert api.rows("merges") == []


async def test_overlapping_merges_at_once_have_one_outcome(api: Api) -> None:
    async with api.client(api.a, patient=True) as client:
        for _ in range(4):
            a, b, c = [await create(client, "accounts", name="Acme") for _ in range(3)]
            child = await create(client, "contacts", account_id=b)
            answers = await asyncio.gather(
                merge(client, "accounts", a, b, c), merge(client, "accounts", b, a), merge(client, "accounts", c, b, a)
            )
            assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
            (winner,) = [answer.json() for answer in answers if answer.status_code == 200]
            assert (await of_account(client, {"contacts": child})) <= {winner["survivor_id"], b}
            pointers = dict(
                api.sql("select id, merged_into from accounts where customer_id = %s and id = any(%s)",
                        api.a.customer_id, [a, b, c])
            )  # fmt: skip
            gone = set(winner["absorbed_ids"])
            assert pointers == {id_: winner["survivor_id"] if id_ in gone else None for id_ in (a, b, c)}


async def test_a_child_that_comes_while_its_account_goes_is_not_lost(api: Api) -> None:
    async with api.client(api.a, patient=True) as client:
        for _ in range(4):
            stays, goes = [await create(client, "accounts", name="Acme") for _ in range(2)]
            answers = await asyncio.gather(
                merge(client, "accounts", stays, goes),
                *(client.post("/api/v1/contacts", json={"account_id": goes}) for _ in range(4)),
            )
            assert answers[0].status_code == 200
            assert {answer.status_code for answer in answers[1:]} <= {201, 409}
            stranded = "select count(*) from contacts where customer_id = %s and account_id = %s"
            assert api.sql(stranded, api.a.customer_id, goes) == [(0,)]


async def test_what_other_systems_say_of_a_record_that_went_is_about_the_one_that_stays(api: Api) -> None:
    async with api.client(api.a) as client:
        made = await send(client, company(1), company(2))
        goes, stays = [one["entity"]["id"] for one in made]
        await merge(client, "accounts", stays, goes)
        person = {"contact_id": "P", "account_id": "A1", "last_name": "Lee"}
        note = {"activity_id": "N", "account_id": "A1", "participants": [{"contact_id": "P"}]}
        sent = await send(
            client,
            event("p", "contact.created", **person),
            event("n", "note.created", **note),
            event("u", "account.updated", account_id="A1", industry="Steel"),
        )
        assert [one["status"] for one in sent] == ["created", "created", "stale"]
        children = {"contacts": sent[0]["entity"]["id"], "activities": sent[1]["entity"]["id"]}
        assert await of_account(client, children) == {stays}


async def test_a_member_may_not_merge(api: Api) -> None:
    async with api.client(api.a, "member") as client:
        one, two = [await create(client, "accounts", name="Acme") for _ in range(2)]
        assert (await merge(client, "accounts", one, two)).status_code == 403


@pytest.mark.parametrize("kind", sorted(REFERENCES))
def test_every_foreign_key_to_a_record_is_re_pointed(api: Api, kind: str) -> None:
    found = api.sql(
        "select c.conrelid::regclass::text || '.' || a.attname from pg_constraint c "
        "join pg_attribute a on a.attrelid = c.conrelid and a.attnum = c.conkey[2] "
        "where c.contype = 'f' and c.confrelid = %s::regclass",
        f"{kind}s",
    )
    assert {row[0] for row in found} == {reference.name for reference in REFERENCES[kind]}

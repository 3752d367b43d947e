"""Batches, files, events of other systems and merges are held to the types as well."""

import csv
import io

from tests.integration.api.conftest import Api
from tests.integration.api.custom_fields.conftest import ACCOUNTS, FIELDS, Document, account, define, options, refused
from tests.integration.api.ingest import BATCH, company, event
from tests.integration.api.ingest import PATH as EVENTS
from tests.integration.api.test_imports import mapped, run, shown, start, upload


async def test_a_batch_asks_once_and_judges_each_row(api: Api, asked: list[str]) -> None:
    async with api.client(api.a) as client:
        await define(client, "seats", "number")
        await define(client, "seats", "number", "activity")
        rows: list[Document] = [
            {"op": "upsert", "external_id": str(n), "name": str(n), "custom": {"seats": n if n % 2 else str(n)}}
            for n in range(6)
        ]
        answer = (await client.post(f"{ACCOUNTS}/batch", json={"rows": rows})).json()
        assert answer["counts"] == {"created": 3, "refused": 3}
        assert answer["results"][2]["problem"]["errors"][0]["field"] == "body.rows.2.custom.seats"
        rows = [{"op": "upsert", "external_id": "1", "custom": custom} for custom in ({"free": 1}, {"seats": None})]
        assert (await client.post(f"{ACCOUNTS}/batch", json={"rows": rows})).json()["counts"] == {"updated": 2}
        (found,) = (await client.get(ACCOUNTS, params={"filter": 'external_id eq "1"'})).json()["data"]
        assert found["custom"] == {"free": 1}, "an upsert merges, and null takes away"
        rows = [{"op": "create", "kind": "note", "custom": {"seats": n}} for n in (1, "x", 3)]
        answer = (await client.post("/api/v1/activities/batch", json={"rows": rows})).json()
        assert answer["counts"] == {"created": 2, "refused": 1}
        assert asked == ["account", "account", "activity"]
        atomic = {"atomic": True, "rows": [{"op": "create", "name": "x", "custom": {"seats": "x"}}]}
        assert (await client.post(f"{ACCOUNTS}/batch", json=atomic)).json()["code"] == "batch_refused"


CSV_FILE = (
    "name;Plätze;custom.hot;custom.since;custom.tier;custom.tags;custom.free\n"
    "One;1.234,5;yes;31.12.2026;Gold Plan;red; x \n"
    "Two;-7;0;1.2.2026;gold;blue; \n"
    "Three;many;true;;;;\n"
    "Four;;perhaps;;;;\n"
    "Huge;1e999;;;;;\n"
    "Five;;;;copper;;\n"
)


async def test_a_file_is_read_by_type(api: Api, asked: list[str]) -> None:
    gold = [{"value": "gold", "label": "Gold plan"}, {"value": "tin", "label": "Tin", "archived": True}]
    async with api.client(api.a) as client:
        await define(client, "seats", "number", label="Plätze")
        await define(client, "hot", "boolean")
        await define(client, "since", "date")
        await define(client, "tier", "select", options=gold)
        await define(client, "tags", "multi_select", options=options("red", "blue"))
        made = await upload(client, "account", CSV_FILE)
        columns = (await client.get(f"/api/v1/imports/{made['id']}/preview")).json()["mapping"]["columns"]
        assert {one["column"]: one["field"] for one in columns} == {
            "name": "name", "Plätze": "custom.seats",
            **{f"custom.{key}": f"custom.{key}" for key in ("hot", "since", "tier", "tags", "free")},
        }  # fmt: skip
        forms = [one | {"decimal_comma": True, "date_format": "dmy"} for one in columns]
        await mapped(client, made["id"], columns=forms)
        for dry_run in (True, False):
            await start(client, made["id"], dry_run=dry_run)
            await run(api)
            assert (await shown(client, made["id"]))["counts"] == {"created": 2, "refused": 4}
        assert asked == ["account", "account"]
        found = {row["name"]: row["custom"] for row in (await client.get(ACCOUNTS)).json()["data"]}
        assert found == {
            "One": {"seats": 1234.5, "hot": True, "since": "2026-12-31", "tier": "gold", "tags": ["red"], "free": "x"},
            "Two": {"seats": -7, "hot": False, "since": "2026-02-01", "tier": "gold", "tags": ["blue"]},
        }
        errors = csv.DictReader(io.StringIO((await client.get(f"/api/v1/imports/{made['id']}/errors.csv")).text))
        assert [(row["row"], row["column"]) for row in errors] == [
            ("3", "Plätze"), ("4", "custom.hot"), ("5", "Plätze"), ("6", "custom.tier"),
        ]  # fmt: skip


async def test_an_import_corrects_what_was_before_and_is_taken_back(api: Api) -> None:
    async with api.client(api.a) as client:
        for number, custom in (("1", {"seats": 3, "free": "x"}), ("2", {"seats": "12"})):
            await client.post(ACCOUNTS, json={"name": number, "external_id": number, "custom": custom})
        await define(client, "seats", "number")
        made = await upload(client, "account", "external_id,name,seats\n1,1,9\n2,2,12\n")
        await mapped(client, made["id"], mode="upsert", match_by="external_id")
        await start(client, made["id"])
        await run(api)
        assert (await shown(client, made["id"]))["counts"] == {"updated": 2}
        found = {row["name"]: row["custom"] for row in (await client.get(ACCOUNTS)).json()["data"]}
        assert found == {"1": {"seats": 9, "free": "x"}, "2": {"seats": 12}}
        assert (await client.post(f"/api/v1/imports/{made['id']}/revert", json={})).status_code == 202
        await run(api)
        assert (await shown(client, made["id"]))["reverted"] == {"reverted": 1, "conflict": 1}
        found = {row["name"]: row["custom"] for row in (await client.get(ACCOUNTS)).json()["data"]}
        assert found == {"1": {"seats": 3, "free": "x"}, "2": {"seats": 12}}, "no text comes back to a number"


async def test_events_of_other_systems_are_judged_too(api: Api, asked: list[str]) -> None:
    async with api.client(api.a) as client:
        await define(client, "seats", "number")
        await define(client, "seats", "number", "activity")
        told = [
            company(1, custom={"seats": 3, "free": "x"}),
            company(2, custom={"seats": "3"}),
            company(3),
            event("u", "account.updated", account_id="A1", custom={"seats": 4.0, "free": None}),
            event("n", "note.created", activity_id="N", custom={"seats": "x"}),
        ]
        results = (await client.post(EVENTS, json=told, headers=BATCH)).json()["results"]
        assert [one["status"] for one in results] == ["created", "refused", "created", "updated", "refused"]
        assert results[1]["problem"]["errors"][0]["field"] == "body.custom.seats"
        found = {row["name"]: row["custom"] for row in (await client.get(ACCOUNTS)).json()["data"]}
        assert found == {"Company 1": {"seats": 4}, "Company 3": {}}
        assert sorted(asked) == ["account", "activity"]
        again = [event(str(n), "note.created", activity_id="M", custom={"seats": n}) for n in (1, "y", 2)]
        answers = [(await client.post(EVENTS, json=[one], headers=BATCH)).json()["results"][0] for one in again]
        assert [one["status"] for one in answers] == ["created", "refused", "updated"]


async def test_a_merge_takes_over_what_fits(api: Api) -> None:
    async with api.client(api.a) as client:
        stays = await account(client, note="mine")
        goes = await account(client, seats="many", tier="gold", plan="old", note="theirs")
        await define(client, "seats", "number")
        plan = await define(client, "plan", "select", options=options("old", "new"))
        await client.patch(f"{FIELDS}/{plan['id']}", json={"options": options("old", "new", archived=("old",))})
        body = {"other_ids": [goes["id"]], "fields": {"custom.seats": goes["id"]}}
        refused(await client.post(f"{ACCOUNTS}/{stays['id']}/merge", json=body))
        done = await client.post(f"{ACCOUNTS}/{stays['id']}/merge", json=body | {"fields": {}})
        assert done.status_code == 200, done.text
        kept = (await client.get(f"{ACCOUNTS}/{stays['id']}")).json()
        assert kept["custom"] == {"note": "mine", "tier": "gold", "plan": "old"}

"""Custom fields: definitions that hold on every way in, and that filters, sorts, counts and files go by."""

import csv
import io
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from psycopg.types.json import Jsonb

from api.modules.custom_fields import values
from api.modules.custom_fields.service import MAX_FIELDS
from bevyly.ids import new_id
from tests.integration.api.conftest import Api, Tenant
from tests.integration.api.ingest import BATCH, company, event
from tests.integration.api.ingest import PATH as EVENTS
from tests.integration.api.test_imports import mapped, run, shown, start, upload

FIELDS, ACCOUNTS = "/api/v1/custom-fields", "/api/v1/accounts"
Document = dict[str, Any]


def options(*values: str, archived: tuple[str, ...] = ()) -> list[Document]:
    return [{"value": one, "label": one.title(), "archived": one in archived} for one in values]


async def define(client: httpx.AsyncClient, key: str, type_: str, object_: str = "account", **more: Any) -> Document:
    body = {"object": object_, "key": key, "label": key.title(), "type": type_} | more
    answer = await client.post(FIELDS, json=body)
    assert answer.status_code == 201, answer.text
    made: Document = answer.json()
    return made


async def account(client: httpx.AsyncClient, **custom: Any) -> Document:
    answer = await client.post(ACCOUNTS, json={"name": "Acme", "custom": custom})
    assert answer.status_code == 201, answer.text
    made: Document = answer.json()
    return made


def refused(answer: httpx.Response, code: str = "invalid_custom_value", key: str = "seats") -> None:
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_custom_values"), answer.text
    assert [(one["field"], one["code"]) for one in answer.json()["errors"]] == [(f"body.custom.{key}", code)]


async def be_strict(client: httpx.AsyncClient) -> None:
    assert (await client.patch("/api/v1/settings", json={"strict_custom_fields": True})).status_code == 200


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Kinds of records whose definitions the database was asked for, question by question."""
    found, real = [], values.rules_of

    async def counted(session: Any, customer_id: str, kind: str) -> Any:
        found.append(kind)
        return await real(session, customer_id, kind)

    monkeypatch.setattr(values, "rules_of", counted)
    return found


async def test_a_definition_is_made_changed_and_kept_by_version(api: Api) -> None:
    async with api.client(api.a) as client, api.client(api.b) as other:
        headers = {"idempotency-key": "once"}
        body = {"object": "account", "key": "tier", "label": "Tier", "type": "select", "options": options("a", "b")}
        answers = [await client.post(FIELDS, json=body, headers=headers) for _ in range(2)]
        assert answers[0].content == answers[1].content
        made = answers[0].json()
        path = f"{FIELDS}/{made['id']}"
        assert answers[0].headers["location"] == path
        assert (await client.post(FIELDS, json=body)).status_code == 409
        assert (await client.post(FIELDS, json=body | {"object": "lead"})).status_code == 201
        assert (await other.post(FIELDS, json=body)).status_code == 201
        change = {"options": options("b", "a", "c", archived=("a",)), "description": "What they pay for"}
        stale = await client.patch(path, json=change, headers={"if-match": '"9"'})
        assert stale.status_code == 412
        changed = await client.patch(path, json=change, headers={"if-match": '"1"'})
        assert changed.json() == made | change | {"version": 2, "updated_at": changed.json()["updated_at"]}
        assert (await client.patch(path, json=change)).headers["etag"] == '"2"'
        assert (await client.get(path)).content == changed.content
        assert (await client.patch(path, json={"archived": True})).json()["archived"] is True
        for query, count in (({}, 2), ({"object": "account"}, 1), ({"archived": "false"}, 1), ({"object": "deal"}, -1)):
            found = await client.get(FIELDS, params=query)
            assert len(found.json().get("data", [])) == max(count, 0), query
            assert (found.status_code == 200) == (count >= 0)
        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
    actions = "select action from audit where entity_type = 'custom_field' and entity_id = %s order by id"
    assert [row[0] for row in api.sql(actions, made["id"])] == [
        "custom_field.created", "custom_field.updated", "custom_field.updated", "custom_field.deleted",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"key": "Tier"}, "key"),
        ({"key": "1st"}, "key"),
        ({"key": "a" * 51}, "key"),
        ({"type": "money"}, "type"),
        ({"object": "user"}, "object"),
        ({"type": "select"}, "options"),
        ({"options": options("a")}, "options"),
        ({"type": "select", "options": options("a", "a")}, "options"),
        ({"type": "multi_select", "options": [{"value": "a;b", "label": "x"}]}, "options.0.value"),
        ({"type": "number", "max_length": 5}, "max_length"),
        ({"minimum": 1}, "minimum"),
        ({"type": "number", "minimum": 2, "maximum": 1}, "maximum"),
        ({"required": True}, "required"),
    ],
)
async def test_a_definition_that_cannot_be_is_refused(api: Api, body: Document, field: str) -> None:
    good = {"object": "account", "key": "tier", "label": "Tier", "type": "text"}
    async with api.client(api.a) as client:
        answer = await client.post(FIELDS, json=good | body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == f"body.{field}"
        made = await define(client, "tier", "select", options=options("a", "b"))
        left_out = await client.patch(f"{FIELDS}/{made['id']}", json={"options": options("a")})
        assert left_out.json()["errors"][0]["field"] == "body.options"
        for ours in ({"key": "x"}, {"type": "text"}, {"object": "lead"}):
            assert (await client.patch(f"{FIELDS}/{made['id']}", json=ours)).status_code == 422


async def test_a_kind_has_so_many_fields_and_no_more(api: Api) -> None:
    api.sql(
        "insert into custom_fields (customer_id, id, object, key, label, type, updated_at) "
        "select %s, gen_random_uuid()::text, 'account', 'f' || n, 'x', 'text', now() from generate_series(1, %s) n",
        api.a.customer_id,
        MAX_FIELDS,
    )
    async with api.client(api.a) as client:
        body = {"object": "account", "key": "one_more", "label": "x", "type": "text"}
        answer = await client.post(FIELDS, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "too_many_custom_fields")
        await define(client, "one_more", "text", "lead")


async def test_a_field_with_values_is_archived_and_not_deleted(api: Api) -> None:
    async with api.client(api.a) as client:
        field = await define(client, "seats", "number")
        path = f"{FIELDS}/{field['id']}"
        made = await account(client, seats=3, note="x")
        answer = await client.delete(path)
        assert (answer.status_code, answer.json()["code"], answer.json()["values"]) == (409, "custom_field_in_use", 1)
        assert (await client.patch(path, json={"archived": True})).status_code == 200
        record = f"{ACCOUNTS}/{made['id']}"
        refused(await client.patch(record, json={"custom": {"seats": 4}}), "archived_custom_field")
        refused(await client.post(ACCOUNTS, json={"name": "x", "custom": {"seats": 4}}), "archived_custom_field")
        kept = await client.patch(record, json={"custom": {"seats": 3, "note": "y"}})
        assert kept.json()["custom"] == {"seats": 3, "note": "y"}
        gone = await client.patch(record, json={"custom": {"seats": None, "note": "y"}})
        assert gone.json()["custom"] == {"note": "y"}
        assert (await client.delete(path)).status_code == 204
        assert (await client.patch(record, json={"custom": {"seats": "anything"}})).status_code == 200


PLURALS = {
    "account": ("accounts", {"name": "x"}),
    "contact": ("contacts", {}),
    "lead": ("leads", {}),
    "opportunity": ("opportunities", {"name": "x"}),
    "activity": ("activities", {"kind": "note"}),
}


@pytest.mark.parametrize("kind", PLURALS)
async def test_every_kind_holds_its_types_when_made_and_changed(api: Api, kind: str, asked: list[str]) -> None:
    plural, body = PLURALS[kind]
    async with api.client(api.a) as client, api.client(api.b) as other:
        await define(client, "seats", "number", kind, maximum=100)
        await define(client, "since", "datetime", kind)
        if kind == "opportunity":
            body = body | {"account_id": (await account(client))["id"]}
        path = f"/api/v1/{plural}"
        for custom in ({"seats": "3"}, {"seats": 101}, {"seats": True}):
            refused(await client.post(path, json=body | {"custom": custom}))
        given = {"seats": 3.0, "since": "2026-01-01T02:00:00+02:00", "free": "x", "gone": None}
        made = await client.post(path, json=body | {"custom": given})
        assert made.json()["custom"] == {"seats": 3, "since": "2026-01-01T00:00:00Z", "free": "x"}
        record = f"{path}/{made.json()['id']}"
        refused(await client.patch(record, json={"custom": {"seats": "4"}}))
        same = await client.patch(record, json={"custom": given})
        assert same.json()["version"] == 1, "the same value in another form is no change"
        changed = await client.patch(record, json={"custom": {"seats": 4, "since": None}})
        assert (changed.json()["custom"], changed.json()["version"]) == ({"seats": 4}, 2)
        if kind != "opportunity":
            assert (await other.post(path, json=body | {"custom": {"seats": "3"}})).status_code == 201
        assert set(asked) == {kind}
        asked.clear()
        for quiet in ({}, {"custom": {}}, {"custom": {"seats": None}}):
            assert (await client.post(path, json=body | quiet)).status_code == 201
        await client.patch(record, json={"custom": {"seats": 4}})
        assert asked == [], "nothing new under custom, no question"


async def test_strict_tenants_take_only_what_is_defined(api: Api) -> None:
    async with api.client(api.a) as client, api.client(api.b) as other:
        await define(client, "seats", "number")
        old = await account(client, legacy="x")
        await be_strict(client)
        refused(
            await client.post(ACCOUNTS, json={"name": "x", "custom": {"other": 1}}), "unknown_custom_field", "other"
        )
        refused(await client.post("/api/v1/leads", json={"custom": {"seats": 1}}), "unknown_custom_field")
        record = f"{ACCOUNTS}/{old['id']}"
        kept = await client.patch(record, json={"custom": {"legacy": "x", "seats": 1, "nothing": None}})
        assert kept.json()["custom"] == {"legacy": "x", "seats": 1}, "what the record has already may stay"
        refused(await client.patch(record, json={"custom": {"legacy": "y"}}), "unknown_custom_field", "legacy")
        rows = [
            {"op": "create", "name": "x", "custom": {"seats": 1}},
            {"op": "create", "name": "y", "custom": {"o": 1}},
        ]
        answer = (await client.post(f"{ACCOUNTS}/batch", json={"rows": rows})).json()
        assert answer["counts"] == {"created": 1, "refused": 1}
        assert answer["results"][1]["problem"]["errors"][0]["field"] == "body.rows.1.custom.o"
        assert (await account(other, other=1))["custom"] == {"other": 1}


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


TODAY = datetime.now(UTC).date()
NOW = datetime.now(UTC).replace(microsecond=0)
TYPED: dict[str, tuple[str, dict[str, Any]]] = {
    "words": ("text", {}),
    "seats": ("number", {}),
    "hot": ("boolean", {}),
    "renews": ("date", {}),
    "seen": ("datetime", {}),
    "tier": ("select", {"options": options("gold", "silver", "tin")}),
    "tags": ("multi_select", {"options": options("red", "blue", "green")}),
    "site": ("url", {}),
    "mail": ("email", {}),
}
ROWS: dict[str, Document] = {
    "One": {
        "words": "Ünder 50%", "seats": 9, "hot": True, "renews": TODAY.isoformat(), "seen": NOW.isoformat(),
        "tier": "gold", "tags": ["red", "blue"], "site": "https://one.example/", "mail": "ann@one.example",
    },
    "Two": {
        "words": "apple", "seats": 10.5, "hot": False, "renews": (TODAY - timedelta(days=40)).isoformat(),
        "seen": (NOW - timedelta(hours=30)).isoformat(), "tier": "silver", "tags": ["green"],
        "site": "https://two.example/", "mail": "bo@two.example",
    },
    "Three": {"seats": 100, "renews": (TODAY + timedelta(days=400)).isoformat(), "tier": "gold"},
    "None": {},
}  # fmt: skip
# from before the definitions: of no type, and some of them dates that do not exist
OLD: Document = {
    "words": 7, "seats": "11", "hot": "yes", "renews": "2026-02-31", "seen": "2026-13-01T00:00:00Z", "tier": ["gold"],
    "tags": "red", "site": 1, "mail": False,
}  # fmt: skip
FILTERS: dict[str, set[str]] = {
    'custom.words eq "apple"': {"Two"},
    'custom.words contains "ÜND"': {"One"},
    'custom.words ne "apple"': {"One", "Three", "None", "Old"},
    "custom.seats gt 9": {"Two", "Three"},
    "custom.seats between 9 and 10.5": {"One", "Two"},
    "custom.seats in (9, 100)": {"One", "Three"},
    "not custom.seats ge 10": {"One", "None", "Old"},
    "custom.seats is null": {"None", "Old"},
    "custom.hot eq true": {"One"},
    "custom.hot ne true": {"Two", "Three", "None", "Old"},
    "custom.renews eq today": {"One"},
    "custom.renews le today": {"One", "Two"},
    "custom.renews between -60d and -1d": {"Two"},
    "custom.renews gt +1y": {"Three"},
    "custom.renews is not null": {"One", "Two", "Three"},
    "custom.seen ge -1h": {"One"},
    "custom.seen lt -24h": {"Two"},
    "custom.seen between -2d and now": {"One", "Two"},
    'custom.tier eq "gold"': {"One", "Three"},
    'custom.tier in ("gold", "silver")': {"One", "Two", "Three"},
    'custom.tags has "red"': {"One"},
    'custom.tags has any ("green", "blue")': {"One", "Two"},
    "custom.tags is null": {"Three", "None", "Old"},
    'custom.site starts "https://two"': {"Two"},
    'custom.mail ends "@one.example" or custom.seats eq 100': {"One", "Three"},
}
UNFIT = {
    "custom.words gt 1": "is of type text",
    'custom.seats eq "9"': "does not fit custom.seats",
    'custom.seats contains "9"': "is of type number",
    "custom.hot gt true": "is of type boolean",
    'custom.renews eq "2026-01-01"': "is no date",
    'custom.seen starts "2026"': "is of type instant",
    'custom.tier eq "copper"': "is one of gold, silver, tin",
    'custom.tags eq "red"': "has, has any",
    'custom.tags has "pink"': "is one of blue, green, red",
}


async def crowd(api: Api, tenant: Tenant) -> None:
    """A tenant with rows of every type, one of them from before the definitions."""
    async with api.client(tenant) as client:
        api.sql(
            "insert into accounts (customer_id, id, name, custom) values (%s, %s, 'Old', %s)",
            tenant.customer_id, new_id(), Jsonb(OLD),
        )  # fmt: skip
        for key, (type_, more) in TYPED.items():
            await define(client, key, type_, **more)
        rows = [{"op": "create", "name": name, "custom": custom} for name, custom in ROWS.items()]
        answer = (await client.post(f"{ACCOUNTS}/batch", json={"rows": rows})).json()
        assert answer["counts"] == {"created": len(ROWS)}, answer


async def names(client: httpx.AsyncClient, **query: Any) -> list[str]:
    answer = await client.get(ACCOUNTS, params=query)
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["data"]]


async def test_filters_compare_by_type(api: Api) -> None:
    await crowd(api, api.a)
    async with api.client(api.a) as client, api.client(api.b) as other:
        await account(other, seats=10, renews="2026-02-31", tier="gold")
        for text, expected in FILTERS.items():
            assert set(await names(client, filter=text)) == expected, text
        for text, why in UNFIT.items():
            answer = await client.get(ACCOUNTS, params={"filter": text})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_filter"), text
            assert why in answer.json()["detail"], text
        assert await names(other, filter='custom.seats eq 10 and custom.tier contains "OL"') == ["Acme"]
        assert await names(other, filter="custom.renews lt 2026-03-01") == ["Acme"], "undefined: by the value"
        deal = {"name": "Deal", "account_id": (await client.get(ACCOUNTS, params={"q": "Two"})).json()["data"][0]["id"]}
        assert (await client.post("/api/v1/opportunities", json=deal)).status_code == 201
        for text, count in (("account.custom.seats gt 10", 1), ("account.custom.seats gt 11", 0)):
            found = (await client.get("/api/v1/opportunities", params={"filter": text})).json()
            assert len(found["data"]) == count, text
        unfit = await client.get("/api/v1/opportunities", params={"filter": 'account.custom.seats contains "1"'})
        assert unfit.json()["code"] == "invalid_filter"


SORTS = {
    "custom.seats": ["One", "Two", "Three"],
    "-custom.seats": ["Three", "Two", "One"],
    "custom.renews": ["Two", "One", "Three"],
    "-custom.seen": ["One", "Two"],
    "custom.words": ["Two", "One"],
    "custom.tier,-custom.seats": ["Three", "One", "Two"],
    "custom.hot": ["Two", "One"],
}


async def test_lists_are_sorted_and_counted_by_type(api: Api) -> None:
    await crowd(api, api.a)
    async with api.client(api.a) as client, api.client(api.b) as other:
        for sort, expected in SORTS.items():
            everything = await names(client, sort=sort)
            assert everything[: len(expected)] == expected, sort
            assert len(everything) == 5
            paged, query = [], {"sort": sort, "limit": 1}
            while query.get("cursor", "") is not None:
                answer = (await client.get(ACCOUNTS, params=query)).json()
                paged += [row["name"] for row in answer["data"]]
                query["cursor"] = answer["page"]["next_cursor"]
            assert paged == everything, sort
        for sort in ("custom.tags", "custom.nothing", "custom", "owner.custom.seats", "custom.seats,custom.seats"):
            answer = await client.get(ACCOUNTS, params={"sort": sort})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_query"), sort
        assert (await other.get(ACCOUNTS, params={"sort": "custom.seats"})).status_code == 422
        asked = {"facets": "custom.tier,custom.tags,custom.hot", "filter": 'name ne "None"'}
        found = (await client.get(ACCOUNTS, params=asked)).json()["facets"]
        assert found["custom.tier"] == [
            {"value": "gold", "count": 2}, {"value": "silver", "count": 1}, {"value": None, "count": 1},
        ]  # fmt: skip
        assert found["custom.tags"] == [{"value": one, "count": 1} for one in ("blue", "green", "red")]
        assert {one["value"]: one["count"] for one in found["custom.hot"]} == {None: 2, True: 1, False: 1}


async def test_files_have_a_column_of_each_type(api: Api) -> None:
    await crowd(api, api.a)
    async with api.client(api.a) as client, api.client(api.b) as other:
        gone = await define(client, "unused", "text")
        await client.patch(f"{FIELDS}/{gone['id']}", json={"archived": True})
        await account(client, words="=cmd()", seats=-3)
        await account(other, seats=3)
        text = (await client.get("/api/v1/exports/accounts.csv")).text
        rows = {row["Name"]: row for row in csv.DictReader(io.StringIO(text))}
        assert {key for key in rows["One"] if key.startswith("custom.")} == {f"custom.{key}" for key in TYPED}
        assert {key: rows["One"][f"custom.{key}"] for key in ("seats", "hot", "renews", "tags", "tier")} == {
            "seats": "9", "hot": "t", "renews": TODAY.isoformat(), "tags": "red;blue", "tier": "gold",
        }  # fmt: skip
        assert (rows["Acme"]["custom.words"], rows["Acme"]["custom.seats"]) == ("'=cmd()", "-3")
        assert {rows["Old"][f"custom.{key}"] for key in TYPED} == {""}
        assert '"seats": "11"' in rows["Old"]["Custom fields"]
        frame = pl.read_parquet(io.BytesIO((await client.get("/api/v1/exports/accounts.parquet")).content))
        types = {key: frame[f"custom.{key}"].dtype for key in ("seats", "hot", "renews", "tags", "words")}
        assert types == {
            "seats": pl.Float64, "hot": pl.Boolean, "renews": pl.Date, "tags": pl.List(pl.String), "words": pl.String,
        }  # fmt: skip
        one = frame.filter(pl.col("Name") == "One").to_dicts()[0]
        assert (one["custom.renews"], one["custom.seen"], one["custom.tags"]) == (TODAY, NOW, ["red", "blue"])
        assert isinstance(one["custom.renews"], date)
        theirs = (await other.get("/api/v1/exports/accounts.csv")).text.splitlines()[0]
        assert "custom." not in theirs


async def test_a_file_that_went_out_comes_in_again(api: Api) -> None:
    await crowd(api, api.a)
    async with api.client(api.a) as client:
        before = {row["name"]: row["custom"] for row in (await client.get(ACCOUNTS)).json()["data"]}
        text = (await client.get("/api/v1/exports/accounts.csv")).text
        api.sql("delete from accounts where customer_id = %s", api.a.customer_id)
        made = await upload(client, "account", text)
        suggested = (await client.get(f"/api/v1/imports/{made['id']}/preview")).json()["mapping"]["columns"]
        columns = [one for one in suggested if one["field"].split(".")[-1] in ("name", *TYPED)]
        await mapped(client, made["id"], columns=columns, mode="create", match_by=None)
        await start(client, made["id"])
        await run(api)
        rows = (await client.get(ACCOUNTS)).json()["data"]
        assert {row["name"]: row["custom"] for row in rows} == before | {"Old": {}}


async def test_a_definition_holds_for_writes_that_ask_after_it(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write under way may still store what was right when it asked; that value counts as missing."""
    real = values.rules_of
    meanwhile: list[Callable[[], Awaitable[Any]]] = []

    async def slow(session: Any, customer_id: str, kind: str) -> Any:
        rules = await real(session, customer_id, kind)
        while meanwhile:
            await meanwhile.pop()()
        return rules

    monkeypatch.setattr(values, "rules_of", slow)
    async with api.client(api.a) as client, api.client(api.a) as admin:
        meanwhile.append(lambda: define(admin, "seats", "number"))
        made = await account(client, seats="many")
        assert made["custom"] == {"seats": "many"}
        record = f"{ACCOUNTS}/{made['id']}"
        refused(await client.post(ACCOUNTS, json={"name": "x", "custom": {"seats": "many"}}))
        assert await names(client, filter="custom.seats is null") == ["Acme"]
        assert (await client.patch(record, json={"name": "Acme Ltd"})).status_code == 200
        assert (await client.patch(record, json={"custom": {"seats": "many", "free": 1}})).status_code == 200
        refused(await client.patch(record, json={"custom": {"seats": "more"}}))
        assert (await client.patch(record, json={"custom": {"seats": 12}})).json()["custom"] == {"seats": 12}
        assert await names(client, filter="custom.seats eq 12") == ["Acme Ltd"]


async def test_the_queries_of_the_guide_work(api: Api) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "custom-fields.md").read_text()
    queries = re.findall(r"^GET (\S+)\?(.+)$", guide, re.MULTILINE)
    assert len(queries) >= 3
    async with api.client(api.a) as client:
        await define(client, "plan", "select", options=options("gold", "silver"))
        await define(client, "seats", "number")
        for path, text in queries:
            answer = await client.get(path, params=dict(part.split("=", 1) for part in text.split("&")))
            assert answer.status_code == 200, (text, answer.text)


async def test_who_may_define(api: Api) -> None:
    body = {"object": "account", "key": "seats", "label": "Seats", "type": "number"}
    for role, status in (("viewer", 403), ("member", 403), ("admin", 201), ("owner", 409)):
        async with api.client(api.a, role) as client:
            assert (await client.post(FIELDS, json=body)).status_code == status, role
            assert (await client.get(FIELDS)).status_code == 200

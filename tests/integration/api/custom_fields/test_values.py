"""Values hold the types of their fields when records are made and changed."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from api.modules.custom_fields import values
from tests.integration.api.conftest import Api
from tests.integration.api.custom_fields.conftest import ACCOUNTS, account, define, names, refused

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


async def be_strict(client: httpx.AsyncClient) -> None:
    assert (await client.patch("/api/v1/settings", json={"strict_custom_fields": True})).status_code == 200


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

"""Tags: in order and bounded on records, in their events, counted, renamed and removed everywhere with a trail."""

from typing import Any

import httpx
import pytest

from api.modules.tags import service
from tests.integration.api.conftest import Api

AREAS = {
    "account": ("accounts", {"name": "A"}),
    "contact": ("contacts", {"last_name": "C"}),
    "lead": ("leads", {"company_name": "L"}),
    "opportunity": ("opportunities", {"name": "O"}),
}


async def tagged(client: httpx.AsyncClient, *tags: str) -> dict[str, dict[str, Any]]:
    """A record of each kind with these tags."""
    made: dict[str, dict[str, Any]] = {}
    for kind, (area, body) in AREAS.items():
        more = {"account_id": made["account"]["id"]} if kind == "opportunity" else {}
        answer = await client.post(f"/api/v1/{area}", json={**body, **more, "tags": tags})
        assert answer.status_code == 201, answer.text
        made[kind] = answer.json()
    return made


async def in_use(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/api/v1/tags")).json()["data"]
    return found


async def test_every_kind_keeps_tags_in_one_form_and_tells_of_them(api: Api) -> None:
    async with api.client(api.a) as client:
        made = await tagged(client, "  VIP ", "key   Account", "vip", "Größe")
        for kind, (area, _) in AREAS.items():
            path = f"/api/v1/{area}/{made[kind]['id']}"
            assert (await client.get(path)).json()["tags"] == ["größe", "key account", "vip"]
            assert (await client.get(f"/api/v1/{area}")).json()["data"][0]["tags"] == ["größe", "key account", "vip"]
            found = await client.get(f"/api/v1/{area}", params={"filter": 'tags has "vip" and not tags has "new"'})
            assert [row["id"] for row in found.json()["data"]] == [made[kind]["id"]]
            changed = await client.patch(path, json={"tags": ["new"]})
            assert (changed.json()["tags"], changed.json()["version"]) == (["new"], 2)
            assert (await client.patch(path, json={"tags": ["NEW"]})).json()["version"] == 2
    events = {event.type: event for event in api.events()}
    for kind in AREAS:
        assert events[f"{kind}.created"].schema_version == 2
        assert events[f"{kind}.created"].data["tags"] == ["größe", "key account", "vip"]
        assert events[f"{kind}.updated"].data["before"] == {"tags": ["größe", "key account", "vip"]}
        assert events[f"{kind}.updated"].data["after"] == {"tags": ["new"]}


@pytest.mark.parametrize("tags", [["x" * 51], [""], ["  "], [str(n) for n in range(51)], ["a\x00"], [1], "vip", None])
async def test_what_is_no_list_of_tags_is_refused(api: Api, tags: Any) -> None:
    async with api.client(api.a) as client:
        assert (await client.post("/api/v1/accounts", json={"name": "x", "tags": tags})).status_code == 422
        fine = {"name": "x", "tags": ["y" * 50, *(str(n) for n in range(49))]}
        assert (await client.post("/api/v1/accounts", json=fine)).status_code == 201


async def test_tags_are_counted_for_each_kind_of_one_tenant(api: Api) -> None:
    async with api.client(api.a) as client, api.client(api.b) as other:
        made = await tagged(client, "vip")
        await tagged(other, "theirs")
        await client.post("/api/v1/leads", json={"company_name": "x", "tags": ["vip", "cold"]})
        await client.delete(f"/api/v1/accounts/{made['account']['id']}")
        assert await in_use(client) == [
            {"tag": "vip", "total": 4, "kinds": {"contact": 1, "lead": 2, "opportunity": 1}},
            {"tag": "cold", "total": 1, "kinds": {"lead": 1}},
        ]


async def test_a_tag_is_renamed_everywhere_in_bounded_calls_with_a_trail(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "AT_ONCE", 3)
    async with api.client(api.a) as client, api.client(api.b) as other:
        await tagged(client, "vip", "gold")
        await tagged(other, "vip")
        answers = [(await client.post("/api/v1/tags/rename", json={"tag": "VIP", "to": "Gold"})).json() for _ in "abc"]
        assert answers == [
            {"changed": 3, "more": True},
            {"changed": 1, "more": False},
            {"changed": 0, "more": False},
        ]
        assert [(one["tag"], one["total"]) for one in await in_use(client)] == [("gold", 4)]
        assert [(one["tag"], one["total"]) for one in await in_use(other)] == [("vip", 4)]
    updates = [event for event in api.events() if event.type.endswith(".updated")]
    assert len(updates) == 4
    assert all(event.data["after"] == {"tags": ["gold"]} for event in updates)
    audited = api.sql(
        "select count(*) from audit where customer_id = %s and action like '%%.updated'", api.a.customer_id
    )
    assert audited == [(4,)]


async def test_a_tag_is_removed_everywhere_and_only_by_managers(api: Api) -> None:
    async with api.client(api.a) as client, api.client(api.a, "member") as member:
        await tagged(client, "vip", "gold")
        assert (await member.post("/api/v1/tags/delete", json={"tag": "vip"})).status_code == 403
        assert (await client.post("/api/v1/tags/delete", json={"tag": "vip"})).json() == {"changed": 4, "more": False}
        assert [one["tag"] for one in await in_use(client)] == ["gold"]
        same = await client.post("/api/v1/tags/rename", json={"tag": "gold", "to": "GOLD"})
        assert same.json() == {"changed": 0, "more": False}

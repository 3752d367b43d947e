"""Definitions: made, changed, archived and deleted, by whom, and how many."""

import pytest

from api.modules.custom_fields.service import MAX_FIELDS
from tests.integration.api.conftest import Api
from tests.integration.api.custom_fields.conftest import ACCOUNTS, FIELDS, Document, account, define, options, refused


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


async def test_who_may_define(api: Api) -> None:
    body = {"object": "account", "key": "seats", "label": "Seats", "type": "number"}
    for role, status in (("viewer", 403), ("member", 403), ("admin", 201), ("owner", 409)):
        async with api.client(api.a, role) as client:
            assert (await client.post(FIELDS, json=body)).status_code == status, role
            assert (await client.get(FIELDS)).status_code == 200

"""Batches: many rows, each by the rules of a single one, and each with a result of its own."""

from typing import Any

import httpx
import pytest

from bevyly.ids import new_id
from tests.integration.api.conftest import Api


async def send(client: httpx.AsyncClient, kind: str, *rows: dict[str, Any], **more: Any) -> httpx.Response:
    return await client.post(f"/api/v1/{kind}/batch", json={"rows": list(rows), **more})


def statuses(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["status"] for row in answer.json()["results"]]


async def test_a_thousand_rows_leave_what_single_calls_leave(api: Api) -> None:
    row = {"name": "Steel", "domain": "Steel.example", "currency": "EUR", "annual_revenue_minor": 5, "custom": {"a": 1}}
    async with api.client(api.a) as client:
        single = (await client.post("/api/v1/accounts", json=row)).json()
        answer = await send(client, "accounts", *({"op": "create"} | row for _ in range(1000)))
        assert answer.json()["counts"] == {"created": 1000}
        one = (await client.get(f"/api/v1/accounts/{answer.json()['results'][999]['id']}")).json()
    differs = ("id", "created_at", "updated_at")
    assert {k: v for k, v in one.items() if k not in differs} == {k: v for k, v in single.items() if k not in differs}
    events = api.events()
    assert len(events) == 1001
    assert {k: v for k, v in events[1000].data.items() if k != "account_id"} == {
        k: v for k, v in events[0].data.items() if k != "account_id"
    }
    audit = "select action, actor_id, after - 'id' from audit where customer_id = %s group by 1, 2, 3"
    assert len(api.sql(audit, api.a.customer_id)) == 1
    assert api.sql("select count(*) from audit where before is not null") == [(0,)]


async def test_each_row_stands_alone(api: Api) -> None:
    async with api.client(api.a) as client:
        first = (await send(client, "contacts", {"op": "create", "email": "a@x.example", "external_id": "1"})).json()
        one = first["results"][0]["id"]
        answer = await send(
            client,
            "contacts",
            {"op": "update", "id": one, "version": 1, "title": "CEO"},
            {"op": "update", "id": one, "version": 1, "title": "CTO"},
            {"op": "upsert", "external_id": "1", "phone": "1"},
            {"op": "upsert", "external_id": "2", "phone": "2"},
            {"op": "upsert", "external_id": "2", "phone": "2"},
            {"op": "create", "external_id": "2"},
            {"op": "create", "email": "nobody"},
            {"op": "create", "account_id": new_id()},
            {"op": "create", "title": "a\x00b"},
            {"op": "create", "who": "x"},
            {"op": "move"},
            {"op": "update", "title": "x"},
            {"op": "update", "id": new_id(), "title": "x"},
            {"op": "delete", "id": one},
            {"op": "update", "id": one, "title": "x"},
            {"op": "upsert", "external_id": "1", "phone": "3"},
        )
    assert statuses(answer) == [
        *("updated", "refused", "updated", "created", "unchanged", *["refused"] * 8, "deleted", "refused", "refused")
    ]
    results = answer.json()["results"]
    assert [row["version"] for row in results if "version" in row] == [2, 3, 1, 1, 4]
    problems = {row["index"]: row["problem"] for row in results if row["status"] == "refused"}
    assert {index: one["code"] for index, one in problems.items()} == {
        **{1: "precondition_failed", 5: "already_exists", 6: "invalid", 7: "reference_not_found", 8: "invalid"},
        **{9: "invalid", 10: "invalid", 11: "invalid", 12: "not_found", 14: "not_found", 15: "record_deleted"},
    }
    assert problems[6]["errors"][0]["field"] == "body.rows.6.email"
    assert problems[7]["errors"] == [{"field": "body.rows.7.account_id", "code": "not_found"}]
    assert [event.type for event in api.events()] == [
        *("contact.created", "contact.updated", "contact.updated", "contact.created", "contact.deleted")
    ]
    assert [event.sequence for event in api.events() if event.subject_id == one] == [1, 2, 3, 4]


async def test_atomic_is_all_or_nothing(api: Api) -> None:
    good, bad = {"op": "create", "name": "x"}, {"op": "create", "name": "x", "owner_id": new_id()}
    async with api.client(api.a) as client:
        answer = await send(client, "accounts", good, bad, {"op": "create"}, atomic=True)
        assert (answer.status_code, answer.json()["code"]) == (422, "batch_refused")
        assert [row["index"] for row in answer.json()["results"]] == [2]
        answer = await send(client, "accounts", good, bad, atomic=True)
        assert [row["problem"]["code"] for row in answer.json()["results"]] == ["reference_not_found"]
        assert api.rows("accounts") == api.rows("audit") == api.events() == []
        assert statuses(await send(client, "accounts", good, good, atomic=True)) == ["created", "created"]
    assert len(api.rows("accounts")) == 2


async def test_only_who_may_delete_deletes(api: Api) -> None:
    async with api.client(api.a) as client:
        made = (await send(client, "leads", {"op": "create", "company_name": "x"})).json()["results"][0]["id"]
    async with api.client(api.a, "member") as client:
        answer = await send(client, "leads", {"op": "delete", "id": made}, {"op": "update", "id": made, "source": "s"})
        assert statuses(answer) == ["refused", "updated"]
    async with api.client(api.b) as client:
        assert statuses(await send(client, "leads", {"op": "delete", "id": made})) == ["refused"]
    async with api.client(api.a) as client:
        assert statuses(await send(client, "leads", {"op": "delete", "id": made})) == ["deleted"]


async def test_a_key_makes_a_batch_repeatable(api: Api) -> None:
    body, key = {"rows": [{"op": "create", "name": "x"}]}, {"idempotency-key": "k"}
    async with api.client(api.a) as client:
        first = await client.post("/api/v1/accounts/batch", json=body, headers=key)
        second = await client.post("/api/v1/accounts/batch", json=body, headers=key)
    assert first.content == second.content
    assert len(api.rows("accounts")) == 1


async def test_opportunities_and_activities_keep_history_and_people(api: Api) -> None:
    async with api.client(api.a) as client:
        account = (await client.post("/api/v1/accounts", json={"name": "x"})).json()["id"]
        deal = {"account_id": account, "name": "Deal", "value_minor": 5, "currency": "EUR", "external_id": "d"}
        answer = await send(
            client,
            "opportunities",
            {"op": "upsert"} | deal,
            {"op": "upsert", "external_id": "d", "stage": "won", "value_minor": 7},
            {"op": "create", "account_id": account},
        )
        assert statuses(answer) == ["created", "updated", "refused"]
        made = answer.json()["results"][0]["id"]
        history = (await client.get(f"/api/v1/opportunities/{made}/history")).json()["data"]
        assert [row["new_value"] for row in history if row["field"] == "value"] == ["5", "7"]
        assert [row["valid_to"] is None for row in history if row["field"] == "stage"] == [False, True]
        call = {"op": "upsert", "kind": "call", "external_id": "c", "participants": [{"email": "a@x.example"}]}
        stranger = {"op": "create", "kind": "call", "participants": [{"contact_id": new_id()}]}
        answer = await send(client, "activities", call, call, stranger, {"op": "update", "id": made, "subject": "x"})
        assert statuses(answer) == ["created", "unchanged", "refused", "refused"]
        assert answer.json()["results"][2]["problem"]["errors"][0]["field"] == ("body.rows.2.participants.0.contact_id")
        change = {"op": "update", "id": answer.json()["results"][0]["id"], "subject": "Again"}
        assert statuses(await send(client, "activities", change)) == ["updated"]
        mail = {"op": "create", "kind": "email", "subject": "Offer", "participants": [{"email": "a@x.example"}]}
        mails = await send(client, "activities", mail, mail | {"subject": "Re: Offer"})
        threads = [
            (await client.get(f"/api/v1/activities/{row['id']}")).json()["thread_id"] for row in mails.json()["results"]
        ]
        assert threads[0] is not None
        assert threads[0] == threads[1]
        one = (await client.get(f"/api/v1/activities/{answer.json()['results'][0]['id']}")).json()
        assert one["participants"][0]["email"] == "a@x.example"
    assert [event.type for event in api.events()][1:] == [
        *("opportunity.created", "opportunity.stage_changed", "opportunity.updated", "call.completed"),
        *("activity.updated", "email.sent", "email.sent"),
    ]


@pytest.mark.parametrize("rows", [[], [{"op": "create", "name": "x"}] * 1001])
async def test_how_many_rows_a_call_takes(api: Api, rows: list[dict[str, Any]]) -> None:
    async with api.client(api.a) as client:
        assert (await send(client, "accounts", *rows)).status_code == 422

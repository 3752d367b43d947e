"""Records of the CRM: create, read, change, delete, restore, and the trail they leave."""

import httpx

from tests.integration.api.conftest import Api


async def create(client: httpx.AsyncClient, path: str, **values: object) -> dict[str, object]:
    answer = await client.post(f"/api/v1/{path}", json=values)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_account_lives_and_leaves_a_trail(api: Api) -> None:
    async with api.client(api.a) as client:
        made = await client.post(
            "/api/v1/accounts", json={"name": "Acme", "custom": {"tier": "gold", "tags": ["x", 1]}}
        )
        assert made.status_code == 201, made.text
        path = made.headers["location"]
        assert made.headers["etag"] == '"1"'

        changed = await client.patch(path, json={"industry": "Steel"}, headers={"if-match": '"1"'})
        assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')
        assert changed.json()["industry"] == "Steel"
        assert (await client.get(path)).json() == changed.json()

        stale = await client.patch(path, json={"industry": "Iron"}, headers={"if-match": '"1"'})
        assert (stale.status_code, stale.json()["code"], stale.json()["version"]) == (412, "precondition_failed", 2)

        same = await client.patch(path, json={"industry": "Steel"})
        assert same.headers["etag"] == '"2"'

        assert (await client.delete(path)).status_code == 204
        assert (await client.get(path)).status_code == 404
        assert (await client.get("/api/v1/accounts")).json()["data"] == []
        back = await client.post(f"{path}/restore")
        assert (back.status_code, back.json()["version"]) == (200, 4)

    kinds = [(event.type, event.sequence) for event in api.events()]
    assert kinds == [("account.created", 1), ("account.updated", 2), ("account.deleted", 3), ("account.restored", 4)]
    assert api.events()[1].data["before"] == {"industry": None}
    assert api.events()[1].data["after"] == {"industry": "Steel"}
    audit = api.sql(
        "select action, actor_id, before, after from audit where customer_id = %s order by occurred_at, id",
        api.a.customer_id,
    )
    assert [row[0] for row in audit] == ["account.created", "account.updated", "account.deleted", "account.restored"]
    assert audit[1][1:] == (api.a.users["owner"], {"industry": None}, {"industry": "Steel"})


async def test_a_stage_change_keeps_history_and_closes(api: Api) -> None:
    async with api.client(api.a) as client:
        account = await create(client, "accounts", name="Acme")
        deal = await create(
            client,
            "opportunities",
            name="Deal",
            account_id=account["id"],
            value_minor=100_00,
            currency="EUR",
            expected_close_date="2026-12-24",
        )
        path = f"/api/v1/opportunities/{deal['id']}"
        won = await client.patch(path, json={"stage": "won", "value_minor": 120_00})
        assert won.status_code == 200, won.text
        assert (won.json()["status"], won.json()["version"]) == ("won", 3)
        assert won.json()["closed_at"] is not None
        again = await client.patch(path, json={"stage": "proposal"})
        assert (again.json()["status"], again.json()["closed_at"]) == ("open", None)
        history = (await client.get(f"{path}/history")).json()["data"]
    stages = [
        (row["old_value"], row["new_value"], row["valid_to"] is None) for row in history if row["field"] == "stage"
    ]
    assert stages == [(None, "prospecting", False), ("prospecting", "won", False), ("won", "proposal", True)]
    values = [row["new_value"] for row in history if row["field"] == "value"]
    assert values == ["10000", "12000"]
    told = [(event.type, event.sequence) for event in api.events() if event.subject_type == "opportunity"]
    assert told == [
        ("opportunity.created", 1),
        ("opportunity.stage_changed", 2),
        ("opportunity.updated", 3),
        ("opportunity.stage_changed", 4),
    ]
    ids = {event.id for event in api.events()}
    assert {row["event_id"] for row in history} <= ids


async def test_activities_become_the_event_that_they_are(api: Api) -> None:
    async with api.client(api.a) as client:
        contact = await create(client, "contacts", email="ann@example.com", last_name="Ann")
        cases = [
            ({"kind": "email"}, "email.sent"),
            ({"kind": "email", "direction": "inbound"}, "email.received"),
            ({"kind": "call", "duration_seconds": 60}, "call.completed"),
            ({"kind": "call", "due_at": "2027-01-01T10:00:00Z"}, "call.scheduled"),
            (
                {"kind": "call", "due_at": "2026-01-01T10:00:00Z", "completed_at": "2026-01-01T10:09:00Z"},
                "call.completed",
            ),
            ({"kind": "meeting", "due_at": "2027-01-01T10:00:00Z"}, "meeting.scheduled"),
            ({"kind": "meeting", "completed_at": "2026-01-01T10:00:00Z"}, "meeting.completed"),
            ({"kind": "task"}, "task.created"),
            ({"kind": "note", "body": "…"}, "note.created"),
            ({"kind": "form"}, "form.submitted"),
            ({"kind": "page_view"}, "page.viewed"),
            ({"kind": "proposal"}, "proposal.sent"),
            ({"kind": "proposal", "direction": "inbound"}, "proposal.replied"),
        ]
        for values, _ in cases:
            await create(
                client, "activities", contact_id=contact["id"], participants=[{"contact_id": contact["id"]}], **values
            )
        task = await create(client, "activities", kind="task", subject="Call back")
        done = await client.post(f"/api/v1/activities/{task['id']}/complete", json={})
        assert done.status_code == 200, done.text
        twice = await client.post(f"/api/v1/activities/{task['id']}/complete", json={})
        assert (twice.status_code, twice.json()["code"]) == (409, "activity_not_planned")
        timeline = (await client.get("/api/v1/activities", params={"contact_id": contact["id"]})).json()["data"]
        assert len(timeline) == len(cases)
        assert timeline[0]["participants"][0]["contact_id"] == contact["id"]
    told = [event.type for event in api.events() if event.subject_type == "activity"]
    assert told == [type_ for _, type_ in cases] + ["task.created", "task.completed"]


async def test_a_reference_that_is_missing_is_named(api: Api) -> None:
    async with api.client(api.a) as client:
        answer = await client.post("/api/v1/contacts", json={"account_id": api.a.customer_id})
        assert (answer.status_code, answer.json()["code"]) == (404, "reference_not_found")
        assert answer.json()["errors"][0]["field"] == "body.account_id"
    assert api.events() == []

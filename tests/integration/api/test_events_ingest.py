"""Events of other systems: they become the same rows, versions, history, audit and events as changes of people."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api.modules.events.schemas import EventResult
from bevyly.ids import derived_id
from tests.integration.api.conftest import Api
from tests.integration.api.ingest import BATCH, PATH, SINGLE, company, event, funnel, send, statuses
from tests.support.documents import document


async def test_a_funnel_arrives_in_any_order_with_its_history(api: Api) -> None:
    rows = funnel()
    async with api.client(api.a) as client:
        results = await send(client, *reversed(rows))
        assert statuses(results) == ["updated", "created", "updated", "created", "created", "created", "created"]
        ids = {result["entity"]["external_id"]: result["entity"]["id"] for result in results}
        deal = (await client.get(f"/api/v1/opportunities/{ids['O']}")).json()
        assert (deal["status"], deal["stage"], deal["version"]) == ("won", "won", 2)
        assert (deal["created_at"][:10], deal["closed_at"][:10]) == ("2026-01-05", "2026-01-20")
        assert (deal["account_id"], deal["lead_id"], deal["owner_id"]) == (ids["A"], ids["L"], None)
        history = (await client.get(f"/api/v1/opportunities/{ids['O']}/history")).json()["data"]
        stages = [row for row in history if row["field"] == "stage"]
        assert [(row["new_value"], row["valid_from"][:10], (row["valid_to"] or "")[:10]) for row in stages] == [
            ("proposal", "2026-01-05", "2026-01-20"),
            ("won", "2026-01-20", ""),
        ]
        lead = (await client.get(f"/api/v1/leads/{ids['L']}")).json()
        assert (lead["status"], lead["opportunity_id"]) == ("converted", ids["O"])
        call = (await client.get(f"/api/v1/activities/{ids['T']}")).json()
        assert (call["occurred_at"][:10], call["external_id"]) == ("2026-01-06", "T")
        assert call["participants"][0]["contact_id"] == ids["C"]
        assert (await client.get(f"/api/v1/accounts/{ids['A']}")).json()["domain"] == "steel.example"
    events = {told.id: told for told in api.events()}
    assert [told.type for told in events.values()] == [
        *("account.created", "contact.created", "lead.created", "opportunity.created"),
        *("opportunity.stage_changed", "lead.converted", "call.completed"),
    ]
    for result, sent in zip(results, reversed(rows), strict=True):
        (told,) = [events[id_] for id_ in result["event_ids"]]
        assert told.type == sent["type"]
        assert (told.source, told.causation_id) == ("crm", sent["id"])
        assert told.time == datetime.fromisoformat(sent["time"])
        assert (datetime.now(UTC) - told.recorded_time).total_seconds() < 60
    audit = api.sql("select count(*), min(occurred_at) from audit where customer_id = %s", api.a.customer_id)
    assert audit[0][0] == 7
    assert (datetime.now(UTC) - audit[0][1]).total_seconds() < 60


async def test_ids_are_derived_so_that_nobody_must_look_them_up(api: Api) -> None:
    async with api.client(api.a) as client:
        (result,) = await send(client, company())
    assert result["entity"]["id"] == derived_id(api.a.customer_id, "crm", "account", "A1")


async def test_sending_again_changes_nothing_and_says_what_was(api: Api) -> None:
    async with api.client(api.a) as client:
        first = await send(client, *funnel())
        before = {table: api.rows(table) for table in ("accounts", "opportunities", "opportunity_history", "audit")}
        told = len(api.events())
        again = await send(client, *funnel())
        assert statuses(again) == ["duplicate"] * 7
        assert [result["first_status"] for result in again] == [result["status"] for result in first]
        assert [result["event_ids"] for result in again] == [result["event_ids"] for result in first]
        twice = await send(
            client, company(7), company(7), event("a7", "account.created", account_id="A7", name="Other")
        )
        assert statuses(twice) == ["created", "duplicate", "id_reused"]
    assert {table: [row for row in api.rows(table) if row in rows] for table, rows in before.items()} == before
    assert len(api.events()) == told + 1


async def test_created_and_updated_change_what_differs_and_keep_the_rest(api: Api) -> None:
    async with api.client(api.a) as client:
        await send(client, company(industry="Steel", custom={"tier": "gold", "seats": 3}))
        results = await send(
            client,
            event("b", "account.created", account_id="A1", name="Company 1", city="Ulm"),
            event("c", "account.updated", account_id="A1", custom={"seats": 4}, tags=["VIP"]),
            event("d", "account.updated", account_id="A1", before={"city": "?"}, after={"city": "Ulm"}),
            event("e", "account.updated", account_id="never", name="x"),
        )
        assert statuses(results) == ["updated", "updated", "unchanged", "record_unknown"]
        account = (await client.get(f"/api/v1/accounts/{results[0]['entity']['id']}")).json()
    assert (account["version"], account["industry"], account["city"]) == (3, "Steel", "Ulm")
    assert account["custom"] == {"tier": "gold", "seats": 4}
    changes = [told.data["after"] for told in api.events() if told.type == "account.updated"]
    assert changes == [{"city": "Ulm"}, {"custom": {"tier": "gold", "seats": 4}, "tags": ["vip"]}]


async def test_older_state_never_overwrites_newer(api: Api) -> None:
    async with api.client(api.a) as client:
        results = await send(
            client,
            event("1", "account.created", "2026-03-01T00:00:00Z", account_id="A", name="March"),
            event("2", "account.updated", "2026-03-05T00:00:00Z", account_id="A", name="Fifth"),
        )
        (late,) = await send(
            client, event("3", "account.updated", "2026-03-04T00:00:00Z", account_id="A", name="Fourth")
        )
        assert (late["status"], late.get("event_ids", [])) == ("stale", [])
        path = f"/api/v1/accounts/{results[0]['entity']['id']}"
        assert (await client.patch(path, json={"name": "A person's"})).status_code == 200
        (behind,) = await send(
            client, event("4", "account.updated", "2026-03-06T00:00:00Z", account_id="A", name="Sixth")
        )
        assert behind["status"] == "stale"
        assert (await client.get(path)).json()["name"] == "A person's"
        (newer,) = await send(client, event("5", "account.updated", account_id="A", name="Now"))
        assert newer["status"] == "updated"
        (again,) = await send(
            client, event("4", "account.updated", "2026-03-06T00:00:00Z", account_id="A", name="Sixth")
        )
        assert (again["status"], again["first_status"]) == ("duplicate", "stale")
        assert (await client.delete(path)).status_code == 204
        (gone,) = await send(client, event("6", "account.updated", account_id="A", name="Back?"))
        assert gone["status"] == "stale"


async def test_deleting_needs_its_own_permission_and_leaves_a_tombstone(api: Api) -> None:
    delete = event("x", "account.deleted", "2026-03-02T00:00:00Z", account_id="A")
    create = event("1", "account.created", "2026-03-01T00:00:00Z", account_id="A", name="Acme")
    async with api.client(api.a, "member") as client:
        assert statuses(await send(client, create, delete)) == ["created", "delete_not_allowed"]
    async with api.client(api.a) as client:
        assert statuses(await send(client, delete)) == ["deleted"]
        assert (await client.get("/api/v1/accounts")).json()["data"] == []
        back = event("2", "account.created", "2026-03-03T00:00:00Z", account_id="A", name="Acme")
        assert statuses(await send(client, back)) == ["updated"]
        assert len((await client.get("/api/v1/accounts")).json()["data"]) == 1
        unseen = event("y", "lead.deleted", "2026-03-02T00:00:00Z", lead_id="L")
        assert statuses(await send(client, unseen)) == ["unchanged"]
        before = event("3", "lead.created", "2026-03-01T00:00:00Z", lead_id="L", company_name="x")
        assert statuses(await send(client, before)) == ["stale"]
    assert api.rows("leads") == []
    assert [told.type for told in api.events()] == ["account.created", "account.deleted", "account.restored"]


async def test_activities_are_told_of_again(api: Api) -> None:
    async with api.client(api.a) as client:
        results = await send(
            client,
            company(),
            event("m1", "meeting.scheduled", "2026-02-01T08:00:00Z", activity_id="M", due_at="2026-02-03T08:00:00Z"),
            event("m2", "meeting.scheduled", "2026-02-02T08:00:00Z", activity_id="M", due_at="2026-02-04T08:00:00Z"),
            event("m3", "meeting.completed", "2026-02-04T09:00:00Z", activity_id="M", duration_seconds=3600),
            event("m4", "meeting.completed", "2026-02-04T09:30:00Z", activity_id="M", duration_seconds=1800),
            event("e1", "email.sent", "2026-02-01T08:00:00Z", activity_id="E", account_id="A1", subject="Hello"),
            event("e2", "email.opened", "2026-02-01T09:00:00Z", activity_id="E"),
            event("e3", "email.clicked", "2026-02-01T09:01:00Z", activity_id="E"),
            event("e4", "call.completed", "2026-02-02T08:00:00Z", activity_id="E"),
            event("e5", "email.opened", "2026-02-02T08:00:00Z", activity_id="unseen", account_id="A1"),
            event("n", "note.created", "2026-02-02T08:00:00Z", activity_id="N", body="What we said", lead_id=None),
        )
        assert statuses(results) == [
            *("created", "created", "updated", "updated", "updated"),
            *("created", "updated", "updated", "invalid_event", "created", "created"),
        ]
        meeting = (await client.get(f"/api/v1/activities/{results[1]['entity']['id']}")).json()
        assert (meeting["completed_at"][:16], meeting["duration_seconds"]) == ("2026-02-04T09:00", 1800)
        calls = [
            event("c1", "call.scheduled", "2026-02-02T09:00:00Z", activity_id="C", due_at="2026-02-05T09:00:00Z"),
            event("c2", "call.completed", "2026-02-05T09:10:00Z", activity_id="C", duration_seconds=60),
            event("c3", "call.completed", "2026-02-05T09:10:00Z", activity_id="C", duration_seconds=90),
        ]
        assert statuses(await send(client, *calls)) == ["created", "updated", "updated"]
        assert (await client.get(f"/api/v1/activities/{results[10]['entity']['id']}")).json()["body"] == "What we said"
    told = [(told.type, told.sequence, told.data["direction"]) for told in api.events()[1:]]
    assert told == [
        ("meeting.scheduled", 1, "outbound"),
        ("email.sent", 1, "outbound"),
        ("email.opened", 2, "inbound"),
        ("email.clicked", 3, "inbound"),
        ("meeting.scheduled", 2, "outbound"),
        ("email.opened", 1, "inbound"),
        ("note.created", 1, "internal"),
        ("meeting.completed", 3, "outbound"),
        ("call.scheduled", 1, "outbound"),
        ("call.completed", 2, "outbound"),
    ]


async def test_owners_are_users_by_id_email_or_their_id_elsewhere(api: Api) -> None:
    member = api.a.users["member"]
    email = f"MEMBER@{api.a.customer_id}.example"
    api.sql("update users set external_id = '005' where customer_id = %s and id = %s", api.a.customer_id, member)
    stranger = api.b.users["owner"]
    async with api.client(api.a) as client:
        results = await send(
            client,
            *(company(number, owner_id=owner) for number, owner in enumerate((member, email, "005", "???", stranger))),
        )
        owners = [(await client.get(f"/api/v1/accounts/{one['entity']['id']}")).json()["owner_id"] for one in results]
        assert owners == [member, member, member, None, None]
        assert [len(one.get("warnings", [])) for one in results] == [0, 0, 0, 1, 1]
        await send(client, event("keep", "account.updated", account_id="A0", owner_id="???"))
        assert (await client.get(f"/api/v1/accounts/{results[0]['entity']['id']}")).json()["owner_id"] == member
        await send(client, event("drop", "account.updated", account_id="A0", owner_id=None))
        assert (await client.get(f"/api/v1/accounts/{results[0]['entity']['id']}")).json()["owner_id"] is None


async def test_two_tenants_and_two_sources_may_count_alike(api: Api) -> None:
    async with api.client(api.a) as ours, api.client(api.b) as theirs:
        (a,), (b,) = await send(ours, company()), await send(theirs, company())
        other = event("a1", "account.created", source="erp", account_id="A1", name="Other")
        (c,) = await send(ours, other)
        assert [one["status"] for one in (a, b, c)] == ["created"] * 3
        assert len({one["entity"]["id"] for one in (a, b, c)}) == 3
        assert (await ours.get(f"/api/v1/accounts/{c['entity']['id']}")).json()["external_id"] == "erp#A1"
        foreign = event("r", "contact.created", contact_id="C", account_id=b["entity"]["id"])
        missing = event("s", "contact.created", contact_id="C", account_id="nobody's")
        refusals = await send(ours, foreign, missing)
        assert statuses(refusals) == ["reference_not_found"] * 2
    assert len(api.rows("accounts")) == 2
    assert len(api.rows("accounts", api.b)) == 1


async def test_a_history_is_recorded_when_its_system_learned_of_it(api: Api) -> None:
    row = event("1", "account.created", "2025-05-01T08:00:00Z", account_id="A", name="Old")
    late = event("2", "email.sent", "2025-05-01T08:00:00Z", activity_id="E", account_id="A")
    async with api.client(api.a) as client:
        results = await send(
            client,
            row | {"recordedtime": "2025-05-02T08:00:00Z"},
            late | {"recordedtime": "2025-05-01T07:00:00Z"},
            late | {"recordedtime": "2199-01-01T00:00:00Z"},
        )
        assert statuses(results) == ["created", "invalid_event", "time_in_future"]
        assert results[1]["problem"]["errors"][0]["code"] == "before_time"
    (told,) = api.events()
    assert told.recorded_time == datetime(2025, 5, 2, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "code", "field"),
    [
        ("text", "invalid_event", ""),
        (None, "invalid_event", ""),
        ({}, "invalid_event", "specversion"),
        (company() | {"specversion": "0.3"}, "invalid_event", "specversion"),
        (company() | {"id": ""}, "invalid_event", "id"),
        (company() | {"id": 7}, "invalid_event", "id"),
        (company() | {"source": "x" * 256}, "invalid_event", "source"),
        (company() | {"source": "bevyly/api"}, "invalid_event", "source"),
        (company() | {"time": "yesterday"}, "invalid_event", "time"),
        (company() | {"time": "2026-01-01T00:00:00"}, "invalid_event", "time"),
        (company() | {"time": "2199-01-01T00:00:00Z"}, "time_in_future", "time"),
        (company() | {"data": []}, "invalid_event", "data"),
        (company() | {"datacontenttype": "text/xml"}, "invalid_event", "datacontenttype"),
        (company() | {"subject": "contact/A1"}, "invalid_event", "subject"),
        (company() | {"subject": "account/A2"}, "invalid_event", "subject"),
        (company() | {"type": "agent.make_call"}, "type_not_accepted", None),
        (company() | {"type": "nonsense"}, "type_not_accepted", None),
        (company(employee_count=-1), "invalid_event", "data.employee_count"),
        (company(annual_revenue_minor=5), "invalid", "body.currency"),
        (company(customer_id="x"), "invalid_event", "data.customer_id"),
        (company(external_id="x"), "invalid_event", "data.external_id"),
        (company(version=3), "invalid_event", "data.version"),
        (company(industry="a\x00b"), "invalid", None),
        (event("1", "account.created", account_id="A"), "invalid_event", "data.name"),
        (event("1", "account.created", name="A"), "invalid_event", "data.account_id"),
        (event("1", "account.created", account_id=5, name="A"), "invalid_event", "data.account_id"),
        (event("1", "account.created", account_id="A" * 256, name="A"), "invalid_event", "data.account_id"),
        (event("1", "opportunity.created", opportunity_id="O", name="x"), "invalid_event", "data.account_id"),
        (event("1", "opportunity.stage_changed", opportunity_id="O"), "invalid_event", "data.to_stage"),
        (
            event("1", "opportunity.stage_changed", opportunity_id="O", to_stage="won", status="open"),
            "invalid_event",
            "data.status",
        ),
        (event("1", "opportunity.stage_changed", opportunity_id="O", to_stage="maybe"), "invalid_event", "data.stage"),
        (event("1", "lead.created", lead_id="L", status="converted"), "invalid_event", "data.status"),
        (event("1", "lead.converted", lead_id="L"), "record_unknown", None),
        (event("1", "call.completed", activity_id="T", kind="email"), "invalid_event", "data.kind"),
        (event("1", "email.sent", activity_id="T", direction="inbound"), "invalid_event", "data.direction"),
        (
            event("1", "call.completed", activity_id="T", participants=[{"user_id": "x"}]),
            "invalid_event",
            "data.participants.0.user_id",
        ),
        (
            event("1", "call.completed", activity_id="T", participants=[{"contact_id": "C"}]),
            "reference_not_found",
            "data.participants.0.contact_id",
        ),
        (event("1", "account.updated", account_id="A", after=3), "invalid_event", "data.after"),
    ],
)  # fmt: skip
async def test_a_row_that_cannot_be_applied_says_why_and_leaves_the_others_alone(
    api: Api, row: Any, code: str, field: str | None
) -> None:
    async with api.client(api.a) as client:
        results = await send(client, company(8), row, company(9))
    assert statuses(results) == ["created", code, "created"]
    if field is not None:
        assert results[1]["problem"]["errors"][0]["field"] == field, results[1]
    if code == "type_not_accepted":
        assert "account.created" in results[1]["problem"]["accepted"]
    assert len(api.rows("accounts")) == 2
    assert len(api.rows("inbound_events")) == 2


async def test_a_row_that_fails_half_way_leaves_nothing_of_itself(api: Api) -> None:
    deal = event("o", "opportunity.created", opportunity_id="O", account_id="A1", name="Deal")
    bad = {"value_minor": 5, "expected_close_date": "2027-01-01"}
    async with api.client(api.a) as client:
        await send(client, company(), deal)
        results = await send(
            client,
            event("1", "opportunity.updated", opportunity_id="O", **bad),
            event("2", "opportunity.updated", opportunity_id="O", name="Renamed"),
            event("3", "account.updated", account_id="A1", annual_revenue_minor=5),
        )
        assert statuses(results) == ["invalid", "updated", "invalid"]
        found = (await client.get(f"/api/v1/opportunities/{results[1]['entity']['id']}")).json()
        history = (await client.get(f"/api/v1/opportunities/{found['id']}/history")).json()["data"]
    assert (found["version"], found["name"]) == (2, "Renamed")
    assert (found["value_minor"], found["expected_close_date"]) == (None, None)
    assert sorted(row["field"] for row in history) == ["expected_close_date", "stage", "value"]
    assert [told.type for told in api.events()] == ["account.created", "opportunity.created", "opportunity.updated"]
    assert api.sql("select count(*) from audit where customer_id = %s", api.a.customer_id) == [(3,)]
    assert api.sql("select version from accounts where customer_id = %s", api.a.customer_id) == [(1,)]


async def test_a_refused_row_may_come_again_when_what_it_lacked_is_there(api: Api) -> None:
    contact = event("c", "contact.created", contact_id="C", account_id="A1")
    async with api.client(api.a) as client:
        assert statuses(await send(client, contact)) == ["reference_not_found"]
        assert statuses(await send(client, contact, company())) == ["created", "created"]


async def test_a_single_event_is_answered_as_any_request(api: Api) -> None:
    async with api.client(api.a) as client:
        for headers, status in ((SINGLE, 201), ({}, 200)):
            answer = await client.post(PATH, json=company(), headers=headers)
            assert answer.status_code == status, answer.text
        assert answer.json()["status"] == "duplicate"
        cases = [
            (event("1", "nonsense"), 422, "type_not_accepted"),
            (company() | {"data": {"account_id": "A1", "name": "Other"}}, 409, "id_reused"),
            (event("1", "account.updated", account_id="never"), 404, "record_unknown"),
            (event("1", "contact.created", contact_id="C", account_id="never"), 404, "reference_not_found"),
        ]
        for sent, status, code in cases:
            answer = await client.post(PATH, json=sent, headers=SINGLE)
            assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
            assert answer.headers["content-type"] == "application/problem+json"
    async with api.client(api.a, "member") as client:
        answer = await client.post(PATH, json=event("1", "account.deleted", account_id="A1"))
        assert (answer.status_code, answer.json()["code"]) == (403, "delete_not_allowed")


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"{", "application/json", 422, "invalid"),
        (b"", "application/json", 422, "invalid"),
        (b"3", "application/json", 422, "invalid"),
        (b"\xff", BATCH["content-type"], 422, "invalid"),
        (b"{}", BATCH["content-type"], 422, "invalid"),
        (b"[]", SINGLE["content-type"], 422, "invalid"),
        (b"[" * 100_000 + b"]" * 100_000, BATCH["content-type"], 422, "invalid"),
        (b"[]", "text/plain", 415, "unsupported_media_type"),
        (b"[]", "application/cloudevents+xml", 415, "unsupported_media_type"),
        (b"[" + b",".join([b"{}"] * 1001) + b"]", BATCH["content-type"], 422, "too_many_events"),
        (b"[" + b" " * (4 * 1024 * 1024) + b"]", BATCH["content-type"], 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_no_batch_is_refused_as_a_whole(
    api: Api, body: bytes, content_type: str, status: int, code: str
) -> None:
    async with api.client(api.a) as client:
        answer = await client.post(PATH, content=body, headers={"content-type": content_type})
        assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
        empty = await client.post(PATH, content=b"[]", headers=BATCH)
        assert (empty.status_code, empty.json()) == (200, {"counts": {}, "results": []})


async def test_the_documented_examples_are_accepted(api: Api) -> None:
    content = document()["paths"][PATH]["post"]["requestBody"]["content"]
    async with api.client(api.a) as client:
        for media_type, described in content.items():
            answer = await client.post(PATH, json=described["example"], headers={"content-type": media_type})
            assert answer.status_code in (200, 201), answer.text
            for result in answer.json().get("results", [answer.json()]):
                assert EventResult.model_validate(result).status in ("created", "duplicate")

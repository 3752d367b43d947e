"""Every route that changes something tells exactly the events it should, each under its subject's new version."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from psycopg.types.json import Jsonb
from sqlalchemy.orm import Session

from bevyly.agents.content import content_hash
from bevyly.db.engine import make_engine
from bevyly.events.envelope import Event
from bevyly.events.reference import subject_of
from bevyly.ids import new_id
from tests.integration.api.conftest import Api
from tests.integration.api.seeds import recommendation
from tests.integration.api.walk import operations

SAFE = {"GET", "HEAD", "OPTIONS"}
MUTATING = {operation.name for operation in operations() if operation.method not in SAFE}

# Routes that rightly tell nothing, and why.
SILENT = {
    "POST /api/v1/intent/briefing/seen": "how far somebody has read changes no record",
    "POST /api/v1/auth/log-in": "coming in changes no record; the audit knows",
    "POST /api/v1/auth/refresh": "a session goes on; the audit knows of misuse",
    "POST /api/v1/auth/log-out": "a session ends; the audit knows",
    "DELETE /api/v1/auth/sessions/{session_id}": "a session ends; the audit knows",
    **dict.fromkeys(
        [
            f"POST /api/v1/auth/{name}"
            for name in (
                *("forgot-password", "reset-password", "change-password"),
                *("verify-email", "send-verification", "change-email", "confirm-email"),
            )
        ],
        "how somebody proves who they are is between them and us; the audit knows",
    ),
    **dict.fromkeys(
        (f"POST /api/v1/{kind}/batch" for kind in ("accounts", "contacts", "leads", "opportunities", "activities")),
        "each row tells what a single call tells: test_batch.py",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/imports",
            "PUT /api/v1/imports/{import_id}/mapping",
            *(f"POST /api/v1/imports/{{import_id}}/{step}" for step in ("start", "cancel", "revert")),
        ),
        "the worker tells of progress, and of each record: test_imports.py",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/privacy/requests",
            *(f"POST /api/v1/privacy/requests/{{request_id}}/{step}" for step in ("confirm", "cancel")),
        ),
        "what somebody asks for is between them and the tenant; the worker tells of an erasure: test_privacy.py",
    ),
    "POST /api/v1/intent/models/{model_id}/promote": "the refresh that it asks for is told: test_models.py",
    "POST /api/v1/intent/scores/{score_id}/reproduce": "nothing is another than before",
    "POST /api/v1/agents/runs/{run_id}/cancel": "what did not begin is no event; the audit knows",
    **dict.fromkeys(
        ("POST /api/v1/approval-policies", "DELETE /api/v1/approval-policies/{policy_id}"),
        "what needs whose approval is between them and us; the audit knows",
    ),
    "POST /api/v1/privacy/purge": "that it was deleted was told then; the audit knows",
    "POST /api/v1/duplicates/dismiss": "what is not the same stays what it was; the audit knows",
    **dict.fromkeys(
        (
            "POST /api/v1/pipelines",
            "PATCH /api/v1/pipelines/{pipeline_id}",
            "DELETE /api/v1/pipelines/{pipeline_id}",
            "POST /api/v1/pipelines/{pipeline_id}/stages",
            "PATCH /api/v1/pipelines/{pipeline_id}/stages/{stage_id}",
            "POST /api/v1/pipelines/{pipeline_id}/reorder",
        ),
        "which stages there are is no event; what becomes of deals is, and the audit knows the rest",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/invitations",
            "POST /api/v1/invitations/{invitation_id}/resend",
            "DELETE /api/v1/invitations/{invitation_id}",
        ),
        "who is invited is no event; who comes is",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/custom-fields",
            "PATCH /api/v1/custom-fields/{field_id}",
            "DELETE /api/v1/custom-fields/{field_id}",
        ),
        "which fields there are is no event; the audit knows",
    ),
    **dict.fromkeys(
        (f"PUT /api/v1/agents/{agent}" for agent in ("lead_source", "enrichment", "email", "voice")),
        "how an agent is configured is no event; what it is asked to do is",
    ),
    "POST /api/v1/approvals/{approval_id}/edit": "only what is decided is told, with the hash; the audit knows",
    **dict.fromkeys(
        (
            "POST /api/v1/sequences",
            "PATCH /api/v1/sequences/{sequence_id}",
            "DELETE /api/v1/sequences/{sequence_id}",
            "POST /api/v1/sequences/{sequence_id}/restore",
            "PATCH /api/v1/mailboxes/{user_id}",
            "POST /api/v1/suppressions",
            "DELETE /api/v1/suppressions/{suppression_id}",
            "POST /api/v1/unsubscribe/{token}",
            "POST /api/v1/enrolments/{enrolment_id}/pause",
            "POST /api/v1/enrolments/{enrolment_id}/resume",
        ),
        "what is planned is no event; who begins, stops or ends is, and the audit knows the rest",
    ),
    "PATCH /api/v1/settings": "how a tenant wants to be served is no event; the audit knows",
    **dict.fromkeys(
        ("POST /api/v1/teams", "PATCH /api/v1/teams/{team_id}", "DELETE /api/v1/teams/{team_id}"),
        "who works with whom is no event; the audit knows",
    ),
    **dict.fromkeys(
        (
            "POST /api/v1/webhooks",
            "PATCH /api/v1/webhooks/{endpoint_id}",
            "DELETE /api/v1/webhooks/{endpoint_id}",
            "POST /api/v1/webhooks/{endpoint_id}/rotate-secret",
            "POST /api/v1/webhooks/{endpoint_id}/enable",
            "POST /api/v1/webhooks/{endpoint_id}/test",
            "POST /api/v1/webhooks/{endpoint_id}/replay",
            "POST /api/v1/webhooks/{endpoint_id}/deliveries/{delivery_id}/replay",
        ),
        "where events are sent is no event; the audit knows, and what was switched off for failing is told",
    ),
}


@dataclass
class World:
    """A tenant with one record of each kind, made over HTTP."""

    api: Api
    client: httpx.AsyncClient
    ids: dict[str, str] = field(
        default_factory=lambda: {
            f"{name}_id": new_id() for name in ("other", "merge", "approval", "sequence", "enrolment")
        }
    )

    async def make(self, path: str, key: str, **values: Any) -> str:
        answer = await self.client.post(f"/api/v1/{path}", json=values)
        assert answer.status_code == 201, answer.text
        self.ids[key] = answer.json()["id"]
        return self.ids[key]

    async def populate(self) -> None:
        account = await self.make("accounts", "account_id", name="Acme", domain="acme.example")
        contact = await self.make("contacts", "contact_id", account_id=account, email="ann@acme.example")
        await self.make("leads", "lead_id", company_name="Acme", contact_email="bo@acme.example")
        await self.make("opportunities", "opportunity_id", name="Deal", account_id=account)
        people = [{"contact_id": contact, "role": "buyer"}]
        await self.make("activities", "activity_id", kind="meeting", due_at="2199-01-01T00:00:00Z", participants=people)
        await self.make("api-keys", "key_id", name="Sync", scopes=["accounts:read"])
        self.ids["recommendation_id"] = self._advice()
        pipeline = (await self.client.get("/api/v1/pipelines")).json()["data"][0]
        stages = {stage["key"]: stage["id"] for stage in pipeline["stages"]}
        self.ids |= {"pipeline_id": pipeline["id"], "stage_id": stages["prospecting"], "next_id": stages["proposal"]}
        self.ids |= {"signal_type": "going_dark"}
        self.ids |= {"user_id": self.api.a.users["member"], "owner_id": self.api.a.users["owner"]}

    async def disable(self) -> None:
        answer = await self.client.post(f"/api/v1/users/{self.ids['user_id']}/disable", json={})
        assert answer.status_code == 200, answer.text

    async def delete(self, kind: str) -> None:
        path = {"account": "accounts", "contact": "contacts", "lead": "leads", "activity": "activities"}
        record = self.ids[f"{kind}_id"]
        answer = await self.client.delete(f"/api/v1/{path.get(kind, 'opportunities')}/{record}")
        assert answer.status_code == 204, answer.text

    def _advice(self) -> str:
        row = recommendation(self.api.a.customer_id, self.ids["lead_id"])
        engine = make_engine(self.api.database.pipeline_url, pool_size=1)
        with Session(engine) as session, session.begin():
            session.add(row)
            made = row.id
        engine.dispose()
        return made


Told = list[tuple[str, int]]
Check = Callable[[World, list[Event]], None]


@dataclass(frozen=True)
class Case:
    """One call and what it tells, as (type, sequence)."""

    route: str
    told: Told
    body: dict[str, Any] | None = None
    before: Callable[[World], Awaitable[None]] | None = None
    expect: dict[str, Any] = field(default_factory=dict)
    """What the data of the last event holds, beside other things; names of ids stand for their values."""

    @property
    def label(self) -> str:
        return f"{self.route} {self.body or ''}".strip()


def deleted(kind: str) -> Callable[[World], Awaitable[None]]:
    async def prepare(world: World) -> None:
        await world.delete(kind)

    return prepare


async def tagged(world: World) -> None:
    answer = await world.client.patch(f"/api/v1/contacts/{world.ids['contact_id']}", json={"tags": ["old", "vip"]})
    assert answer.status_code == 200, answer.text


def another(kind: str, *, merged: bool = False) -> Callable[[World], Awaitable[None]]:
    """Another record of this kind, merged into the first one on request."""

    async def prepare(world: World) -> None:
        values = {"account": {"name": "Other"}, "contact": {"last_name": "Other"}, "lead": {"company_name": "Other"}}
        await world.make(f"{kind}s", "other_id", **values[kind])
        if merged:
            path = f"/api/v1/{kind}s/{world.ids[f'{kind}_id']}/merge"
            answer = await world.client.post(path, json={"other_ids": [world.ids["other_id"]]})
            world.ids["merge_id"] = answer.json()["merge_id"]

    return prepare


def merges(kind: str) -> list[Case]:
    """A merge and one that is taken back, as each kind that can be merged has them."""
    one = f"/api/v1/{kind}s/{{{kind}_id}}"
    gone = {f"{kind}_id": "other_id", "merged_into": f"{kind}_id"}
    back = {f"{kind}_id": "other_id"}
    done, undone = [(f"{kind}.merged", 2), (f"{kind}.deleted", 2)], [(f"{kind}.unmerged", 3), (f"{kind}.restored", 3)]
    return [
        Case(f"POST {one}/merge", done, {"other_ids": ["other_id"]}, before=another(kind), expect=gone),
        Case(f"POST {one}/unmerge", undone, {"merge_id": "merge_id"}, before=another(kind, merged=True), expect=back),
    ]


async def a_task_done(world: World) -> None:
    task = await world.make("activities", "activity_id", kind="task")
    answer = await world.client.post(f"/api/v1/activities/{task}/complete", json={})
    assert answer.status_code == 200, answer.text


def record(
    plural: str, kind: str, *, create: dict[str, Any], change: dict[str, Any], named: dict[str, Any]
) -> list[Case]:
    """The four cases that every kind of record has."""
    path, one = f"/api/v1/{plural}", f"/api/v1/{plural}/{{{kind}_id}}"
    itself = {f"{kind}_id": f"{kind}_id"}
    return [
        Case(f"POST {path}", [(f"{kind}.created", 1)], create),
        Case(f"PATCH {one}", [(f"{kind}.updated", 2)], change, expect=itself | {"after": change}),
        Case(f"DELETE {one}", [(f"{kind}.deleted", 2)], expect=itself | named),
        Case(f"POST {one}/restore", [(f"{kind}.restored", 3)], before=deleted(kind), expect=itself | named),
    ]


async def disabled(world: World) -> None:
    await world.disable()


async def owned(world: World) -> None:
    body = {"owner_id": world.ids["user_id"]}
    assert (await world.client.patch(f"/api/v1/leads/{world.ids['lead_id']}", json=body)).status_code == 200


async def switched_on(world: World) -> None:
    """Every agent works, on behalf of the owner."""
    for agent in ("lead_source", "enrichment", "email", "voice"):
        body = {"enabled": True, "sponsor_id": world.ids["owner_id"]}
        answer = await world.client.put(f"/api/v1/agents/{agent}", json=body)
        assert answer.status_code == 200, answer.text


def asks(agent: str, event: str, body: dict[str, Any], expect: dict[str, Any]) -> Case:
    """An agent that is asked to work."""
    path = f"POST /api/v1/agents/{agent}/runs"
    return Case(path, [(event, 1)], body, before=switched_on, expect=expect | {"requested_by": "owner_id"})


async def waiting(world: World) -> None:
    """An email that waits for an approval."""
    world.ids["approval_id"], content = new_id(), {"command": "agent.draft_email", "purpose": "Hello"}
    world.api.sql(
        "insert into approval_items (customer_id, id, item_type, content, content_hash) "
        "values (%s, %s, 'email', %s, %s)",
        world.api.a.customer_id,
        world.ids["approval_id"],
        Jsonb(content),
        HASH,
    )


HASH = content_hash({"command": "agent.draft_email", "purpose": "Hello"})
DECIDED = {"approval_id": "approval_id", "item_type": "email", "content_hash": HASH, "user_id": "owner_id"}


async def sequence(world: World) -> None:
    steps = [{"kind": "task", "subject": "Call", "wait_days": 1}]
    made = await world.make("sequences", "sequence_id", name="Outbound", steps=steps)
    assert (await world.client.patch(f"/api/v1/sequences/{made}", json={"status": "active"})).status_code == 200


async def enrolled(world: World) -> None:
    await sequence(world)
    body = {"people": [{"contact_id": world.ids["contact_id"]}]}
    answer = await world.client.post(f"/api/v1/sequences/{world.ids['sequence_id']}/enrolments", json=body)
    world.ids["enrolment_id"] = answer.json()["results"][0]["id"]


ANSWER = "/api/v1/intent/recommendations/{recommendation_id}"
ADVICE = {
    "recommendation_id": "recommendation_id",
    "entity_type": "lead",
    "entity_id": "lead_id",
    "action_type": "call",
}
CASES = [
    *record("accounts", "account", create={"name": "x"}, change={"name": "y"}, named={"domain": "acme.example"}),
    *record("contacts", "contact", create={}, change={"title": "y"}, named={"email": "ann@acme.example"}),
    *record("leads", "lead", create={"company_name": "x"}, change={"source": "fair"}, named={"company_name": "Acme"}),
    *record(
        "opportunities",
        "opportunity",
        create={"name": "x", "account_id": "account_id"},
        change={"name": "y"},
        named={"name": "Deal", "stage": "prospecting", "status": "open"},
    ),
    Case(
        "PATCH /api/v1/opportunities/{opportunity_id}",
        [("opportunity.stage_changed", 2)],
        {"stage": "won"},
        expect={"from_stage": "prospecting", "to_stage": "won", "status": "won"},
    ),
    Case(
        "PATCH /api/v1/opportunities/{opportunity_id}",
        [("opportunity.stage_changed", 2), ("opportunity.updated", 3)],
        {"stage": "proposal", "name": "Bigger deal"},
        expect={"before": {"name": "Deal"}, "after": {"name": "Bigger deal"}},
    ),
    Case("POST /api/v1/leads/{lead_id}/convert", [("contact.created", 1), ("lead.converted", 2)], {}),
    Case(
        "POST /api/v1/leads/{lead_id}/convert",
        [("contact.created", 1), ("opportunity.created", 1), ("lead.converted", 2)],
        {"opportunity": {"name": "Deal"}},
        expect={"lead_id": "lead_id", "account_id": "account_id"},
    ),
    *merges("account"),
    *merges("contact"),
    *merges("lead"),
    Case("POST /api/v1/activities", [("note.created", 1)], {"kind": "note"}),
    Case(
        "POST /api/v1/activities/{activity_id}/complete",
        [("meeting.completed", 2)],
        {},
        expect={
            "activity_id": "activity_id",
            "participants": [{"contact_id": "contact_id", "email": None, "role": "buyer"}],
        },
    ),
    Case(
        "PATCH /api/v1/activities/{activity_id}",
        [("activity.updated", 2)],
        {"subject": "Moved", "body": "for our eyes", "due_at": "2199-01-02T00:00:00Z", "participants": []},
        expect={
            "activity_id": "activity_id",
            "kind": "meeting",
            "changed": ["body", "due_at", "participants", "subject"],
            "before": {
                "subject": None,
                "due_at": "2199-01-01T00:00:00+00:00",
                "participants": [{"contact_id": "contact_id", "email": None, "role": "buyer"}],
            },
            "after": {"subject": "Moved", "due_at": "2199-01-02T00:00:00+00:00", "participants": []},
        },
    ),
    Case(
        "POST /api/v1/activities/{activity_id}/reopen",
        [("activity.updated", 3)],
        before=a_task_done,
        expect={"kind": "task", "changed": ["completed_at"], "after": {"completed_at": None}},
    ),
    Case(
        "DELETE /api/v1/activities/{activity_id}",
        [("activity.deleted", 2)],
        expect={"activity_id": "activity_id", "kind": "meeting", "direction": "outbound"},
    ),
    Case(
        "POST /api/v1/activities/{activity_id}/restore",
        [("activity.restored", 3)],
        before=deleted("activity"),
        expect={"kind": "meeting", "participants": [{"contact_id": "contact_id", "email": None, "role": "buyer"}]},
    ),
    asks("lead_source", "agent.source_leads", {"criteria": {"x": 1}}, {"criteria": {"x": 1}, "limit": 50}),
    asks("enrichment", "agent.enrich_account", {"account_id": "account_id"}, {"account_id": "account_id"}),
    asks("email", "agent.draft_email", {"contact_id": "contact_id", "purpose": "Hi"}, {"purpose": "Hi"}),
    asks("voice", "agent.make_call", {"lead_id": "lead_id"}, {"lead_id": "lead_id"}),
    Case(
        "POST /api/v1/approvals/{approval_id}/approve",
        [("approval.approved", 2)],
        {"content_hash": HASH},
        before=waiting,
        expect=DECIDED,
    ),
    Case(
        "POST /api/v1/approvals/{approval_id}/reject",
        [("approval.rejected", 2)],
        {"reason": "Not now"},
        before=waiting,
        expect=DECIDED | {"reason": "Not now"},
    ),
    Case("POST /api/v1/intent/briefing/refresh", [("briefing.refresh_requested", 1)], {"reason": "monday"}),
    Case(
        "PATCH /api/v1/intent/detectors/{signal_type}",
        [("briefing.refresh_requested", 1)],
        {"muted": True},
        expect={"reason": "a detector was muted or is heard again"},
    ),
    Case(f"POST {ANSWER}/accept", [("recommendation.accepted", 2)], {}, expect=ADVICE),
    Case(f"POST {ANSWER}/dismiss", [("recommendation.dismissed", 2)], {"reason": "no_budget"}, expect=ADVICE),
    Case(f"POST {ANSWER}/complete", [("recommendation.completed", 2)], {}, expect=ADVICE),
    Case(
        f"POST {ANSWER}/snooze",
        [("recommendation.snoozed", 2)],
        {"until": "2199-01-01T00:00:00Z"},
        expect=ADVICE | {"snoozed_until": "2199-01-01T00:00:00+00:00"},
    ),
    Case(
        "POST /api/v1/api-keys",
        [("api_key.created", 1)],
        {"name": "x", "scopes": ["leads:read"]},
        expect={"name": "x", "scopes": ["leads:read"]},
    ),
    Case(
        "POST /api/v1/events",
        [("lead.created", 1)],
        {
            "specversion": "1.0",
            "id": "1",
            "source": "crm",
            "type": "lead.created",
            "data": {"lead_id": "L-1", "company_name": "x"},
        },
        expect={"company_name": "x", "status": "new"},
    ),
    Case(
        "POST /api/v1/api-keys/{key_id}/rotate",
        [("api_key.created", 1), ("api_key.revoked", 2)],
        {"overlap_hours": 0},
        expect={"api_key_id": "key_id", "name": "Sync"},
    ),
    Case(
        "POST /api/v1/tags/rename",
        [("contact.updated", 3)],
        {"tag": "old", "to": "new"},
        before=tagged,
        expect={"contact_id": "contact_id", "after": {"tags": ["new", "vip"]}},
    ),
    Case(
        "POST /api/v1/tags/delete",
        [("contact.updated", 3)],
        {"tag": "old"},
        before=tagged,
        expect={"contact_id": "contact_id", "after": {"tags": ["vip"]}},
    ),
    Case(
        "PATCH /api/v1/me",
        [("user.updated", 2)],
        {"name": "Kim", "locale": "de-DE"},
        expect={"before": {"name": "Owner"}, "after": {"name": "Kim"}},
    ),
    Case(
        "PATCH /api/v1/users/{user_id}",
        [("user.updated", 2)],
        {"role": "viewer"},
        expect={"user_id": "user_id", "before": {"role": "member"}, "after": {"role": "viewer"}},
    ),
    Case("POST /api/v1/users/{user_id}/disable", [("user.disabled", 2)], {}, expect={"user_id": "user_id"}),
    Case(
        "POST /api/v1/users/{user_id}/disable",
        [("user.disabled", 2), ("lead.updated", 3)],
        {"transfer_to": "owner_id"},
        before=owned,
        expect={"lead_id": "lead_id", "before": {"owner_id": "user_id"}, "after": {"owner_id": "owner_id"}},
    ),
    Case("POST /api/v1/users/{user_id}/enable", [("user.enabled", 3)], before=disabled, expect={"user_id": "user_id"}),
    Case(
        "POST /api/v1/users/{user_id}/transfer",
        [("lead.updated", 3)],
        {"transfer_to": "owner_id"},
        before=owned,
        expect={"lead_id": "lead_id", "after": {"owner_id": "owner_id"}},
    ),
    Case(
        "POST /api/v1/pipelines/{pipeline_id}/stages/{stage_id}/archive",
        [("opportunity.stage_changed", 2)],
        {"move_to": "next_id"},
        expect={"from_stage": "prospecting", "to_stage": "proposal", "status": "open"},
    ),
    Case(
        "POST /api/v1/sequences/{sequence_id}/enrolments",
        [("sequence.enrolled", 1)],
        {"people": [{"contact_id": "contact_id"}]},
        before=sequence,
        expect={"contact_id": "contact_id", "sender_id": "owner_id"},
    ),
    Case(
        "POST /api/v1/enrolments/{enrolment_id}/stop",
        [("sequence.stopped", 2)],
        before=enrolled,
        expect={"enrolment_id": "enrolment_id", "contact_id": "contact_id", "reason": "manual"},
    ),
    Case("DELETE /api/v1/api-keys/{key_id}", [("api_key.revoked", 2)], expect={"api_key_id": "key_id", "name": "Sync"}),
]


def filled(value: Any, ids: dict[str, str]) -> Any:
    """`value` with names of ids replaced by what they stand for."""
    if isinstance(value, dict):
        return {name: filled(one, ids) for name, one in value.items()}
    if isinstance(value, list):
        return [filled(one, ids) for one in value]
    return ids.get(value, value) if isinstance(value, str) else value


def test_every_route_that_changes_something_is_here() -> None:
    covered = {case.route for case in CASES} | {"POST /api/v1/auth/sign-up", "POST /api/v1/invitations/accept"}
    assert covered | SILENT.keys() == MUTATING, "say what a new route tells, or why it tells nothing"
    assert not covered & SILENT.keys()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.label)
async def test_a_change_tells_exactly_this(api: Api, case: Case) -> None:
    async with api.client(api.a) as client:
        world = World(api, client)
        await world.populate()
        if case.before is not None:
            await case.before(world)
        known = {event.id for event in api.events()}
        method, path = filled(case.route, world.ids).split(" ")
        answer = await client.request(method, path.format(**world.ids), json=filled(case.body, world.ids))
    assert answer.status_code < 300, answer.text
    told = [event for event in api.events() if event.id not in known]
    assert [(event.type, event.sequence) for event in told] == case.told
    expected = filled(case.expect, world.ids)
    assert {name: told[-1].data.get(name) for name in expected} == expected
    if "etag" in answer.headers:
        assert answer.headers["etag"] == f'"{told[-1].sequence}"'
    assert {event.correlation_id for event in told} == {answer.headers["x-request-id"]}
    assert api.events(api.b) == []
    versions_grow(api.events())


def versions_grow(events: list[Event]) -> None:
    """No subject is told twice under one version, nor an older one after a newer."""
    versions = defaultdict(list)
    for event in events:
        versions[event.subject].append(event.sequence)
    assert {subject: found for subject, found in versions.items() if found != sorted(set(found))} == {}
    assert all(found[0] >= 1 for found in versions.values())
    assert [event.type for event in events if event.subject_type != subject_of(event.type)] == []


@pytest.mark.parametrize("case", [case for case in CASES if "_id}" in case.route], ids=lambda case: case.label)
async def test_a_change_that_is_refused_tells_nothing(api: Api, case: Case) -> None:
    async with api.client(api.a) as client:
        world = World(api, client)
        await world.populate()
    method, path = case.route.split(" ")
    async with api.client(api.b) as client:
        body = filled(case.body, world.ids)
        answer = await client.request(method, path.format(**world.ids), json=body)
    assert answer.status_code == 404, answer.text
    assert api.events(api.b) == []


async def test_the_same_values_again_tell_nothing(api: Api) -> None:
    async with api.client(api.a) as client:
        world = World(api, client)
        await world.populate()
        known = len(api.events())
        path = f"/api/v1/accounts/{world.ids['account_id']}"
        assert (await client.patch(path, json={"name": "Acme"})).headers["etag"] == '"1"'
        await client.delete(f"/api/v1/api-keys/{world.ids['key_id']}")
        await client.delete(f"/api/v1/api-keys/{world.ids['key_id']}")
    assert [event.type for event in api.events()[known:]] == ["api_key.revoked"]


async def test_a_sign_up_tells_of_its_first_user(api: Api) -> None:
    email = f"kim@{api.a.customer_id}.example"
    body = {"company": "New", "name": "Kim", "email": email.upper(), "password": "long enough to pass"}
    async with api.client() as client:
        answer = await client.post("/api/v1/auth/sign-up", json=body)
        assert answer.status_code == 201, answer.text
    tenant, user_id = api.sql("select customer_id, id from users where email = %s", email)[0]
    (row,) = api.sql("select envelope from outbox where customer_id = %s", tenant)
    event = Event.from_json(row[0])
    assert (event.type, event.subject, event.sequence) == ("user.created", f"user/{user_id}", 1)
    assert event.data == {"user_id": user_id, "email": email, "name": "Kim", "role": "owner"}
    assert answer.json()["access_token"] not in row[0]


@pytest.mark.parametrize("path", ["auth/log-in", "auth/refresh", "auth/log-out"])
async def test_sessions_tell_nothing(api: Api, path: str) -> None:
    email, password = f"{path[-3:]}@{api.b.customer_id}.example", "long enough to pass"
    async with api.client() as client:
        tokens = (
            await client.post("/api/v1/auth/sign-up", json={"company": "x", "email": email, "password": password})
        ).json()
        bodies = {
            "auth/log-in": {"email": email, "password": password},
            "auth/refresh": {"refresh_token": tokens["refresh_token"]},
            "auth/log-out": {"refresh_token": tokens["refresh_token"]},
        }
        headers = {"authorization": f"Bearer {tokens['access_token']}"}
        answer = await client.post(f"/api/v1/{path}", json=bodies[path], headers=headers)
        assert answer.status_code < 300, answer.text
    (count,) = api.sql(
        "select count(*) from outbox where customer_id = (select customer_id from users where email = %s)", email
    )
    assert count == (1,), "the sign-up alone"


async def test_settings_of_webhooks_tell_nothing(api: Api) -> None:
    async with api.client(api.a) as client:
        body = {"url": "https://93.184.215.14/hook", "event_types": ["opportunity.*"]}
        made = await client.post("/api/v1/webhooks", json=body)
        assert made.status_code == 201, made.text
        one = f"/api/v1/webhooks/{made.json()['id']}"
        sent = await client.post(f"{one}/test")
        calls = [
            ("PATCH", one, {"description": "y"}),
            ("POST", f"{one}/rotate-secret", None),
            ("POST", f"{one}/enable", None),
            ("POST", f"{one}/replay", {}),
            ("POST", f"{one}/deliveries/{sent.json()['id']}/replay", None),
            ("DELETE", one, None),
        ]
        for method, path, changes in calls:
            answer = await client.request(method, path, json=changes)
            assert answer.status_code < 300, (path, answer.text)
    assert api.events() == []

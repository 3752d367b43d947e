"""Calls that change something, each with the events that it tells, and the tenant that they are made in."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
from psycopg.types.json import Jsonb
from sqlalchemy.orm import Session

from bevyly.agents.content import content_hash
from bevyly.db.engine import make_engine
from bevyly.events.envelope import Event
from bevyly.ids import new_id
from tests.integration.api.conftest import Api
from tests.integration.api.seeds import recommendation


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

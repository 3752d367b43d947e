"""A small team whose days are random: rows as the API writes them, and the events that tell of each change.

Two tenants with equal worlds. Belongs here: what happens. What must follow from it is for tests to say.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
import psycopg

from bevyly.clock import FixedClock
from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id
from models.ranking.catalogue import BY_TYPE
from pipelines.repositories.announcements import SOURCE
from tests.support.event_streams import NOW

Connection = psycopg.Connection[Any]
BEFORE = NOW - timedelta(hours=2)
MEMBERS, ACCOUNTS, DEALS, LEADS = 3, 3, 8, 4
_SIGNALS = {"going_dark": "-", "deal_stalled": "-", "no_next_step": "-", "high_intent_action": "+", "lead_ready": "+"}
_ACTIONS = ("call", "draft_email", "book_meeting", "set_next_step", "correct_close_date", "correct_amount",
            "close_lost", "add_contact")  # fmt: skip
_OF_LEADS = ("call", "draft_email", "convert_or_create_opportunity")
_BASELINE = dict.fromkeys(
    ("calls_total", "emails_sent", "meetings_total", "has_next_step", "contacts_total", "contacts_engaged_30d"), 0.0
)


@dataclass
class World:
    """One tenant; `connection` is the owner's, in autocommit."""

    connection: Connection
    customer_id: str
    seed: random.Random
    users: list[str] = field(default_factory=list)
    accounts: list[str] = field(default_factory=list)
    deals: list[str] = field(default_factory=list)
    leads: list[str] = field(default_factory=list)
    sequence: int = 1

    def execute(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """A statement whose first parameter is the tenant; its rows."""
        cursor = self.connection.execute(statement.encode(), (self.customer_id, *values))
        return cursor.fetchall() if cursor.description else []

    def event(self, type_: str, subject: tuple[str, str], data: dict[str, Any], *, source: str = "bevyly/api") -> Event:
        """An event of now."""
        self.sequence += 1
        return new_event(
            type_, tenant_id=self.customer_id, subject=subject, sequence=self.sequence, data=data,
            clock=FixedClock(NOW), source=source,
        )  # fmt: skip

    def furnish(self) -> None:
        """People, accounts, deals and leads with findings and recommendations, as a refresh two hours ago left them."""
        roles = ("owner", "admin", *["member"] * MEMBERS)
        self.users = [self.add_user(role) for role in roles]
        self.accounts = [self.add_account() for _ in range(ACCOUNTS)]
        self.deals = [self.add_deal() for _ in range(DEALS)]
        self.leads = [self.add_lead() for _ in range(LEADS)]
        for rank, (kind, entity) in enumerate(
            [("opportunity", deal) for deal in self.deals * 2] + [("lead", lead) for lead in self.leads], start=1
        ):
            self.add_signal(kind, entity)
            self.add_item(kind, entity, rank)

    def add_user(self, role: str) -> str:
        """Somebody who may see all, or their own."""
        user = new_id()
        self.execute("insert into users (customer_id, id, email, role, attention_budget) values (%s, %s, %s, %s, %s)",
                     user, f"{user}@team.example", role, self.seed.choice([None, 2, 4]))  # fmt: skip
        return user

    def add_account(self) -> str:
        """A company."""
        account = new_id()
        self.execute("insert into accounts (customer_id, id, name, owner_id) values (%s, %s, %s, %s)", account,
                     f"Company {account[-4:]}", self.anybody())  # fmt: skip
        return account

    def add_deal(self, lead: str | None = None) -> str:
        """An open deal."""
        deal = new_id()
        value = self.seed.choice([None, 100, 900])
        self.execute(
            "insert into opportunities (customer_id, id, account_id, lead_id, name, stage, value, currency,"
            " expected_close_date, stage_entered_at, owner_id)"
            " values (%s, %s, %s, %s, %s, 'proposal', %s, 'EUR', %s, %s, %s)",
            deal, self.seed.choice(self.accounts), lead, f"Deal {deal[-4:]}", value, NOW.date(), BEFORE, self.anybody(),
        )  # fmt: skip
        return deal

    def add_lead(self) -> str:
        """An undecided lead."""
        lead = new_id()
        self.execute(
            "insert into leads (customer_id, id, company_name, account_id, status, owner_id)"
            " values (%s, %s, %s, %s, 'working', %s)",
            lead, f"Lead {lead[-4:]}", self.seed.choice([None, *self.accounts]), self.anybody(),
        )  # fmt: skip
        return lead

    def add_signal(self, kind: str, entity: str) -> tuple[str, str]:
        """Something found on an entity, now open whether it was before; its id and type."""
        found = self.seed.choice(list(_SIGNALS))
        [(signal,)] = self.execute(
            "insert into signals (customer_id, id, entity_type, entity_id, signal_type, polarity, severity, strength,"
            " title, data, evidence, dedupe_key, detector_version, found_by, first_seen_at, last_seen_at)"
            " values (%s, %s, %s, %s, %s, %s, 'high', %s, %s, '{}', '[]', %s, '1', 'batch', %s, %s)"
            " on conflict (customer_id, dedupe_key) do update set closed_at = null, close_reason = null returning id",
            new_id(), kind, entity, found, _SIGNALS[found], self.seed.choice([1.0, 2.0]), f"Seen: {found}",
            f"{found}:{entity}", BEFORE, BEFORE,
        )  # fmt: skip
        return str(signal), found

    def add_item(self, kind: str, entity: str, rank: int, *, action: str | None = None) -> None:
        """A pending recommendation of `action`, of any by default, unless there is one."""
        chosen = BY_TYPE[action or self.seed.choice(_OF_LEADS if kind == "lead" else _ACTIONS)]
        payload = {
            "type": chosen.action_type,
            "from": NOW.date().isoformat(),
            "baseline": {name: _BASELINE.get(name) for name in chosen.counters},
        }
        table = "leads" if kind == "lead" else "opportunities"
        self.connection.execute(
            (
                "insert into recommendations (customer_id, id, owner_id, entity_type, entity_id, action_type, payload,"
                " priority, title, rationale, reasons, evidence, urgency, expected_value_minor,"
                " expected_value_low_minor, expected_value_high_minor, currency, basis, rank, expires_at, dedupe_key,"
                " as_of) select customer_id, %s, owner_id, %s, id, %s, %s, 'high', %s, 'Because.', '[]', '[]', 1, 9, 1,"
                f" 20, 'EUR', 'prior', %s, %s, %s, %s from {table} where customer_id = %s and id = %s"
                " on conflict do nothing"
            ).encode(),
            (
                new_id(), kind, chosen.action_type, orjson.dumps(payload).decode(), f"{chosen.label}: {entity[-4:]}",
                rank, NOW + timedelta(days=14), f"{chosen.action_type}:{kind}:{entity}", BEFORE, self.customer_id,
                entity,
            ),
        )  # fmt: skip

    def anybody(self) -> str | None:
        """An owner, or nobody."""
        return self.seed.choice([*self.users, None])

    def something(self) -> list[Event]:
        """One thing that happens: rows are changed, and told."""
        happening: Callable[[World], list[Event]] = self.seed.choice(HAPPENINGS)
        return happening(self)


def _touch(world: World) -> list[Event]:
    kind = world.seed.choice(["opportunity", "lead"])
    entity = world.seed.choice(world.deals if kind == "opportunity" else world.leads)
    type_ = world.seed.choice(
        ["call.completed", "email.sent", "meeting.completed", "meeting.scheduled", "task.created"]
    )
    due = (NOW + timedelta(days=2)).isoformat() if type_ in ("meeting.scheduled", "task.created") else None
    activity = new_id()
    data = {"activity_id": activity, "kind": type_.partition(".")[0], "direction": "outbound", "due_at": due}
    return [world.event(type_, ("activity", activity), data | {f"{kind}_id": entity})]


def _stage(world: World) -> list[Event]:
    deal, status = world.seed.choice(world.deals), world.seed.choice(["open", "won", "lost"])
    world.execute(
        "update opportunities set status = given.status, stage = given.status,"
        " closed_at = case when given.status = 'open' then null else now() end"
        " from (values (%s, %s, %s)) as given (customer_id, id, status)"
        " where opportunities.customer_id = given.customer_id and opportunities.id = given.id",
        deal, status,
    )  # fmt: skip
    told = {"opportunity_id": deal, "from_stage": "proposal", "to_stage": status, "status": status}
    return [world.event("opportunity.stage_changed", ("opportunity", deal), told)]


def _changed(world: World) -> list[Event]:
    deal = world.seed.choice(world.deals)
    field_, column, value = world.seed.choice(
        [("expected_close_date", "expected_close_date", (NOW + timedelta(days=9)).date()),
         ("value_minor", "value", 500),
         ("owner_id", "owner_id", world.anybody()), ("name", "name", f"Renamed {world.sequence}")]
    )  # fmt: skip
    [(before,)] = world.execute(f"select {column} from opportunities where customer_id = %s and id = %s", deal)
    world.connection.execute(
        f"update opportunities set {column} = %s where customer_id = %s and id = %s".encode(),
        (value, world.customer_id, deal),
    )
    sides = (before, value) if field_ == "owner_id" else (str(before), str(value))
    told: dict[str, Any] = {"before": {field_: sides[0]}, "after": {field_: sides[1]}}
    return [world.event("opportunity.updated", ("opportunity", deal), told | {"opportunity_id": deal})]


def _gone(world: World) -> list[Event]:
    deal = world.seed.choice(world.deals)
    world.execute("update opportunities set deleted_at = now() where customer_id = %s and id = %s", deal)
    return [world.event("opportunity.deleted", ("opportunity", deal), {"opportunity_id": deal, "after": {}})]


def _opened(world: World) -> list[Event]:
    deal = world.add_deal()
    world.deals.append(deal)
    return [world.event("opportunity.created", ("opportunity", deal), {"opportunity_id": deal, "owner_id": None})]


def _converted(world: World) -> list[Event]:
    lead = world.seed.choice(world.leads)
    world.execute(
        "update leads set status = 'converted', converted_at = now() where customer_id = %s and id = %s", lead
    )
    return [world.event("lead.converted", ("lead", lead), {"lead_id": lead, "opportunity_id": None})]


def _renamed(world: World) -> list[Event]:
    account = world.seed.choice(world.accounts)
    world.execute("update accounts set name = 'Renamed ' || id where customer_id = %s and id = %s", account)
    told = {"account_id": account, "before": {"name": "A"}, "after": {"name": "B"}}
    return [world.event("account.updated", ("account", account), told)]


def _found(world: World) -> list[Event]:
    deal = world.seed.choice(world.deals)
    signal, found = world.add_signal("opportunity", deal)
    told = {"signal_id": signal, "entity_type": "opportunity", "entity_id": deal, "signal_type": found}
    return [world.event("signal.raised", ("signal", signal), told, source=SOURCE)]


def _over(world: World) -> list[Event]:
    closed = world.execute(
        "update signals set closed_at = now(), close_reason = 'so' where (customer_id, id) in (select customer_id, id"
        " from signals where customer_id = %s and closed_at is null order by dedupe_key limit 3)"
        " returning id, entity_type, entity_id, signal_type"
    )
    named = ("signal_id", "entity_type", "entity_id", "signal_type")
    return [
        world.event("signal.closed", ("signal", row[0]), dict(zip(named, row, strict=True)), source=SOURCE)
        for row in closed
    ]


def _answered(world: World) -> list[Event]:
    status = world.seed.choice(["accepted", "dismissed", "snoozed", "completed"])
    rows = world.connection.execute(
        "update recommendations set status = %s, acted_at = now() where customer_id = %s and id = (select id from"
        " recommendations where customer_id = %s and status = 'pending' order by rank, dedupe_key limit 1)"
        " returning id, entity_type, entity_id, action_type",
        (status, world.customer_id, world.customer_id),
    ).fetchall()
    named = ("recommendation_id", "entity_type", "entity_id", "action_type")
    return [
        world.event(f"recommendation.{status}", ("recommendation", row[0]), dict(zip(named, row, strict=True)))
        for row in rows
    ]


def _person(world: World) -> list[Event]:
    user = world.seed.choice(world.users)
    world.execute("update users set name = 'Kim ' || right(id, 3) where customer_id = %s and id = %s", user)
    told = {"user_id": user, "before": {"name": None}, "after": {"name": "Kim"}}
    return [world.event("user.updated", ("user", user), told)]


HAPPENINGS: tuple[Callable[[World], list[Event]], ...] = (
    _touch, _touch, _touch, _stage, _changed, _changed, _gone, _opened, _converted, _renamed, _found, _over, _answered,
    _answered, _person,
)  # fmt: skip

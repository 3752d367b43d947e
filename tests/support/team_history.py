"""A small team's random days, as rows and as the events that the API tells of them: what happened until a first
refresh, and what happens after it. The seed decides everything, also the ids.

Several tenants can live through the same. Belongs here: what happens. What must follow from it is for tests to say.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import orjson
import psycopg

from bevyly.clock import FixedClock
from bevyly.events import contracts
from bevyly.events.envelope import Event, new_event

Row = dict[str, Any]
TABLES = {
    "users": ("email", "name", "role", "attention_budget"),
    "accounts": ("name", "domain", "industry", "country", "employee_count", "annual_revenue_minor", "owner_id",
                 "deleted_at"),
    "contacts": ("account_id", "first_name", "email", "role", "seniority", "title", "deleted_at"),
    "leads": ("company_name", "contact_email", "status", "account_id", "owner_id", "opportunity_id", "converted_at",
              "deleted_at"),
    "opportunities": ("account_id", "contact_id", "lead_id", "name", "stage", "status", "value", "currency",
                      "expected_close_date", "stage_entered_at", "closed_at", "owner_id", "deleted_at"),
    "activities": ("kind", "direction", "occurred_at", "due_at", "completed_at", "account_id", "contact_id",
                   "opportunity_id", "lead_id", "owner_id", "deleted_at"),
}  # fmt: skip
"""Columns that are written, by table; those that others point to stand first."""
INBOUND = ("email.received", "email.opened", "email.clicked", "form.submitted", "page.viewed", "proposal.replied")
OURS = ("call.completed", "email.sent", "meeting.completed", "proposal.sent", "note.created", "task.completed")
PLANS = ("meeting.scheduled", "call.scheduled", "task.created")
STAGES = ("prospecting", "qualification", "proposal", "negotiation")
_KIND = {"page": "page_view"}
_NAMED = {"value": "value_minor"}


class Team:
    """One team: its present `rows` by table and id, those that `changed`, and `events` that nobody took yet."""

    def __init__(self, seed: str, *, at: datetime) -> None:
        self.random = random.Random(seed)
        self.at = at
        self.rows: dict[str, dict[str, Row]] = {table: {} for table in TABLES}
        self.changed: set[tuple[str, str]] = set()
        self.events: list[Event] = []
        self.first_amounts: dict[str, int | None] = {}
        """What each deal was worth when it was opened."""
        self._sequence: Counter[str] = Counter()
        self._tenant = self._id()

    def taken(self) -> list[Event]:
        """What was told since, of no tenant in particular (`told_to`); each holds to its contract."""
        told, self.events = self.events, []
        for event in told:
            contracts.validate(event)
        return told

    def furnish(self, now: datetime) -> None:
        """Three months of a team, until `now`; nothing of it happened within an hour of the hour of `now`."""
        for role in ("owner", "admin", "member", "member"):
            user = self._id()
            budget = self.random.choice([None, 3, 6])
            self._write("users", user, email=f"{user}@team.example", role=role, attention_budget=budget, name=None)
        for _ in range(3):
            self._past(now, 90, 75)
            self.open_account()
        for account in list(self.rows["accounts"]):
            for _ in range(self.random.randrange(1, 4)):
                self._past(now, 74, 65)
                self.add_contact(account)
        for status in ("won", "won", "won", "lost"):
            self._past(now, 64, 50)
            deal = self.open_deal()
            self._past(now, 40, 20)
            self.move_deal(deal, status)
        for _ in range(5):
            self._past(now, 60, 1)
            deal, opened = self.open_deal(), self.at
            for _ in range(self.random.randrange(3)):
                self._later(opened, now)
                self.random.choice((self.move_deal, self.correct_deal))(deal)
            for _ in range(self.random.randrange(7)):
                self._later(opened, now)
                self.touch("opportunity", deal)
        for _ in range(4):
            self._past(now, 30, 1)
            lead, opened = self.add_lead(), self.at
            for _ in range(self.random.randrange(5)):
                self._later(opened, now)
                self.touch("lead", lead)
        self.events.sort(key=lambda event: (event.time, event.sequence))

    def something(self) -> None:
        """One thing that happens at `at`."""
        happening: Callable[[Team], Any] = self.random.choice(HAPPENINGS)
        happening(self)

    def touch(self, kind: str, entity: str, type_: str | None = None) -> None:
        """An activity with a deal or a lead."""
        type_ = type_ or self.random.choice((*INBOUND, *OURS, *OURS, *PLANS))
        inbound = type_ in INBOUND or (type_ in ("meeting.scheduled", "call.completed") and self.random.random() < 0.3)
        internal = type_.startswith(("note", "task"))
        due = self.at + timedelta(days=self.random.choice((-1, 2, 9))) if type_ in PLANS else None
        of = self.rows[{"opportunity": "opportunities", "lead": "leads"}[kind]][entity]
        people = [one for one, row in self.rows["contacts"].items() if row["account_id"] == of["account_id"]]
        name = type_.partition(".")[0]
        row = {
            "kind": _KIND.get(name, name),
            "direction": "internal" if internal else "inbound" if inbound else "outbound",
            "occurred_at": self.at,
            "due_at": due,
            "completed_at": self.at if type_.endswith(".completed") else None,
            "account_id": of["account_id"],
            "contact_id": self.random.choice([*people, None]),
            "opportunity_id": entity if kind == "opportunity" else None,
            "lead_id": entity if kind == "lead" else None,
            "owner_id": of["owner_id"],
            "deleted_at": None,
        }
        activity = self._id()
        self._write("activities", activity, **row)
        told = {name: value for name, value in row.items() if name not in ("occurred_at", "completed_at", "deleted_at")}
        self._tell(type_, "activity", activity, told | {"participants": [], "duration_seconds": None, "custom": {}})

    def replan(self) -> None:
        """Something planned is moved to another time, or deleted."""
        planned = [one for one, row in self.rows["activities"].items() if row["due_at"] and not row["deleted_at"]]
        if not planned:
            return
        activity = self.random.choice(planned)
        row = self.rows["activities"][activity]
        about = {name: row[name] for name in ("kind", "direction", "account_id", "contact_id", "lead_id",
                                              "opportunity_id")}  # fmt: skip
        if self.random.random() < 0.3:
            self._write("activities", activity, deleted_at=self.at)
            self._tell("activity.deleted", "activity", activity, about | {"deleted_at": self.at, "subject": None})
            return
        before, after = row["due_at"], self.at + timedelta(days=self.random.choice((-2, 3)))
        self._write("activities", activity, due_at=after)
        told = {"changed": ["due_at"], "before": {"due_at": before}, "after": {"due_at": after}}
        self._tell("activity.updated", "activity", activity, about | told)

    def open_account(self) -> str:
        """A company."""
        facts = self.random.random() < 0.7
        return self._create("accounts", {
            "name": f"Company {self.random.randrange(10_000)}",
            "domain": None,
            "industry": "tools" if facts else None,
            "country": "DE" if facts else None,
            "employee_count": self.random.choice((40, 100, 900)) if facts else None,
            "annual_revenue_minor": 10**8 if facts else None,
            "owner_id": self.anybody(),
        })  # fmt: skip

    def add_contact(self, account: str) -> str:
        """Somebody at a company."""
        return self._create("contacts", {
            "account_id": account,
            "first_name": "Ann",
            "email": f"ann{self.random.randrange(10**6)}@buyer.example",
            "role": self.random.choice(("champion", "decision_maker", "user", None)),
            "seniority": self.random.choice(("c_suite", "vp", "manager", None)),
            "title": None,
        })  # fmt: skip

    def open_deal(self, lead: str | None = None) -> str:
        """An open deal."""
        account = self.random.choice(self._there("accounts"))
        people = [one for one, row in self.rows["contacts"].items() if row["account_id"] == account]
        value = self.random.choice((None, 100_000, 5_000_000))
        deal = self._create("opportunities", {
            "account_id": account,
            "contact_id": self.random.choice([*people, None]),
            "lead_id": lead,
            "name": f"Deal {self.random.randrange(10_000)}",
            "stage": self.random.choice(STAGES[:2]),
            "value": value,
            "currency": "EUR" if value else None,
            "expected_close_date": self.at.date() + timedelta(days=self.random.randrange(10, 90)),
            "owner_id": self.anybody(),
        })  # fmt: skip
        self.first_amounts[deal] = value
        self._write("opportunities", deal, status="open", stage_entered_at=self.at, closed_at=None)
        return deal

    def add_lead(self) -> str:
        """An undecided lead."""
        number = self.random.randrange(10_000)
        return self._create("leads", {
            "company_name": f"Prospect {number}",
            "contact_email": f"lead{number}@prospect.example",
            "status": self.random.choice(("new", "working")),
            "account_id": self.random.choice([*self._there("accounts"), None]),
            "owner_id": self.anybody(),
        })  # fmt: skip

    def move_deal(self, deal: str, status: str = "open") -> None:
        """To another stage, to its end, or from there back."""
        row = self.rows["opportunities"][deal]
        stage = status if status != "open" else self.random.choice([one for one in STAGES if one != row["stage"]])
        told = {"from_stage": row["stage"], "to_stage": stage, "status": status, "value_minor": row["value"],
                "currency": row["currency"]}  # fmt: skip
        self._write("opportunities", deal, stage=stage, status=status, stage_entered_at=self.at,
                    closed_at=None if status == "open" else self.at)  # fmt: skip
        self._tell("opportunity.stage_changed", "opportunity", deal, told)

    def correct_deal(self, deal: str) -> None:
        """Another close date, amount, owner or name."""
        row = self.rows["opportunities"][deal]
        days = self.random.choice((-40, -8, 20, 45))
        moved = (row["expected_close_date"] or self.at.date()) + timedelta(days=days)
        amount = {"value": self.random.choice((90_000, 150_000, 6_000_000)), "currency": "EUR"}
        changes: list[Row] = [{"expected_close_date": moved}, amount, {"owner_id": self.anybody()}, {"name": "Renamed"}]
        self._update("opportunities", deal, self.random.choice(changes))

    def anybody(self) -> str | None:
        """An owner, or nobody."""
        return self.random.choice([*self.rows["users"], None])

    def _there(self, table: str) -> list[str]:
        return [one for one, row in self.rows[table].items() if not row.get("deleted_at")]

    def some_deal(self) -> str:
        """A deal that is there, decided or not."""
        return self.random.choice(self._there("opportunities"))

    def some_lead(self) -> str:
        """A lead that is there."""
        return self.random.choice(self._there("leads") or [self.add_lead()])

    def convert(self) -> None:
        """A lead becomes a deal, told as the API tells it, or is given up, or won over."""
        lead = self.some_lead()
        row = self.rows["leads"][lead]
        if row["status"] in ("converted", "disqualified"):
            return
        if self.random.random() < 0.5:
            changes: list[Row] = [{"status": "disqualified"}, {"status": "qualified"}, {"owner_id": self.anybody()}]
            self._update("leads", lead, self.random.choice(changes))
            return
        deal = self.open_deal(lead)
        account = self.rows["opportunities"][deal]["account_id"]
        self._write("leads", lead, status="converted", converted_at=self.at, opportunity_id=deal, account_id=account)
        told = {"account_id": account, "contact_id": None, "opportunity_id": deal}
        self._tell("lead.converted", "lead", lead, told)

    def grow(self) -> None:
        """A company changes its size, its name or its owner, or a provider tells of it."""
        account = self.random.choice(self._there("accounts"))
        size = self.random.choice((30, 130, 2_000))
        if self.random.random() < 0.2:
            answer = {"entity_type": "account", "entity_id": account, "provider": "apollo", "status": "matched",
                      "fields": {"employee_count": size}, "credits": 1}  # fmt: skip
            self._tell("enrichment.completed", "enrichment", self._id(), answer)
            return
        changes: list[Row] = [{"employee_count": size}, {"name": "Renamed"}, {"owner_id": self.anybody()}]
        self._update("accounts", account, self.random.choice(changes))

    def move_person(self) -> None:
        """A contact moves to another company, or takes another role."""
        contact = self.random.choice(list(self.rows["contacts"]))
        changes: list[Row] = [{"account_id": self.random.choice(self._there("accounts"))}, {"role": "champion"}]
        self._update("contacts", contact, self.random.choice(changes))

    def delete(self) -> None:
        """A deal or a lead is deleted; a deal comes back at times."""
        if self.random.random() < 0.4:
            lead = self.some_lead()
            row = self.rows["leads"][lead]
            told = {name: row[name] for name in ("company_name", "contact_email", "status")}
            self._write("leads", lead, deleted_at=self.at)
            self._tell("lead.deleted", "lead", lead, told | {"contact_name": None, "deleted_at": self.at})
            return
        deal = self.some_deal()
        row = self.rows["opportunities"][deal]
        self._write("opportunities", deal, deleted_at=self.at)
        told = {name: row[name] for name in ("name", "account_id", "stage", "status")}
        self._tell("opportunity.deleted", "opportunity", deal, told | {"deleted_at": self.at})
        if self.random.random() < 0.3:
            self.at += timedelta(seconds=1)
            self._write("opportunities", deal, deleted_at=None)
            self._tell("opportunity.restored", "opportunity", deal, self._told("opportunities", deal))

    def rename_user(self) -> None:
        """Somebody has another name."""
        user = self.random.choice(list(self.rows["users"]))
        name = f"Kim {self.random.randrange(100)}"
        told = {"before": {"name": self.rows["users"][user]["name"]}, "after": {"name": name}}
        self._write("users", user, name=name)
        self._tell("user.updated", "user", user, told)

    def _create(self, table: str, values: Row) -> str:
        entity = self._id()
        self._write(table, entity, **values)
        kind = _singular(table)
        self._tell(f"{kind}.created", kind, entity, {_NAMED.get(name, name): value for name, value in values.items()})
        return entity

    def _update(self, table: str, entity: str, after: Row) -> None:
        row = self.rows[table][entity]
        before = {name: row[name] for name in after}
        changed = [name for name in after if before[name] != after[name]]
        if changed:
            self._write(table, entity, **after)
            sides = {side: {_NAMED.get(name, name): values[name] for name in changed}
                     for side, values in (("before", before), ("after", after))}  # fmt: skip
            self._tell(f"{_singular(table)}.updated", _singular(table), entity, sides)

    def _told(self, table: str, entity: str) -> Row:
        row = self.rows[table][entity]
        kept = ("stage_entered_at", "closed_at", "deleted_at")
        return {_NAMED.get(name, name): value for name, value in row.items() if name not in kept}

    def _write(self, table: str, entity: str, **values: Any) -> None:
        known = self.rows[table].setdefault(entity, dict.fromkeys(TABLES[table]))
        known.update(values)
        self.changed.add((table, entity))

    def _tell(self, type_: str, kind: str, entity: str, data: Row) -> None:
        self._sequence[entity] += 1
        key = {} if kind == "enrichment" else {f"{kind}_id": entity}
        told = orjson.loads(orjson.dumps(key | data))
        event = new_event(
            type_, tenant_id=self._tenant, subject=(kind, entity), sequence=self._sequence[entity], data=told,
            clock=FixedClock(self.at),
        )  # fmt: skip
        self.events.append(msgspec.structs.replace(event, id=self._id()))

    def _past(self, now: datetime, most: int, least: int) -> None:
        """Some hour of some working day so many days before `now`."""
        days = self.random.randrange(least, most) + 1
        self.at = (now - timedelta(days=days)).replace(hour=0) + timedelta(minutes=self.random.randrange(11 * 60, 1380))

    def _later(self, opened: datetime, now: datetime) -> None:
        self._past(now, max(1, (now - opened).days), 0)
        self.at = max(self.at, opened + timedelta(minutes=self.random.randrange(1, 30)))

    def _id(self) -> str:
        return str(UUID(int=self.random.getrandbits(128), version=4))


def told_to(customer_id: str, events: Iterable[Event]) -> list[Event]:
    """`events` as those of `customer_id`."""
    return [msgspec.structs.replace(event, tenant_id=customer_id) for event in events]


def write(connection: psycopg.Connection[Any], teams: dict[str, Team]) -> None:
    """The rows that changed, as rows of these tenants."""
    for table, columns in TABLES.items():
        rows = [
            {"customer_id": customer_id, "id": one, **team.rows[table][one]}
            for customer_id, team in teams.items()
            for kind, one in sorted(team.changed)
            if kind == table
        ]
        if rows:
            names = ", ".join(("customer_id", "id", *columns))
            new = ", ".join(f"{name} = excluded.{name}" for name in columns)
            connection.execute(
                f"insert into {table} ({names}) select {names} from jsonb_populate_recordset(null::{table}, %s::jsonb)"
                f" on conflict (customer_id, id) do update set {new}".encode(),
                [orjson.dumps(rows).decode()],
            )


def _singular(table: str) -> str:
    return "opportunity" if table == "opportunities" else table.removesuffix("s")


def _move(team: Team) -> None:
    team.move_deal(team.some_deal(), team.random.choice(("open", "open", "won", "lost")))


HAPPENINGS: tuple[Callable[[Team], Any], ...] = (
    *[lambda team: team.touch("opportunity", team.some_deal())] * 5,
    *[lambda team: team.touch("lead", team.some_lead())] * 3,
    *[lambda team: team.correct_deal(team.some_deal())] * 3,
    *[_move] * 2,
    Team.replan,
    Team.convert,
    Team.grow,
    Team.move_person,
    Team.delete,
    Team.rename_user,
    Team.open_deal,
    Team.add_lead,
    lambda team: team.add_contact(team.random.choice(list(team.rows["accounts"]))),
)

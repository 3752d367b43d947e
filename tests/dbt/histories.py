"""Random histories of a sales team, with all that goes wrong on the way: rows recorded late, out of order, after the
clock of the run, malformed, linked to what is not there yet; records corrected, deleted, merged, taken apart again and
erased. The seed decides everything.
"""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.dbt.warehouse import Event

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
ACTIVITIES = (
    *("email.sent", "email.received", "email.opened", "meeting.scheduled", "meeting.completed"),
    *("call.scheduled", "call.completed", "task.created", "task.completed", "note.created"),
    *("form.submitted", "proposal.sent", "proposal.replied"),
)
STAGES = ("qualification", "proposal", "negotiation", "won", "lost")
INDUSTRIES = ("tools", "food", "law", None)
ROLES = ("champion", "Decision maker", "user", "", None)
SENIORITIES = ("c_suite", "VP", "manager", None)
TITLES = ("Chief Buyer", "Vice President, Tools", "Clerk", 7, None)
MALFORMED = ("", "next week", "2026-02-30", "12,5", "1e400", {"a": 1}, [1], True)


class History:
    """Events of one tenant over `days` days, in the order in which they arrive."""

    def __init__(self, customer_id: str, *, seed: str, days: int = 70) -> None:
        self.customer_id = customer_id
        self.random = random.Random(seed)
        self.days = days
        self.versions: dict[str, int] = {}
        self.events: list[tuple[datetime, Event]] = []

    def generate(self) -> list[tuple[datetime, Event]]:
        """(arrival, event) pairs; opportunities beyond the leads come of nothing."""
        accounts, leads = self.random.choice((3, 9)), self.random.randrange(3, 12)
        opportunities = self.random.randrange(3, 2 * accounts + 3)
        people = [self._id() for _ in range(3)]
        account_ids = [self._account(people) for _ in range(accounts)]
        contact_ids = [self._contact(account_ids) for _ in range(accounts * 2)]
        for number in range(max(leads, opportunities)):
            lead_id = self._id() if number < leads else None
            opportunity_id = self._id() if number < opportunities else None
            at = self._instant(0, 0.6)
            if lead_id:
                self._lead(lead_id, opportunity_id, people, account_ids, at=at)
            if opportunity_id:
                self._opportunity(
                    opportunity_id, lead_id, people, account_ids, at=at + timedelta(days=self.random.random() * 10)
                )
            self._activities(lead_id, opportunity_id, people, contact_ids, account_ids, at=at)
        self._withdrawals()
        return sorted(self.events, key=lambda pair: (pair[0], pair[1].event_id))

    def _withdrawals(self) -> None:
        """Some records of every kind are deleted or merged, some of those come back, some go again."""
        records = sorted({(event.type, event.subject_id) for _, event in self.events if event.version == 1})
        alike: dict[str, list[str]] = {}
        for created, subject_id in records:
            alike.setdefault(created, []).append(subject_id)
        for created, subject_id in records:
            kind = created.partition(".")[0]
            kind = kind if kind in ("account", "contact", "lead", "opportunity") else "activity"
            at = self._instant(0.3, 0.9)
            for action in ("deleted", "restored", "deleted"):
                if self.random.random() > 0.3 + 0.3 * (action == "restored"):
                    break
                self._withdraw(kind, subject_id, action, at=at, others=alike[created])
                at += timedelta(days=self.random.random() * 12)
            if kind in ("account", "contact", "lead") and self.random.random() < 0.25:
                self._merge(kind, subject_id, self.random.choice(alike[created]), at=at)
            if kind in ("contact", "lead") and self.random.random() < 0.1:
                self._add(f"{kind}.erased", subject_id, self._instant(0.5, 1), {f"{kind}_id": subject_id})

    def _merge(self, kind: str, goes: str, stays: str, *, at: datetime) -> None:
        """One record into another, and half of the time apart again; what is left of the other moves along or not."""
        key, change = f"{kind}_id", {"before": {}, "after": {"owner_id": self._id()}}
        self._add(f"{kind}.merged", stays, at, {key: stays, "absorbed_ids": [goes]} | change)
        self._add(f"{kind}.deleted", goes, at, {key: goes, "deleted_at": at.isoformat(), "merged_into": stays})
        at += timedelta(days=self.random.random() * 20)
        if self.random.random() < 0.5:
            self._add(f"{kind}.unmerged", stays, at, {key: stays, "released_ids": [goes]} | change)
            self._add(f"{kind}.restored", goes, at, {key: goes})

    def _withdraw(self, kind: str, subject_id: str, action: str, *, at: datetime, others: list[str]) -> None:
        key, deleted_at = {f"{kind}_id": subject_id}, at.isoformat() if action == "deleted" else None
        if kind != "activity" and self.random.random() < 0.3:
            told_once = {"before": {"deleted_at": None}, "after": {"deleted_at": deleted_at}}
            self._add(f"{kind}.updated", subject_id, at, key | told_once)
        else:
            told = {"deleted_at": deleted_at} if deleted_at else {}
            if deleted_at and kind in ("account", "contact", "lead") and self.random.random() < 0.6:
                told["merged_into"] = self.random.choice(others)
            self._add(f"{kind}.{action}", subject_id, at, key | told)

    def _account(self, people: list[str]) -> str:
        account_id = self._id()
        at = self._instant(0, 0.2)
        fields = {
            "name": "Account",
            "industry": self.random.choice(INDUSTRIES),
            "country": self.random.choice(("DE", "FR", None)),
            "employee_count": self.random.choice((4, 40, 900)),
            "annual_revenue_minor": self._maybe_malformed(self.random.randrange(10**9)),
            "custom": {"tier": 1},
            "owner_id": people[0],
        }
        self._add("account.created", account_id, at, {"account_id": account_id} | fields)
        for _ in range(self.random.randrange(3)):
            after = {"employee_count": self._maybe_malformed(self.random.randrange(500)), "custom": {"tier": 2}}
            before = {"employee_count": self._maybe_malformed(self.random.randrange(500))}
            change = {"account_id": account_id, "before": before, "after": after}
            self._add("account.updated", account_id, self._instant(0.2, 1), change)
        for _ in range(self.random.randrange(4)):
            self._enrichment(account_id)
        return account_id

    def _enrichment(self, account_id: str) -> None:
        answer = {
            "entity_type": "account",
            "entity_id": account_id,
            "provider": self.random.choice(("apollo", "other")),
        }
        sizes = {"employee_count": self._maybe_malformed(self.random.randrange(300)), "annual_revenue_minor": 10**8}
        status = self.random.choice(("matched", "matched", "not_found"))
        told = answer | {"status": status, "fields": sizes if status == "matched" else {}, "credits": 1}
        self._add("enrichment.completed", self._id(), self._instant(0.1, 1), told)

    def _contact(self, account_ids: list[str]) -> str:
        contact_id = self._id()
        created = {"contact_id": contact_id, "account_id": self.random.choice(account_ids)}
        known = {"role": self.random.choice(ROLES), "seniority": self.random.choice(SENIORITIES)}
        self._add("contact.created", contact_id, self._instant(0, 0.3), created | known)
        while self.random.random() < 0.4:
            possible = {
                "account_id": self.random.choice([*account_ids, None]),
                "role": self.random.choice(ROLES),
                "title": self.random.choice(TITLES),
            }
            after = {name: possible[name] for name in self.random.sample(sorted(possible), 2)}
            changed = {"contact_id": contact_id, "before": {}, "after": after}
            self._add("contact.updated", contact_id, self._instant(0.3, 1), changed)
        return contact_id

    def _lead(
        self, lead_id: str, opportunity_id: str | None, people: list[str], account_ids: list[str], *, at: datetime
    ) -> None:
        created = {
            "lead_id": lead_id,
            "status": "new",
            "owner_id": people[0],
            "value_minor": self._maybe_malformed(5000),
        }
        self._add("lead.created", lead_id, at, created | {"account_id": self.random.choice([*account_ids, None])})
        for status in ("working", "qualified"):
            at += timedelta(hours=self.random.random() * 60)
            after = {"status": status, "owner_id": self.random.choice(people)}
            self._add("lead.updated", lead_id, at, {"lead_id": lead_id, "before": {"status": "new"}, "after": after})
        at += timedelta(hours=self.random.random() * 60)
        if opportunity_id and self.random.random() < 0.8:
            self._add("lead.converted", lead_id, at, {"lead_id": lead_id, "opportunity_id": opportunity_id})
        elif self.random.random() < 0.3:
            self._add("lead.converted", lead_id, at, {"lead_id": lead_id, "opportunity_id": None})
        elif self.random.random() < 0.6:
            self._add(
                "lead.updated", lead_id, at, {"lead_id": lead_id, "before": {}, "after": {"status": "disqualified"}}
            )

    def _opportunity(
        self, opportunity_id: str, lead_id: str | None, people: list[str], account_ids: list[str], *, at: datetime
    ) -> None:
        key = {"opportunity_id": opportunity_id}
        named = {"lead_id": lead_id if self.random.random() < 0.5 else None, "name": "Deal", "stage": "prospecting"}
        amounts = {
            "value_minor": 100_000,
            "currency": "EUR",
            "expected_close_date": "2026-05-31",
            "custom": {"product": "x"},
        }
        owner = {"owner_id": self.random.choice(people), "account_id": self.random.choice(account_ids)}
        self._add("opportunity.created", opportunity_id, at, key | named | amounts | owner)
        for stage in self.random.sample(STAGES, self.random.randrange(1, 4)):
            at += timedelta(hours=self.random.random() * 300)
            status = stage if stage in ("won", "lost") else "open"
            self._add("opportunity.stage_changed", opportunity_id, at, key | {"to_stage": stage, "status": status})
            at += timedelta(hours=self.random.random() * 50)
            before = {"expected_close_date": "2026-05-31", "value_minor": 100_000}
            after = {
                "expected_close_date": self._maybe_malformed("2026-06-15"),
                "value_minor": self._maybe_malformed(90_000),
            }
            change = {"before": before, "after": after | {"owner_id": self.random.choice(people)}}
            self._add("opportunity.updated", opportunity_id, at, key | change)

    def _activities(
        self,
        lead_id: str | None,
        opportunity_id: str | None,
        people: list[str],
        contacts: list[str],
        accounts: list[str],
        *,
        at: datetime,
    ) -> None:
        for _ in range(self.random.randrange(4, 14)):
            at += timedelta(hours=self.random.random() * 70)
            data = {
                "activity_id": self._id(),
                "lead_id": self.random.choice([lead_id, None]),
                "opportunity_id": self.random.choice([opportunity_id, None]),
                "contact_id": self.random.choice([*contacts, None]),
                "account_id": self.random.choice([*accounts, None]),
                "participants": self.random.choice([[], [{"contact_id": contacts[0]}], "nobody"]),
                "owner_id": self.random.choice(people),
                "duration_seconds": self._maybe_malformed(self.random.randrange(900)),
                "due_at": self._maybe_malformed((at + timedelta(days=9)).isoformat()),
            }
            kind = self.random.choice(ACTIVITIES)
            self._add(kind, data["activity_id"], at, data)
            if kind in ("meeting.scheduled", "call.scheduled", "task.created") and self.random.random() < 0.5:
                done = kind.partition(".")[0] + ".completed"
                self._add(done, data["activity_id"], at + timedelta(days=self.random.random() * 5), data)
            self._changes(data["activity_id"], [lead_id, opportunity_id], contacts, accounts, at=at)

    def _changes(
        self, activity_id: str, records: list[str | None], contacts: list[str], accounts: list[str], *, at: datetime
    ) -> None:
        """Some activities are moved to another time, another record or other people, or opened again."""
        while self.random.random() < 0.35:
            at += timedelta(days=self.random.random() * 6)
            possible: dict[str, Any] = {
                "due_at": self._maybe_malformed((at + timedelta(days=self.random.random() * 20)).isoformat()),
                "lead_id": self.random.choice([records[0], None]),
                "opportunity_id": self.random.choice([records[1], None]),
                "account_id": self.random.choice([*accounts, None]),
                "contact_id": self.random.choice([*contacts, None]),
                "participants": self.random.choice([[], [{"contact_id": self.random.choice(contacts)}], "nobody"]),
                "completed_at": None,
            }
            after = {name: possible[name] for name in self.random.sample(sorted(possible), 2)}
            self._add("activity.updated", activity_id, at, {"activity_id": activity_id, "before": {}, "after": after})

    def _add(self, event_type: str, subject_id: str, at: datetime, data: dict[str, Any]) -> None:
        version = self.versions[subject_id] = self.versions.get(subject_id, 0) + 1
        recorded_at = at + self._delay(0.15, days=4)
        event = Event(self.customer_id, self._id(), event_type, subject_id, version, at, data, recorded_at)
        self.events.append((recorded_at + self._delay(0.15, days=6), event))

    def _delay(self, probability: float, *, days: float) -> timedelta:
        return timedelta(days=self.random.random() * days if self.random.random() < probability else 0)

    def _maybe_malformed(self, value: Any) -> Any:
        return self.random.choice(MALFORMED) if self.random.random() < 0.1 else value

    def _instant(self, earliest: float, latest: float) -> datetime:
        return START + timedelta(days=self.days * (earliest + (latest - earliest) * self.random.random()))

    def _id(self) -> str:
        return str(UUID(int=self.random.getrandbits(128)))


def shuffled(
    arrivals: list[tuple[datetime, Event]], customer_id: str, *, seed: int, repeats: float = 0.2
) -> list[tuple[datetime, Event]]:
    """The same events for another tenant in an order that nothing excuses, some of them twice."""
    chance = random.Random(f"{seed}/{customer_id}")
    events = [replace(event, customer_id=customer_id) for _, event in arrivals]
    events += chance.sample(events, round(len(events) * repeats))
    chance.shuffle(events)
    times = [arrival for arrival, _ in arrivals]
    return [(chance.choice(times), event) for event in events]

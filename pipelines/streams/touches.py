"""What an event may change in a briefing: totals that it makes larger, entities and people it tells of. Pure.

Which recommendations that ends is for `models.ranking.noticed`; who reads of an entity is for the database.
"""

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime

import msgspec

from bevyly.events.envelope import Event
from models.ranking.noticed import TURNED
from pipelines.repositories.announcements import SOURCE
from pipelines.repositories.open_items import Entity, Growth

_COUNTS = {
    "call.completed": "calls_total",
    "email.sent": "emails_sent",
    "meeting.completed": "meetings_total",
}
_PLANS = ("meeting.scheduled", "call.scheduled", "task.created", "activity.updated")
_KINDS = ("opportunity", "lead", "account")
_ENTITIES = ("opportunity", "lead")
_OF_PEOPLE = ("user.updated", "user.disabled", "user.enabled", "user.created")


class Touched(msgspec.Struct, frozen=True):
    """What events may change, as sets: neither their order nor a repetition means anything for briefings."""

    growth: frozenset[Growth] = frozenset()
    examined: frozenset[Entity] = frozenset()
    told: frozenset[Entity] = frozenset()
    cleared: frozenset[Entity] = frozenset()
    people: frozenset[tuple[str, str]] = frozenset()

    @property
    def customers(self) -> set[str]:
        """Whom it is about."""
        return {one[0] for name in self.__struct_fields__ for one in getattr(self, name)}

    def of(self, customers: Collection[str]) -> "Touched":
        """What of it is about `customers`."""
        return Touched(**{
            name: frozenset(one for one in getattr(self, name) if one[0] in customers)
            for name in self.__struct_fields__
        })  # fmt: skip


def touched(events: Iterable[Event], *, now: datetime) -> Touched:
    """What `events` may change, all together."""
    given = list(events)
    return Touched(
        growth=frozenset(one for event in given for one in growth(event, now=now)),
        examined=frozenset(one for event in given for one in examined(event)),
        told=frozenset(one for event in given for one in told_of(event)),
        cleared=frozenset(one for event in given for one in cleared(event)),
        people=frozenset(one for event in given for one in people(event)),
    )


def together(parts: Iterable[Touched]) -> Touched:
    """The union of `parts`."""
    given = list(parts)
    return Touched(**{
        name: frozenset().union(*(getattr(one, name) for one in given)) for name in Touched.__struct_fields__
    })  # fmt: skip


def growth(event: Event, *, now: datetime) -> Iterator[Growth]:
    """Totals that `event` makes larger, by what marts count."""
    for counter in _counters(event, now):
        for entity in _of_activity(event):
            yield Growth(*entity, counter, event.recorded_time)
    if event.type == "opportunity.created":
        for kind, counter in (("lead", TURNED), ("account", "opportunities_total")):
            yield from _grown(event, kind, event.data.get(f"{kind}_id"), counter)
    elif event.type == "contact.created":
        yield from _grown(event, "account", event.data.get("account_id"), "contacts_total")
    elif event.type == "contact.updated":
        yield from _grown(event, "account", event.data["after"].get("account_id"), "contacts_total")


def examined(event: Event) -> Iterator[Entity]:
    """Entities whose recommendations `event` may make moot in another way than by a total that always grows."""
    if event.data.get("direction") == "inbound" or event.type == "meeting.completed":
        yield from _of_activity(event)
    yield from told_of(event)


def told_of(event: Event) -> Iterator[Entity]:
    """Entities of which briefings may read otherwise after `event`."""
    kind = event.subject_type
    if kind in _KINDS:
        yield Entity(event.tenant_id, kind, event.subject_id)
        for absorbed in event.data.get("absorbed_ids") or ():
            yield Entity(event.tenant_id, kind, absorbed)
    elif kind == "signal" or (kind == "recommendation" and event.source != SOURCE):
        yield Entity(event.tenant_id, event.data["entity_type"], event.data["entity_id"])


def cleared(event: Event) -> Iterator[Entity]:
    """Entities of which something is no longer found."""
    if event.type == "signal.closed":
        yield from told_of(event)


def people(event: Event) -> Iterator[tuple[str, str]]:
    """(customer, user) whose briefing `event` concerns beside that of the present owner: former owners, the user."""
    if event.type in _OF_PEOPLE:
        yield event.tenant_id, event.subject_id
    for side in ("before", "after"):
        owner = (event.data.get(side) or {}).get("owner_id")
        if owner and event.subject_type in _KINDS:
            yield event.tenant_id, owner


def _counters(event: Event, now: datetime) -> Iterator[str]:
    if event.type in _COUNTS and event.time <= now:
        yield _COUNTS[event.type]
    if event.type in _PLANS and event.time <= now:
        data = event.data["after"] if event.type == "activity.updated" else event.data
        if data.get("due_at") and datetime.fromisoformat(data["due_at"]) > now:
            yield "has_next_step"


def _of_activity(event: Event) -> Iterator[Entity]:
    for kind in _ENTITIES:
        entity = event.data.get(f"{kind}_id")
        if entity:
            yield Entity(event.tenant_id, kind, entity)


def _grown(event: Event, kind: str, entity: str | None, counter: str) -> Iterator[Growth]:
    if entity:
        yield Growth(event.tenant_id, kind, entity, counter, event.recorded_time)

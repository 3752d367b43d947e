"""Reads of what was told of a few deals and leads before the events at hand.

What is told now may have been stored already, or not yet: it is given beside, and counts once.
"""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bevyly.events.envelope import Event
from pipelines.repositories.staging import Connection

AMENDING = ("opportunity.created", "opportunity.updated")

# by ix_events_told_before, whose condition it repeats
_AMENDMENTS = """
select e.customer_id, e.subject_id, e.event_id, e.type, e.sequence, e.data
from unnest(%s::varchar[], %s::varchar[]) as wanted (customer_id, opportunity_id)
join raw.events e on e.customer_id = wanted.customer_id
  and coalesce(e.data ->> 'entity_id', e.subject_id) = wanted.opportunity_id
  and e.type in ('opportunity.created', 'opportunity.updated')
"""
_DEALS_OF_LEADS = """
select l.customer_id, l.id, l.opportunity_id
from unnest(%s::varchar[], %s::varchar[]) as wanted (customer_id, lead_id)
join leads l on l.customer_id = wanted.customer_id and l.id = wanted.lead_id
where l.opportunity_id is not null
"""


class Amendment(NamedTuple):
    """A date or an amount of a deal was told: at first, or anew. `sequence` is the version that the deal then had."""

    event_id: str
    sequence: int
    before: Mapping[str, Any]
    after: Mapping[str, Any]


def amendments(
    connection: Connection, deals: Iterable[tuple[str, str]], events: Iterable[Event]
) -> dict[tuple[str, str], list[Amendment]]:
    """What was and is told of `deals` (customer, opportunity), in the order of their versions; `events` are the new."""
    wanted = sorted(set(deals))
    if not wanted:
        return {}
    columns = [list(column) for column in zip(*wanted, strict=True)]
    told = [tuple(row) for row in connection.execute(_AMENDMENTS, columns)]
    told += [
        (event.tenant_id, event.subject_id, event.id, event.type, event.sequence, event.data)
        for event in events
        if event.type in AMENDING
    ]
    known: dict[tuple[str, str], dict[str, Amendment]] = {key: {} for key in wanted}
    for customer, deal, event_id, type_, sequence, data in told:
        if (customer, deal) in known:
            before, after = ({}, data) if type_ == AMENDING[0] else (data.get("before") or {}, data.get("after") or {})
            known[customer, deal][event_id] = Amendment(event_id, sequence, before, after)
    return {key: sorted(rows.values(), key=lambda one: (one.sequence, one.event_id)) for key, rows in known.items()}


def deals_of_leads(connection: Connection, leads: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The deal that each of `leads` (customer, lead) has become, of those that have."""
    wanted = sorted(set(leads))
    if not wanted:
        return {}
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return {(customer, lead): deal for customer, lead, deal in connection.execute(_DEALS_OF_LEADS, columns)}

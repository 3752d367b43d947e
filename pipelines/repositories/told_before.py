"""Reads of what was told of a few deals and leads: in raw events, and in what streams keep until it is there."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from pipelines.repositories.staging import Connection

# by ix_events_told_before, whose condition it repeats
_AMENDMENTS = """
select wanted.customer_id, wanted.opportunity_id, e.event_id, e.type, e.sequence, e.data
from unnest(%s::varchar[], %s::varchar[]) as wanted (customer_id, opportunity_id)
cross join lateral (
  select s.event_id, s.type, s.sequence, s.data from raw.events s
  where s.customer_id = wanted.customer_id and coalesce(s.data ->> 'entity_id', s.subject_id) = wanted.opportunity_id
    and s.type in ('opportunity.created', 'opportunity.updated')
  union all
  select r.event_id, r.type, r.sequence, r.data from recent_changes r
  where r.customer_id = wanted.customer_id and r.record_id = wanted.opportunity_id
) as e
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


def amendments(connection: Connection, deals: Iterable[tuple[str, str]]) -> dict[tuple[str, str], list[Amendment]]:
    """What was told of `deals` (customer, opportunity), each once, in the order of their versions."""
    wanted = sorted(set(deals))
    if not wanted:
        return {}
    columns = [list(column) for column in zip(*wanted, strict=True)]
    known: dict[tuple[str, str], dict[str, Amendment]] = {key: {} for key in wanted}
    for customer, deal, event_id, type_, sequence, data in connection.execute(_AMENDMENTS, columns):
        before, after = (
            ({}, data) if type_ == "opportunity.created" else (data.get("before") or {}, data.get("after") or {})
        )
        known[customer, deal][event_id] = Amendment(event_id, sequence, before, after)
    return {key: sorted(rows.values(), key=lambda one: (one.sequence, one.event_id)) for key, rows in known.items()}


def deals_of_leads(connection: Connection, leads: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The deal that each of `leads` (customer, lead) has become, of those that have."""
    wanted = sorted(set(leads))
    if not wanted:
        return {}
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return {(customer, lead): deal for customer, lead, deal in connection.execute(_DEALS_OF_LEADS, columns)}

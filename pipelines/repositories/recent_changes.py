"""What streams keep of dates and amounts of deals and of sizes of companies, until `raw.events` has it.

A refresh stores events, by the hour perhaps; what streams know of a deal must not hang on when that was.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from bevyly.events.envelope import Event
from pipelines.repositories.staging import Connection

AMENDING = ("opportunity.created", "opportunity.updated")
MEASURING = ("account.updated", "enrichment.completed")
AMENDED = ("expected_close_date", "value_minor")
SIZES = {"employee_count": "headcount", "annual_revenue_minor": "revenue"}
"""Sizes of a company, and what each is called."""

_KEEP = """
insert into recent_changes (customer_id, event_id, record_id, type, sequence, occurred_at, recorded_at, data)
select told.* from jsonb_to_recordset(%s::jsonb) as told (
  customer_id varchar, event_id varchar, record_id varchar, type varchar, sequence bigint, occurred_at timestamptz,
  recorded_at timestamptz, data jsonb
)
join customers on customers.id = told.customer_id
on conflict do nothing
"""


def keep_changes(connection: Connection, events: Iterable[Event]) -> None:
    """Keep those of `events` that tell a date, an amount or a size of a known tenant; once, however often they come."""
    told = [_row(event) for event in events if event.type in (*AMENDING, *MEASURING)]
    told = [row for row in told if any(row["data"].values())]
    if told:
        connection.execute(_KEEP, (orjson.dumps(told).decode(),))


def _row(event: Event) -> dict[str, Any]:
    return {
        "customer_id": event.tenant_id, "event_id": event.id, "type": event.type, "sequence": event.sequence,
        "record_id": event.data["entity_id"] if event.type == "enrichment.completed" else event.subject_id,
        "occurred_at": event.time, "recorded_at": event.recorded_time, "data": _data(event),
    }  # fmt: skip


def _data(event: Event) -> dict[str, Any]:
    """What these statements read of an event, as it has it."""
    data = event.data
    if event.type == "enrichment.completed":
        fields = _some(data["fields"], SIZES) if data["status"] == "matched" else {}
        return {"fields": fields, "provider": data["provider"], "status": data["status"]} if fields else {}
    names = (*AMENDED, *SIZES)
    if event.type == "opportunity.created":
        return _some(data, names)
    return {side: _some(data[side], names) for side in ("before", "after")}


def _some(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: values[name] for name in names if name in values}

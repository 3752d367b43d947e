"""What is kept of events and of the records they are about, without the weight of mapped objects."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Kept:
    """One event that was dealt with."""

    id: str
    source: str
    event_id: str
    type: str
    content_hash: str
    status: str
    entity_type: str
    entity_id: str
    event_ids: list[str]
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Followed:
    """How far one record of another system was followed."""

    id: str
    source: str
    entity_type: str
    external_id: str
    source_time: datetime
    version: int


def values_of(row: Kept | Followed, customer_id: str) -> dict[str, Any]:
    """The columns of a row."""
    return {"customer_id": customer_id} | {one.name: getattr(row, one.name) for one in fields(row)}

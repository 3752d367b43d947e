"""The past of one tenant: its events in the order in which they were recorded, its people, its settings.

Belongs here: reading it, from a data set or from the live database. It is replayed elsewhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from bevyly.datasets.dataset import Dataset
from bevyly.datasets.envelopes import events_frame
from bevyly.errors import NotFound
from pipelines.frames import read_frame

_EVENTS: Sequence[str] = (
    *("customer_id", "event_id", "type", "schema_version", "subject_type", "subject_id", "sequence", "occurred_at"),
    *("recorded_at", "data", "source", "causation_id", "correlation_id", "topic", "partition", "offset"),
)
_OF_TENANT = f"""
select {", ".join(f'"{name}"' if name in ("partition", "offset") else name for name in _EVENTS if name != "data")},
       data::text as data
from raw.events where customer_id = $1 order by recorded_at, seq
"""
_PEOPLE = "select id, email, name, role from public.users where customer_id = $1 order by id"
_TENANT = "select id, name, currency, settings::text as settings from public.customers where id = $1 or name = $1"


@dataclass(frozen=True, kw_only=True)
class Past:
    """One tenant: `events` with the columns of `raw.events` that are not the database's own, by time of recording;
    `people` has id, email, name, role; `settings` is JSON text.
    """

    customer_id: str
    name: str
    currency: str
    settings: str
    people: pl.DataFrame
    events: pl.DataFrame

    def recorded(self, *, after: datetime | None, until: datetime) -> pl.DataFrame:
        """Events recorded up to `until`, and after `after` where there is one."""
        known = pl.col("recorded_at") <= until
        return self.events.filter(known if after is None else known & (pl.col("recorded_at") > after))


def of_dataset(dataset: Dataset, *, currency: str = "EUR") -> Past:
    """The past that a data set tells."""
    return Past(
        customer_id=dataset.tenant.customer_id,
        name=dataset.tenant.slug,
        currency=currency,
        settings="{}",
        people=dataset.users.select("id", "email", "name", "role"),
        events=events_frame(dataset).sort("recorded_at", maintain_order=True),
    )


def of_tenant(url: str, name: str) -> Past:
    """What the database at `url` (the pipeline's login) has of the tenant of this name or id; raises `NotFound`."""
    tenant = tenant_named(url, name)
    return Past(
        customer_id=tenant["id"],
        name=tenant["name"],
        currency=tenant["currency"],
        settings=tenant["settings"],
        people=read_frame(url, _PEOPLE, [tenant["id"]]),
        events=read_frame(url, _OF_TENANT, [tenant["id"]]),
    )


def tenant_named(url: str, name: str) -> dict[str, Any]:
    """id, name, currency and settings (JSON text) of the tenant of this name or id; raises `NotFound`."""
    found = read_frame(url, _TENANT, [name])
    if found.is_empty():
        raise NotFound(f"There is no tenant {name!r}.")
    return found.row(0, named=True)

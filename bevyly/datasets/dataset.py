"""What a data set becomes: rows in their latest state, and the events that led there, in one order.

`Draft` is what the file of a data set hands over; `assemble` gives ids, order, versions and history. Does not belong
here: what any one data set means, and how rows reach the database.
"""

from dataclasses import dataclass, field
from typing import Final

import polars as pl

from bevyly.datasets import payloads
from bevyly.datasets.tables import EVENTS, INSTANT, TABLES, conform
from bevyly.ids import derived_id

_ENTITIES: Final = ("accounts", "contacts", "leads", "opportunities", "activities")


@dataclass(frozen=True)
class Tenant:
    """The tenant that a data set is made for: ids and mail addresses depend on it."""

    customer_id: str
    slug: str

    def ids(self, *parts: str, keys: pl.Series) -> pl.Series:
        """The id that belongs to each of `keys` in this tenant; null where the key is null."""
        texts = keys.cast(pl.String).to_list()
        return pl.Series([None if key is None else derived_id(self.customer_id, *parts, key) for key in texts])

    def email(self, name: str) -> str:
        """An address at this tenant that no mail server ever delivers to."""
        return f"{name}@{self.slug}.example"


@dataclass(frozen=True)
class Dataset:
    """Frames with the columns of their tables, without `customer_id`; `events` are in order of `position` from 1."""

    name: str
    tenant: Tenant
    shift_weeks: int
    users: pl.DataFrame
    accounts: pl.DataFrame
    contacts: pl.DataFrame
    leads: pl.DataFrame
    opportunities: pl.DataFrame
    opportunity_history: pl.DataFrame
    activities: pl.DataFrame
    activity_participants: pl.DataFrame
    events: pl.DataFrame
    options: dict[str, str | int | bool] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """What the envelope of each event names as its source."""
        return f"bevyly/dataset/{self.name}"

    @property
    def tables(self) -> dict[str, pl.DataFrame]:
        """All rows by table, parents before children."""
        return {name: getattr(self, name) for name in TABLES}


@dataclass
class Draft:
    """A data set before `assemble`: rows of tables (final state) by name, events by kind, values that changed.

    `activities` has one row for each event of an activity: the last one is the state that its row keeps.
    `changes` has `opportunity_id`, `field`, `new_value`, `valid_from`, `order`, `key` (of the event).
    """

    users: pl.DataFrame = field(default_factory=pl.DataFrame)
    accounts: pl.DataFrame = field(default_factory=pl.DataFrame)
    contacts: pl.DataFrame = field(default_factory=pl.DataFrame)
    leads: pl.DataFrame = field(default_factory=pl.DataFrame)
    opportunities: pl.DataFrame = field(default_factory=pl.DataFrame)
    activities: pl.DataFrame = field(default_factory=pl.DataFrame)
    changes: pl.DataFrame = field(default_factory=pl.DataFrame)
    events: list[pl.DataFrame] = field(default_factory=list)


def assemble(
    draft: Draft, *, name: str, tenant: Tenant, shift_weeks: int, options: dict[str, str | int | bool] | None = None
) -> Dataset:
    """The data set of `draft`. Any prefix of a log gives a prefix of its events."""
    touches = [payloads.touches(draft.activities)] if draft.activities.height else []
    events = _in_order([*draft.events, *touches], name=name, tenant=tenant)
    subjects = events.group_by("subject_id").agg(
        version=pl.len().cast(pl.Int64), first_at=pl.col("occurred_at").min(), updated_at=pl.col("occurred_at").max()
    )
    rows = {table: _versioned(getattr(draft, table), table, subjects) for table in _ENTITIES if table != "activities"}
    return Dataset(
        name=name,
        tenant=tenant,
        shift_weeks=shift_weeks,
        users=conform(draft.users, TABLES["users"]),
        **rows,
        activities=_versioned(_latest(draft.activities), "activities", subjects),
        activity_participants=_participants(_latest(draft.activities)),
        opportunity_history=_history(draft.changes, events=events, tenant=tenant, name=name),
        events=conform(events, EVENTS),
        options=options or {},
    )


def _in_order(staged: list[pl.DataFrame], *, name: str, tenant: Tenant) -> pl.DataFrame:
    events = pl.concat([frame.with_columns(pl.col("order").cast(pl.Int64)) for frame in staged])
    ordered = events.sort("occurred_at", "order", "key").with_row_index("position", offset=1)
    return ordered.with_columns(
        tenant.ids(name, "event", keys=ordered["key"]).alias("event_id"),
        sequence=pl.int_range(1, pl.len() + 1).over("subject_id"),
        recorded_at=pl.col("occurred_at"),
    )


def _versioned(rows: pl.DataFrame, table: str, subjects: pl.DataFrame) -> pl.DataFrame:
    if not rows.height:
        return pl.DataFrame(schema=TABLES[table])
    known = rows.drop("version", "updated_at", strict=False)
    if "created_at" in known.columns:
        known = known.drop("created_at")
    known = known.join(subjects, left_on="id", right_on="subject_id").rename({"first_at": "created_at"})
    if "custom" not in known.columns:
        known = known.with_columns(custom=pl.lit("{}"))
    return conform(known.sort("created_at", "id"), TABLES[table])


def _latest(activities: pl.DataFrame) -> pl.DataFrame:
    if not activities.height:
        return activities
    return (
        activities.sort("occurred_at", "order")
        .unique("id", keep="last", maintain_order=True)
        .with_columns(recorded_at=pl.col("occurred_at"))
    )


def _participants(activities: pl.DataFrame) -> pl.DataFrame:
    if not activities.height:
        return pl.DataFrame(schema=TABLES["activity_participants"])
    present = activities.filter(pl.col("contact_id").is_not_null() & (pl.col("direction") != "internal"))
    renames = {"contact_email": "email", "contact_role": "role"}
    known = [name for name in renames if name in present.columns]
    named = present.select("contact_id", *known, activity_id="id").rename(renames, strict=False)
    ids = [derived_id(activity_id, "contact") for activity_id in named["activity_id"]]
    return conform(named.with_columns(pl.Series("id", ids, pl.String)), TABLES["activity_participants"])


def _history(changes: pl.DataFrame, *, events: pl.DataFrame, tenant: Tenant, name: str) -> pl.DataFrame:
    """Intervals without gaps: each value holds from its change to the next change of the same field."""
    if not changes.height:
        return pl.DataFrame(schema=TABLES["opportunity_history"])
    keyed = changes.join(events.select("key", "event_id"), on="key").sort("valid_from", "order")
    of_field = ["opportunity_id", "field"]
    intervals = keyed.with_columns(
        pl.col("new_value").shift(1).over(of_field).alias("old_value"),
        pl.col("valid_from").shift(-1).over(of_field).cast(INSTANT).alias("valid_to"),
        pl.col("valid_from").alias("recorded_at"),
        tenant.ids(name, "history", keys=keyed["key"] + "/" + keyed["field"]).alias("id"),
    )
    return conform(intervals, TABLES["opportunity_history"])


def rows_of(dataset: Dataset) -> int:
    """Number of rows in all tables."""
    return sum(frame.height for frame in dataset.tables.values())

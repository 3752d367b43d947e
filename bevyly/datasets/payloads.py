"""Events from rows: the payload of each event type, as the contracts in `bevyly/events/schemas` ask for it.

A frame of events before it is put in order has the columns `STAGED`: `key` is unique within the data set and makes the
event's id, `order` decides between events of one instant.
"""

from typing import Final

import polars as pl

from bevyly.datasets.jsontext import json_changes, json_object, rfc3339

STAGED: Final = ["key", "type", "subject_type", "subject_id", "occurred_at", "order", "data"]

_CREATED: Final[dict[str, tuple[str, ...]]] = {
    "account": (
        *("name", "domain", "industry", "employee_count", "annual_revenue_minor", "currency"),
        *("country", "owner_id"),
    ),
    "contact": ("account_id", "first_name", "last_name", "email", "title", "seniority", "role", "owner_id"),
    "lead": (
        *("company_name", "contact_name", "contact_email", "source", "status", "value_minor", "currency"),
        *("owner_id", "account_id", "contact_id"),
    ),
    "opportunity": (
        *("account_id", "contact_id", "lead_id", "name", "stage", "value_minor", "currency"),
        *("expected_close_date", "owner_id"),
    ),
}
_COLUMN_OF: Final = {"value_minor": "value"}
_TOUCH: Final = ("kind", "direction", "account_id", "contact_id", "lead_id", "opportunity_id", "owner_id")


def created(rows: pl.DataFrame, entity: str) -> pl.DataFrame:
    """`<entity>.created` for rows in the state in which they were created.

    `rows` has the columns of its table (absent ones are null), and `order`; `created_at` is when it happened.
    """
    fields = {f"{entity}_id": pl.col("id")}
    fields |= {name: _column(rows, _COLUMN_OF.get(name, name)) for name in _CREATED[entity]}
    return _staged(
        rows.with_columns(occurred_at=pl.col("created_at"), key=pl.lit(f"{entity}.created/") + pl.col("id")),
        type_=f"{entity}.created",
        subject=entity,
        data=json_object(fields, raw={"custom": _custom(rows)}),
    )


def updated(changes: pl.DataFrame, entity: str, fields: dict[str, str]) -> pl.DataFrame:
    """`<entity>.updated` for changes with `id`, `key`, `order`, `occurred_at` and `<stem>_before` / `<stem>_after`."""
    raw = {side: json_changes(fields, side=side) for side in ("before", "after")}
    return _staged(
        changes,
        type_=f"{entity}.updated",
        subject=entity,
        data=json_object({f"{entity}_id": pl.col("id")}, raw=raw),
    )


def converted(leads: pl.DataFrame) -> pl.DataFrame:
    """`lead.converted` for leads with `id`, `key`, `order`, `occurred_at` and what they became."""
    names = ("account_id", "contact_id", "opportunity_id")
    fields = {"lead_id": pl.col("id")} | {name: _column(leads, name) for name in names}
    return _staged(leads, type_="lead.converted", subject="lead", data=json_object(fields))


def stage_changed(moves: pl.DataFrame) -> pl.DataFrame:
    """`opportunity.stage_changed` for moves with `id`, `key`, `order`, `occurred_at`, stages, `status` and amount."""
    names = ("from_stage", "to_stage", "status", "value_minor", "currency")
    fields = {"opportunity_id": pl.col("id")} | {name: _column(moves, _COLUMN_OF.get(name, name)) for name in names}
    return _staged(moves, type_="opportunity.stage_changed", subject="opportunity", data=json_object(fields))


def touches(activities: pl.DataFrame) -> pl.DataFrame:
    """Events of activities: rows of that table with `type`, `key` and `order`."""
    fields = {"activity_id": pl.col("id")} | {name: _column(activities, name) for name in _TOUCH}
    fields |= {"subject": _column(activities, "subject"), "duration_seconds": _column(activities, "duration_seconds")}
    if "due_at" in activities.columns:
        fields["due_at"] = rfc3339(pl.col("due_at"))
    else:
        fields["due_at"] = pl.lit(None, pl.String)
    raw = {"participants": _participants(activities), "custom": _custom(activities)}
    return _staged(activities, type_=None, subject="activity", data=json_object(fields, raw=raw))


def _participants(activities: pl.DataFrame) -> pl.Expr:
    """The contact who took part; nobody of the other side takes part in internal work."""
    person = json_object(
        {
            "contact_id": _column(activities, "contact_id"),
            "email": _column(activities, "contact_email"),
            "role": _column(activities, "contact_role"),
        }
    )
    present = pl.col("contact_id").is_not_null() & (pl.col("direction") != "internal")
    return pl.when(present).then(pl.concat_str([pl.lit("["), person, pl.lit("]")])).otherwise(pl.lit("[]"))


def _staged(frame: pl.DataFrame, *, type_: str | None, subject: str, data: pl.Expr) -> pl.DataFrame:
    named = frame.with_columns(
        pl.lit(subject).alias("subject_type"), pl.col("id").alias("subject_id"), data.alias("data")
    )
    return (named if type_ is None else named.with_columns(pl.lit(type_).alias("type"))).select(STAGED)


def _column(frame: pl.DataFrame, name: str) -> pl.Expr:
    if name not in frame.columns:
        return pl.lit(None, pl.String)
    return pl.col(name).dt.to_string("iso") if frame.schema[name] == pl.Date() else pl.col(name)


def _custom(frame: pl.DataFrame) -> pl.Expr:
    return pl.col("custom") if "custom" in frame.columns else pl.lit("{}")

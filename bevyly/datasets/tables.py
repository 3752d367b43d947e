"""The shape of each table that a data set fills: columns and types, without `customer_id`, in order of their keys.

The database's own definition is in `bevyly.db.schema`; a test compares the two.
"""

from typing import Final

import polars as pl

INSTANT: Final = pl.Datetime("us", "UTC")

_VERSIONED = {
    "version": pl.Int64(),
    "external_id": pl.String(),
    "custom": pl.String(),
    "created_at": INSTANT,
    "updated_at": INSTANT,
}

TABLES: Final[dict[str, dict[str, pl.DataType]]] = {
    "users": {
        "id": pl.String(),
        "email": pl.String(),
        "name": pl.String(),
        "role": pl.String(),
        "external_id": pl.String(),
        "created_at": INSTANT,
    },
    "accounts": {
        "id": pl.String(),
        "name": pl.String(),
        "domain": pl.String(),
        "industry": pl.String(),
        "employee_count": pl.Int64(),
        "annual_revenue_minor": pl.Int64(),
        "currency": pl.String(),
        "country": pl.String(),
        "owner_id": pl.String(),
        **_VERSIONED,
    },
    "contacts": {
        "id": pl.String(),
        "account_id": pl.String(),
        "first_name": pl.String(),
        "last_name": pl.String(),
        "email": pl.String(),
        "title": pl.String(),
        "seniority": pl.String(),
        "role": pl.String(),
        "owner_id": pl.String(),
        **_VERSIONED,
    },
    "leads": {
        "id": pl.String(),
        "company_name": pl.String(),
        "contact_name": pl.String(),
        "contact_email": pl.String(),
        "source": pl.String(),
        "status": pl.String(),
        "value": pl.Int64(),
        "currency": pl.String(),
        "account_id": pl.String(),
        "contact_id": pl.String(),
        "opportunity_id": pl.String(),
        "converted_at": INSTANT,
        "owner_id": pl.String(),
        **_VERSIONED,
    },
    "opportunities": {
        "id": pl.String(),
        "account_id": pl.String(),
        "contact_id": pl.String(),
        "lead_id": pl.String(),
        "name": pl.String(),
        "stage": pl.String(),
        "status": pl.String(),
        "value": pl.Int64(),
        "currency": pl.String(),
        "expected_close_date": pl.Date(),
        "stage_entered_at": INSTANT,
        "closed_at": INSTANT,
        "owner_id": pl.String(),
        **_VERSIONED,
    },
    "opportunity_history": {
        "id": pl.String(),
        "opportunity_id": pl.String(),
        "field": pl.String(),
        "old_value": pl.String(),
        "new_value": pl.String(),
        "valid_from": INSTANT,
        "valid_to": INSTANT,
        "recorded_at": INSTANT,
        "event_id": pl.String(),
    },
    "activities": {
        "id": pl.String(),
        "kind": pl.String(),
        "direction": pl.String(),
        "subject": pl.String(),
        "occurred_at": INSTANT,
        "recorded_at": INSTANT,
        "due_at": INSTANT,
        "completed_at": INSTANT,
        "duration_seconds": pl.Int64(),
        "account_id": pl.String(),
        "contact_id": pl.String(),
        "opportunity_id": pl.String(),
        "lead_id": pl.String(),
        "owner_id": pl.String(),
        **_VERSIONED,
    },
    "activity_participants": {
        "id": pl.String(),
        "activity_id": pl.String(),
        "contact_id": pl.String(),
        "email": pl.String(),
        "role": pl.String(),
    },
}

EVENTS: Final[dict[str, pl.DataType]] = {
    "position": pl.Int64(),
    "event_id": pl.String(),
    "type": pl.String(),
    "subject_type": pl.String(),
    "subject_id": pl.String(),
    "sequence": pl.Int64(),
    "occurred_at": INSTANT,
    "recorded_at": INSTANT,
    "data": pl.String(),
}


def conform(frame: pl.DataFrame, columns: dict[str, pl.DataType]) -> pl.DataFrame:
    """`frame` with exactly `columns`: absent ones are null, others are dropped."""
    if not frame.width:
        return pl.DataFrame(schema=columns)
    return frame.select(
        (pl.col(name) if name in frame.columns else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in columns.items()
    )

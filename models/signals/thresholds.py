"""Where a detector draws its line: defaults for everybody, and a tenant's own values beside them.

Belongs here: the numbers and how they become columns. What a number is compared with is the detector's business.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

import polars as pl

from bevyly.errors import Invalid

PREFIX = "t_"


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Defaults of the catalogue. Days unless the name says otherwise."""

    stall_ratio: float = 1.5
    stall_floor: float = 7
    stall_without_history: float = 30
    aging_ratio: float = 2
    aging_floor: float = 14
    aging_without_history: float = 180
    dark_days: float = 14
    ghost_ratio: float = 1.5
    ghost_floor: float = 3
    ghost_touches: float = 2
    reply_days_without_history: float = 2
    slips: float = 2
    slip_days: float = 30
    pulled_in_days: float = 7
    engaged_contacts: float = 2
    surge_ratio: float = 2
    surge_floor: float = 3
    surge_min_age: float = 14
    drop_ratio: float = 1 / 3
    drop_floor: float = 2
    amount_change: float = 0.2
    intent_days: float = 3
    intent_touches: float = 2
    ready_intent_points: float = 80
    untouched_days: float = 1
    missing_fields: float = 3
    adoption: float = 0.1  # share of a tenant's entities that record a thing before its absence means anything


NAMES = tuple(field.name for field in fields(Thresholds))


def t(name: str) -> pl.Expr:
    """The threshold `name` of the row's tenant."""
    if name not in NAMES:
        raise Invalid(f"There is no threshold named {name!r}.")
    return pl.col(PREFIX + name)


def with_thresholds(frame: pl.DataFrame, overrides: Mapping[str, Mapping[str, float]]) -> pl.DataFrame:
    """`frame` with one column a threshold: the defaults, or what `overrides[customer_id]` says instead."""
    tenants = frame.get_column("customer_id").unique().sort().to_list()
    rows = [{"customer_id": tenant, **_of(overrides.get(tenant, {}))} for tenant in tenants]
    schema: dict[str, type[pl.DataType]] = {"customer_id": pl.String, **{PREFIX + name: pl.Float64 for name in NAMES}}
    return frame.join(pl.DataFrame(rows, schema=schema), on="customer_id", how="left", maintain_order="left")


def _of(override: Mapping[str, float]) -> dict[str, float]:
    unknown = sorted(set(override) - set(NAMES))
    if unknown:
        raise Invalid(f"Unknown thresholds: {', '.join(unknown)}.", thresholds=unknown)
    return {PREFIX + name: float(value) for name, value in (asdict(Thresholds()) | dict(override)).items()}

"""Where a detector draws its line, as columns: defaults for everybody, and a tenant's own values beside them.

Belongs here: how the numbers of `bevyly.intent.thresholds` become columns. What a number is compared with is the
detector's business.
"""

from collections.abc import Mapping
from dataclasses import asdict

import polars as pl

from bevyly.errors import Invalid
from bevyly.intent.thresholds import NAMES, Thresholds

PREFIX = "t_"


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

"""Where a detector draws its line, as columns: defaults for everybody, then what was learned, then what people set.

Belongs here: how the numbers of `bevyly.intent.thresholds` become columns. What a number is compared with is the
detector's business, what is learned that of `lines`.
"""

from collections.abc import Mapping
from dataclasses import asdict

import polars as pl

from bevyly.errors import Invalid
from bevyly.intent.thresholds import NAMES, Thresholds, parted

PREFIX = "t_"


def t(name: str) -> pl.Expr:
    """The threshold `name` of the row's tenant, and stage where it has one."""
    if name not in NAMES:
        raise Invalid(f"There is no threshold named {name!r}.")
    return pl.col(PREFIX + name)


def with_thresholds(
    frame: pl.DataFrame, overrides: Mapping[str, Mapping[str, float]], learned: pl.DataFrame | None = None
) -> pl.DataFrame:
    """`frame` with one column a threshold; of several values the last of these holds: the default, what was learned for
    the tenant, for the stage, what `overrides[customer_id]` says, what it says for the stage as `name@stage`.

    `learned`: customer_id, name, stage (empty: all), value.
    """
    chosen: dict[str, pl.Expr] = {name: pl.lit(float(value)) for name, value in asdict(Thresholds()).items()}
    columns = frame.columns
    for number, layer in enumerate(part for rows in (learned, _rows(overrides)) for part in _layers(rows)):
        keys = [key for key in ("customer_id", "stage") if key in layer.columns]
        if layer.is_empty() or ("stage" in keys and "stage" not in columns):
            continue
        wide = layer.pivot("name", index=keys, values="value")
        names = [name for name in wide.columns if name not in keys]
        frame = frame.join(
            wide.rename({name: f"_{number}_{name}" for name in names}), on=keys, how="left", maintain_order="left"
        )
        chosen |= {name: pl.coalesce(f"_{number}_{name}", chosen[name]) for name in names}
    return frame.with_columns(value.alias(PREFIX + name) for name, value in chosen.items()).select(
        *columns, *(PREFIX + name for name in chosen)
    )


def _layers(rows: pl.DataFrame | None) -> list[pl.DataFrame]:
    """What holds for all stages, then what holds for one."""
    if rows is None or rows.is_empty():
        return []
    columns = ["customer_id", "name", "value"]
    whole = pl.col("stage") == ""
    return [rows.filter(whole).select(columns), rows.filter(~whole).select(*columns, "stage")]


def _rows(overrides: Mapping[str, Mapping[str, float]]) -> pl.DataFrame:
    """Values that people set, as rows; raises `Invalid` for a name that the catalogue does not have."""
    unknown = sorted({key for values in overrides.values() for key in values if parted(key)[0] not in NAMES})
    if unknown:
        raise Invalid(f"Unknown thresholds: {', '.join(unknown)}.", thresholds=unknown)
    rows = [
        (tenant, *parted(key), float(value)) for tenant, values in overrides.items() for key, value in values.items()
    ]
    schema = {"customer_id": pl.String, "name": pl.String, "stage": pl.String, "value": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")

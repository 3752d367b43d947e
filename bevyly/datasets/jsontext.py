"""JSON as text, built by polars for whole columns at once. Knows nothing of events or tables."""

from collections.abc import Mapping

import polars as pl

RFC3339 = "%Y-%m-%dT%H:%M:%S%.6fZ"


def json_object(fields: Mapping[str, pl.Expr], *, raw: Mapping[str, pl.Expr] | None = None) -> pl.Expr:
    """An object of `fields` (at least one of them a column), then of `raw`, whose values are JSON text already."""
    encoded = pl.struct([value.alias(name) for name, value in fields.items()]).struct.json_encode()
    if not raw:
        return encoded
    parts = [encoded.str.strip_suffix("}")]
    for name, value in raw.items():
        parts += [pl.lit(f',"{name}":'), value]
    return pl.concat_str([*parts, pl.lit("}")])


def json_value(value: pl.Expr) -> pl.Expr:
    """One value as JSON text."""
    return pl.struct(value.alias("v")).struct.json_encode().str.slice(len('{"v":')).str.strip_suffix("}")


def json_changes(fields: Mapping[str, str], *, side: str) -> pl.Expr:
    """An object of those fields that changed, with their values on `side` (before or after).

    `fields` maps a name in the object to the stem of its two columns, `<stem>_before` and `<stem>_after`.
    """
    members = [
        pl.when(pl.col(f"{stem}_before").ne_missing(pl.col(f"{stem}_after"))).then(
            pl.concat_str([pl.lit(f'"{name}":'), json_value(pl.col(f"{stem}_{side}"))])
        )
        for name, stem in fields.items()
    ]
    return pl.concat_str([pl.lit("{"), pl.concat_str(members, separator=",", ignore_nulls=True), pl.lit("}")])


def rfc3339(instant: pl.Expr) -> pl.Expr:
    """An instant in UTC as text that ends in Z."""
    return instant.dt.strftime(RFC3339)

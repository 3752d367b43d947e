"""Reasons: the largest contributions for and against, in words, and a remainder, so that they sum to the logit.

Belongs here: choosing them and laying them out as a list per row. Words are `texts`, contributions come from `heads`.
"""

import numpy as np
import polars as pl

from models.heads import Head, Scored
from models.schema import REASON
from models.texts import shown, template_of

MOST = 5  # each way
_NOTHING = 1e-9


def reasons(head: Head, scored: Scored) -> pl.Series:
    """list[struct] per row: up to five for (largest first), up to five against, then 'other' with the rest.

    baseline + sum of contributions = logit, per row.
    """
    rows, features = scored.parts.shape
    chosen, worth = _chosen(scored.parts)
    given = np.abs(worth) > _NOTHING
    long = pl.DataFrame(
        {
            "row": np.repeat(np.arange(rows), given.sum(axis=1)),
            "feature": chosen[given],
            "contribution": worth[given],
        },
        schema={"row": pl.Int64, "feature": pl.Int64, "contribution": pl.Float64},
    )
    told = _told(head, scored, long)
    rest = (scored.logit - scored.baseline) - np.where(given, worth, 0.0).sum(axis=1)
    return _listed(pl.concat([told, _others(rest)]), rows)


def _chosen(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(features, contributions), each (rows, ≤ 10): the strongest for, descending, then against; others as zero."""
    most = min(MOST, parts.shape[1])
    if not most:
        empty = np.empty((len(parts), 0))
        return empty.astype(int), empty
    top = np.argpartition(-parts, most - 1, axis=1)[:, :most]
    bottom = np.argpartition(parts, most - 1, axis=1)[:, :most]
    (top, up), (bottom, down) = _ordered(parts, top, -1.0), _ordered(parts, bottom, 1.0)
    return np.hstack([top, bottom]), np.hstack([np.maximum(up, 0.0), np.minimum(down, 0.0)])


def _ordered(parts: np.ndarray, columns: np.ndarray, sign: float) -> tuple[np.ndarray, np.ndarray]:
    worth = np.take_along_axis(parts, columns, axis=1)
    order = np.lexsort((columns, sign * worth), axis=1)
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(worth, order, axis=1)


def _told(head: Head, scored: Scored, long: pl.DataFrame) -> pl.DataFrame:
    """`long` with code, text, feature name, value and norm; formatted feature by feature."""
    pieces = []
    for (index,), piece in long.group_by("feature", maintain_order=True):
        j = int(index)  # type: ignore[call-overload]
        feature, template = head.shape.encoder.features_[j], template_of(head.shape.encoder.features_[j])
        values = shown(feature, template, scored.values[piece["row"].to_numpy(), j])
        norm = shown(feature, template, head.norms[j : j + 1]).item()
        before, after = template.known.replace("{norm}", norm or "unknown").split("{value}")
        way = pl.when(pl.col("contribution") > 0).then(pl.lit(":for")).otherwise(pl.lit(":against"))
        pieces.append(
            piece.with_columns(value=values, norm=pl.lit(norm, dtype=pl.String)).select(
                "row",
                code=pl.lit(feature.name) + way,
                text=(pl.lit(before) + pl.col("value") + pl.lit(after)).fill_null(template.missing),
                feature=pl.lit(feature.name),
                value="value",
                norm="norm",
                contribution="contribution",
            )
        )
    return pl.concat(pieces) if pieces else _others(np.empty(0))


def _others(rest: np.ndarray) -> pl.DataFrame:
    nothing = pl.lit(None, dtype=pl.String)
    return pl.DataFrame({"row": np.arange(len(rest)), "contribution": rest}, schema={"row": pl.Int64, "contribution": pl.Float64}).select(
        "row", code=pl.lit("other"), text=pl.lit("Everything else together"), feature=nothing, value=nothing, norm=nothing, contribution="contribution"
    )


def _listed(long: pl.DataFrame, rows: int) -> pl.Series:
    """One list per row: for descending, against ascending, 'other' last."""
    fields = list(dict(REASON.to_schema()))
    place = (
        pl.when(pl.col("code") == "other")
        .then(pl.lit(float("inf")))
        .when(pl.col("contribution") > 0)
        .then(-pl.col("contribution"))
        .otherwise(1e6 + pl.col("contribution"))
    )
    lists = long.with_columns(_place=place).sort("row", "_place", "feature").group_by("row", maintain_order=True)
    series = lists.agg(reasons=pl.struct(fields))["reasons"]
    assert len(series) == rows
    return series

"""Reasons: the largest contributions for and against, in words, and a remainder, so that they sum to the logit.

Belongs here: choosing them and laying them out as a list per row. Words are `texts`, contributions come from `heads`.
"""

import numpy as np
import polars as pl

from models.contracts import agreed_sign
from models.encoding import Feature
from models.heads import Head, Scored
from models.schema import REASON
from models.signs import AGREED
from models.tables import summed
from models.texts import displayed, template_of

MOST = 5  # each way
OTHER = "other"
_NOTHING = 1e-9
_NO_DRAWBACK = ", which has been no drawback here"
_NO_ADVANTAGE = ", which has been no advantage here"
_CONTRARY = " (contrary to what is expected; learned from {n})"
_OTHER = pl.DataFrame(
    {
        "code": [OTHER],
        "text": ["Everything else together"],
        "feature": [None],
        "value": [None],
        "norm": [None],
        "contrary_n": [None],
    },
    schema=dict.fromkeys(("code", "text", "feature", "value", "norm"), pl.String) | {"contrary_n": pl.Int64},
)


def reasons(head: Head, scored: Scored) -> pl.Series:
    """list[struct] per row: up to five for (largest first), up to five against, then 'other' with the rest.

    baseline + sum of contributions = logit, per row. What reads as what is typical is no reason: it goes to 'other'.
    """
    chosen, worth = _chosen(scored.parts)
    given = np.abs(worth) > _NOTHING
    told = _told(head, scored, np.where(given, chosen, -1), worth)
    given &= ~(told["value"] == told["norm"]).fill_null(value=False).to_numpy().reshape(len(given), -1)[:, :-1]
    rest = (scored.logit - scored.baseline) - summed(np.where(given, worth, 0.0))
    contribution = np.hstack([worth, rest[:, None]]).ravel()
    kept = np.hstack([given, np.ones((len(rest), 1), dtype=bool)]).ravel()
    codes = told["code"] + pl.Series(np.where(contribution > 0, ":for", ":against"))
    named = told.with_columns(
        code=pl.when(told["feature"].is_null()).then(pl.lit(OTHER)).otherwise(codes),
        contribution=pl.Series(contribution),
        kept=pl.Series(kept),
    )
    return _listed(named, len(rest), chosen.shape[1] + 1)


def none(rows: int) -> pl.Series:
    """An empty list for each row."""
    return pl.Series([[]], dtype=pl.List(REASON)).new_from_index(0, rows)


def _chosen(parts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(features, contributions), each (rows, ≤ 10): the strongest for, descending, then against; others as zero."""
    most = min(MOST, parts.shape[1])
    if not most:
        empty = np.empty((len(parts), 0))
        return empty.astype(int), empty
    # stable: of equal contributions the same ones are chosen on every processor, which partitions do not promise
    order = np.argsort(parts, axis=1, kind="stable")
    top, up = _ordered(parts, order[:, -most:], -1.0)
    bottom, down = _ordered(parts, order[:, :most], 1.0)
    return np.hstack([top, bottom]), np.hstack([np.maximum(up, 0.0), np.minimum(down, 0.0)])


def _ordered(parts: np.ndarray, columns: np.ndarray, sign: float) -> tuple[np.ndarray, np.ndarray]:
    worth = np.take_along_axis(parts, columns, axis=1)
    order = np.lexsort((columns, sign * worth), axis=1)
    return np.take_along_axis(columns, order, axis=1), np.take_along_axis(worth, order, axis=1)


def _told(head: Head, scored: Scored, chosen: np.ndarray, worth: np.ndarray) -> pl.DataFrame:
    """code (the feature's name yet), text, feature, value, norm of every place of `chosen` and of 'other' after each
    row.

    Texts are made once per distinct shown value and then pointed at, each as it is and with the remark that it reads
    against common sense; -1 in `chosen` is an empty place. `worth` has the contribution of each place.
    """
    rows, places = chosen.shape
    pointer = np.zeros((rows, places + 1), dtype=np.int64)
    dictionary = [_OTHER]
    size = 1
    for j, feature in enumerate(head.shape.encoder.features_):
        row, place = np.nonzero(chosen == j)
        if not len(row):
            continue
        values, norm = scored.values[row, j], head.norms[j : j + 1]
        distinct, of = displayed(feature, values)
        rows_behind = AGREED if head.contrary is None else int(head.contrary[j])
        entries = _entries(feature, distinct, _norm(feature, norm), rows_behind)
        odd = _odd(feature, values, norm, worth[row, place]) if rows_behind == AGREED else np.zeros(len(row), dtype=int)
        remarks = [_with_remark(entries, remark) for remark in (_NO_DRAWBACK, _NO_ADVANTAGE)]
        dictionary += [entries, *remarks]
        pointer[row, place] = size + of + odd * len(distinct)
        size += len(distinct) * (1 + len(remarks))
    return pl.concat(dictionary)[pointer.ravel()]


def _odd(feature: Feature, values: np.ndarray, norm: np.ndarray, worth: np.ndarray) -> np.ndarray:
    """int (rows,): 1 where what is commonly a drawback speaks for it, 2 where an advantage speaks against it, else 0.

    Contributions are against the mean of all, values are told beside what is typical: the two can differ.
    """
    sign = agreed_sign(feature.name)
    with np.errstate(invalid="ignore"):
        good = sign * (values - norm)
        return np.where((good < 0) & (worth > 0), 1, np.where((good > 0) & (worth < 0), 2, 0))


def _with_remark(entries: pl.DataFrame, remark: str) -> pl.DataFrame:
    """`entries` with `remark` where there is a value."""
    remarked = pl.when(pl.col("value").is_not_null()).then(pl.col("text") + pl.lit(remark)).otherwise("text")
    return entries.with_columns(text=remarked)


def _norm(feature: Feature, value: np.ndarray) -> str | None:
    texts, place = displayed(feature, value)
    text: str | None = texts.item(int(place[0]))
    return text


def _entries(feature: Feature, distinct: pl.Series, norm: str | None, rows_behind: int) -> pl.DataFrame:
    """One row per distinct shown value of `feature`; what is contrary to the agreed sign says so, with its rows."""
    template = template_of(feature)
    remark = "" if rows_behind == AGREED else _CONTRARY.format(n=_rows(rows_behind))
    before, after = template.known.replace("{norm}", norm or "unknown").split("{value}")
    return pl.DataFrame({"value": distinct}).select(
        code=pl.lit(feature.name),
        text=(pl.lit(before) + pl.col("value") + pl.lit(after)).fill_null(template.missing) + pl.lit(remark),
        feature=pl.lit(feature.name),
        value="value",
        norm=pl.lit(norm, dtype=pl.String),
        contrary_n=pl.lit(None if rows_behind == AGREED else rows_behind, dtype=pl.Int64),
    )


def _rows(behind: int) -> str:
    return f"{behind:,} rows of yours" if behind else "what tenants have in common"


def _listed(named: pl.DataFrame, rows: int, places: int) -> pl.Series:
    """One list per `places` consecutive rows of `named`, without those not kept."""
    fields = pl.struct(list(dict(REASON.to_schema())))
    flat = named.select(pl.when("kept").then(fields)).to_series()
    return flat.reshape((rows, places)).arr.to_list().list.drop_nulls()

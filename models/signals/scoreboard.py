"""The scoreboard: how often each detector was right for a tenant, against what would have been expected anyway.

However many snapshots showed it, an entity is one case. Belongs here: counting. Whether a
detector has to be silent, and how loud it may be, is decided by `standing`.
"""

from collections.abc import Mapping

import polars as pl

from models.signals.detector import Detector
from models.signals.outcomes import Z, shown
from models.signals.registry import DETECTORS

COUNTS: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "signal_type": pl.String(),
    "n": pl.Int64(),
    "hits": pl.Int64(),
    "votes": pl.Float64(),
    "votes_right": pl.Float64(),
    "expected": pl.Float64(),
    "lead_days": pl.Float64(),
    "lead_days_low": pl.Float64(),
    "lead_days_high": pl.Float64(),
}


def count(past: Mapping[str, pl.DataFrame], detectors: tuple[Detector, ...] = DETECTORS) -> pl.DataFrame:
    """One row (COUNTS) a tenant and detector that was ever shown on an entity that is decided.

    `past`: by entity type, the frame of `models.patterns.history`: flags, mart columns, `won`, `decided_at`. `n` and
    `hits` are entities, by the first snapshot that showed it. `votes`, `votes_right` and `expected` compare them with
    those alike that did not show it (see `outcomes.shown`). `lead_days` is the median from first seen to the outcome
    where it was right, with a 90 % interval.
    """
    found = [
        _of(frame, detector, entity_type)
        for entity_type, frame in sorted(past.items())
        if not frame.is_empty()
        for detector in detectors
        if entity_type in detector.entity_types and detector.predicts
    ]
    if not found:
        return pl.DataFrame(schema=COUNTS)
    vote, hit, first = pl.col("vote"), pl.col("hit"), pl.col("is_first")
    days = pl.col("days").filter(first & hit).sort()
    right = (first & hit).sum().cast(pl.Float64)
    low, high = (((right - 1) / 2 + sign * Z * right.sqrt() / 2).round(0).clip(0) for sign in (-1, 1))
    counted = (
        pl.concat(found)
        .group_by("customer_id", "signal_type")
        .agg(
            first.sum().cast(pl.Int64).alias("n"),
            (first & hit).sum().cast(pl.Int64).alias("hits"),
            vote.sum().round(6).alias("votes"),
            (vote * hit).sum().round(6).alias("votes_right"),
            (vote * pl.col("expected")).sum().round(6).alias("expected"),
            days.median().alias("lead_days"),
            days.get(low.cast(pl.Int64), null_on_oob=True).alias("lead_days_low"),
            days.get(pl.min_horizontal(high, right - 1).cast(pl.Int64), null_on_oob=True).alias("lead_days_high"),
        )
    )
    return counted.select(list(COUNTS)).sort("customer_id", "signal_type")


def _of(frame: pl.DataFrame, detector: Detector, entity_type: str) -> pl.DataFrame:
    polarity = pl.lit(detector.polarity) if isinstance(detector.polarity, str) else detector.polarity
    rows = frame.with_columns(pl.lit(entity_type).alias("entity_type"))
    seen = shown(rows, pl.col(detector.signal_type), polarity, ["moment"])
    return seen.with_columns(pl.lit(detector.signal_type).alias("signal_type"))

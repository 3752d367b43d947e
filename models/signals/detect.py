"""Run the detectors: mart frames in, signals frame out. The same flags over past snapshots are history for patterns.

Belongs here: how one detector becomes rows, and how all of them do. Rules are in `detectors/`.
"""

from collections.abc import Iterable
from datetime import datetime

import polars as pl
import polars.selectors as cs

from models.signals.detector import ACCOUNT, LEAD, OPPORTUNITY, Detector
from models.signals.frames import Frames, habits, prepare
from models.signals.registry import detectors_of
from models.signals.thresholds import t

SCHEMA: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "entity_type": pl.String(),
    "entity_id": pl.String(),
    "signal_type": pl.String(),
    "polarity": pl.String(),
    "severity": pl.String(),
    "strength": pl.Float64(),
    "title": pl.String(),
    "data": pl.String(),
    "evidence": pl.List(pl.String()),
    "dedupe_key": pl.String(),
    "detector_version": pl.String(),
    "seen_at": pl.Datetime("us", "UTC"),
    "expires_at": pl.Datetime("us", "UTC"),
}

WEIGHTS: dict[str, pl.DataType] = {"customer_id": pl.String(), "signal_type": pl.String(), "weight": pl.Float64()}


def detect(frames: Frames, *, as_of: datetime, known_habits: pl.DataFrame | None = None) -> pl.DataFrame:
    """All signals that hold in `frames`, in a stable order. Rows later than `as_of` are not read.

    For some entities of a tenant only, pass `habits(all its frames)` as `known_habits`: the tenant's habits do not
    follow from a few of its rows.
    """
    shared = habits(frames) if known_habits is None else known_habits
    found = []
    for entity_type in (OPPORTUNITY, LEAD, ACCOUNT):
        frame = prepare(frames, entity_type, shared)
        if frame is not None:
            frame = frame.filter(pl.col("as_of") <= as_of)
            found += [_rows(frame, detector) for detector in detectors_of(entity_type)]
    if not found:
        return pl.DataFrame(schema=SCHEMA)
    rows = _with_severity(pl.concat(found), frames.weights)
    return rows.sort("customer_id", "entity_type", "entity_id", "signal_type")


def flags(frames: Frames, entity_type: str, *, known_habits: pl.DataFrame | None = None) -> pl.DataFrame:
    """Entity × signal as booleans, one row a row of the mart frame, with customer_id, entity_id and as_of."""
    frame = prepare(frames, entity_type, known_habits)
    detectors = detectors_of(entity_type)
    if frame is None:
        keys = {"customer_id": pl.String(), "entity_id": pl.String(), "as_of": SCHEMA["seen_at"]}
        return pl.DataFrame(schema=keys | {d.signal_type: pl.Boolean() for d in detectors})
    return frame.select("customer_id", "entity_id", "as_of", *(holds(d).alias(d.signal_type) for d in detectors))


def holds(detector: Detector) -> pl.Expr:
    """True on the rows of a prepared frame on which `detector` is raised; never null."""
    condition = detector.condition
    if detector.records is not None:
        condition = condition & (pl.col(f"records_{detector.records}").fill_null(0.0) >= t("adoption"))
    return condition.fill_null(value=False)


def _rows(frame: pl.DataFrame, detector: Detector) -> pl.DataFrame:
    polarity = pl.lit(detector.polarity) if isinstance(detector.polarity, str) else detector.polarity
    anchor = detector.anchor.fill_null("start")
    key = pl.format(f"{detector.signal_type}:{{}}:{{}}:{{}}", "entity_type", "entity_id", anchor)
    seen_at = pl.col("as_of").dt.cast_time_unit("us")
    return _with_data(frame.filter(holds(detector)), detector).select(
        "customer_id",
        "entity_type",
        "entity_id",
        pl.lit(detector.signal_type).alias("signal_type"),
        polarity.alias("polarity"),
        pl.lit(None, dtype=pl.String).alias("severity"),
        detector.strength.cast(pl.Float64).fill_nan(1.0).clip(0.0, 99.0).round(4).alias("strength"),
        detector.title.alias("title"),
        pl.struct(cs.starts_with("data_").name.replace("^data_", "")).struct.json_encode().alias("data"),
        _evidence(detector).alias("evidence"),
        key.alias("dedupe_key"),
        pl.lit(detector.version).alias("detector_version"),
        seen_at.alias("seen_at"),
        (seen_at + pl.duration(hours=int(24 * detector.lives_days))).alias("expires_at"),
    )


def _evidence(detector: Detector) -> pl.Expr:
    """Ids of the events that show it; where nothing happened since the entity was created, the event that did that."""
    named = _known(detector.evidence)
    return pl.when(named.list.len() > 0).then(named).otherwise(_known(("created_event_id",)))


def _known(named: Iterable[str | pl.Expr]) -> pl.Expr:
    columns = (pl.col(one) if isinstance(one, str) else one for one in named)
    events = pl.concat_list(column.cast(pl.String) for column in columns)
    return events.list.drop_nulls().list.unique(maintain_order=True)


def _with_data(found: pl.DataFrame, detector: Detector) -> pl.DataFrame:
    """The values behind the finding as `data_*` columns; rounded, so that equal states give equal text."""
    values = {"since_days": detector.since_days.clip(lower_bound=0.0), **detector.data}
    found = found.with_columns(value.alias(f"data_{name}") for name, value in values.items())
    return found.with_columns((cs.starts_with("data_") & cs.float()).round(2))


def _with_severity(found: pl.DataFrame, weights: pl.DataFrame | None) -> pl.DataFrame:
    """How far beyond the line, times how much the detector has meant for the tenant: `weights` has customer_id,
    signal_type, weight, 1 where nothing is known yet. From 1.5 on medium, from 2 high, from 3 critical (bad news only).
    """
    known = pl.DataFrame(schema=WEIGHTS) if weights is None else weights.select(list(WEIGHTS))
    found = found.join(known, on=["customer_id", "signal_type"], how="left", maintain_order="left")
    effect = pl.col("strength") * pl.col("weight").fill_null(1.0)
    severity = (
        pl.when((effect >= 3) & (pl.col("polarity") == "-"))
        .then(pl.lit("critical"))
        .when(effect >= 2)
        .then(pl.lit("high"))
        .when(effect >= 1.5)
        .then(pl.lit("medium"))
        .otherwise(pl.lit("low"))
    )
    return found.with_columns(severity.alias("severity")).drop("weight")

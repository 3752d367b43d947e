"""Where a tenant's own outcomes draw a detector's line: at a multiple of its default, for all stages or for one.

A line is moved only where that says more on the older outcomes, and still does on the newer ones that it was not chosen
by. Belongs here: which multiples are tried and when one is taken. Settings of a person go before (`thresholds`).
"""

from collections.abc import Mapping
from dataclasses import asdict

import polars as pl

from bevyly.intent.thresholds import Thresholds
from models.signals.detect import holds
from models.signals.detector import OPPORTUNITY, Detector
from models.signals.outcomes import shown
from models.signals.registry import DETECTORS
from models.signals.thresholds import PREFIX

MULTIPLES = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
CHOSEN_ON = 0.7  # of the outcomes, the older ones
MIN_SHOWN = 40  # entities on which a line was crossed, among those that it is chosen by
BETTER_BY = 1.0  # standard deviations of chance

LINES: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "name": pl.String(),
    "stage": pl.String(),
    "value": pl.Float64(),
    "n": pl.Int64(),
    "gain": pl.Float64(),
}


def learn_lines(past: Mapping[str, pl.DataFrame], detectors: tuple[Detector, ...] = DETECTORS) -> pl.DataFrame:
    """One row (LINES) a tenant, threshold and stage (empty: all) whose line is moved; `gain` in deviations of chance.

    `past`: by entity type, prepared snapshots of `frames.prepare` with outcomes.
    """
    frames = {kind: _split(frame, kind) for kind, frame in sorted(past.items()) if not frame.is_empty()}
    found = []
    for name in sorted({d.learns for d in detectors if d.learns is not None}):
        own = [d for d in detectors if d.learns == name]
        found.append(_best(_tried(frames, own, name, by_stage=False), name))
        found.append(_best(_tried(frames, own, name, by_stage=True), name))
    return pl.concat([pl.DataFrame(schema=LINES), *found]).sort("customer_id", "name", "stage")


def _split(frame: pl.DataFrame, entity_type: str) -> pl.DataFrame:
    """With `is_newer`: decided among the last of the tenant, as whole entities."""
    ends = frame.group_by("customer_id").agg(
        pl.col("decided_at").sort().quantile(CHOSEN_ON, interpolation="nearest").alias("chosen_until")
    )
    newer = (pl.col("decided_at") > pl.col("chosen_until")).alias("is_newer")
    stage = pl.col("stage") if entity_type == OPPORTUNITY else pl.lit(None, dtype=pl.String)
    return frame.join(ends, on="customer_id", maintain_order="left").with_columns(newer, stage.alias("_stage"))


def _tried(frames: Mapping[str, pl.DataFrame], own: list[Detector], name: str, *, by_stage: bool) -> pl.DataFrame:
    """customer_id, stage, multiple, is_newer, n, excess over what was expected in deviations of chance."""
    default = asdict(Thresholds())[name]
    parts = []
    for detector in own:
        for kind in detector.entity_types:
            if kind in frames and (kind == OPPORTUNITY or not by_stage):
                for multiple in MULTIPLES:
                    moved = frames[kind].with_columns(pl.lit(default * multiple).alias(PREFIX + name))
                    parts.append(_crossed(moved, detector, by_stage=by_stage).with_columns(multiple=pl.lit(multiple)))
    if not parts:
        return pl.DataFrame()
    vote, expected = pl.col("vote"), pl.col("expected")
    chance = (vote * expected * (1 - expected)).sum().sqrt().clip(lower_bound=0.5)
    excess = (vote * (pl.col("hit").cast(pl.Float64) - expected)).sum() / chance
    keys = ["customer_id", "stage", "multiple", "is_newer"]
    return pl.concat(parts).group_by(keys).agg(vote.sum().floor().cast(pl.Int64).alias("n"), excess.alias("excess"))


def _crossed(rows: pl.DataFrame, detector: Detector, *, by_stage: bool) -> pl.DataFrame:
    """Rows on which the line was crossed, compared with others of their moment, or of their stage."""
    alike = ["_stage" if by_stage else "moment", "is_newer"]
    staged = rows.filter(pl.col("_stage").is_not_null()) if by_stage else rows.with_columns(pl.lit("").alias("_stage"))
    found = shown(staged, holds(detector), pl.lit(detector.polarity), alike, by=["_stage", "is_newer"])
    return found.rename({"_stage": "stage"})


def _best(tried: pl.DataFrame, name: str) -> pl.DataFrame:
    """The multiple that is best on older outcomes, where it is better than the default on these and on newer ones."""
    if tried.is_empty():
        return pl.DataFrame(schema=LINES)
    key = ["customer_id", "stage"]
    older, newer = (tried.filter(pl.col("is_newer") == later).drop("is_newer") for later in (False, True))
    usual = pl.col("multiple") == 1.0
    start = older.filter(usual).select(*key, pl.col("excess").alias("usual_excess"))
    start_later = newer.filter(usual).select(*key, pl.col("excess").alias("usual_later"))
    later = newer.select(*key, "multiple", pl.col("excess").alias("later"))
    best = (
        older.filter(pl.col("n") >= MIN_SHOWN)
        .sort(*key, pl.col("excess"), "multiple", descending=[False, False, True, False])
        .unique(key, keep="first", maintain_order=True)
        .join(start, on=key, how="left")
        .join(later, on=[*key, "multiple"], how="left")
        .join(start_later, on=key, how="left")
    )
    gain = pl.col("excess") - pl.col("usual_excess").fill_null(0.0)
    held = pl.col("later").fill_null(0.0) > pl.col("usual_later").fill_null(0.0)
    value = asdict(Thresholds())[name] * pl.col("multiple")
    return best.filter(~usual & (gain >= BETTER_BY) & held).select(
        "customer_id",
        pl.lit(name).alias("name"),
        "stage",
        value.round(6).alias("value"),
        "n",
        gain.round(4).alias("gain"),
    )

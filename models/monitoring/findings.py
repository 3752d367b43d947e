"""What each monitor says of one tenant's version, in words and figures.

Belongs here: from rows to a `Finding`. The tests themselves are in the files of their names.
"""

from dataclasses import asdict
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from models.calibration import sigmoid
from models.display import BAND, PROBABILITY
from models.heads import Head, coded
from models.later import Known
from models.monitoring import base_rate, calibration, features
from models.monitoring.standing import Finding
from models.scoring import TrainedModel

BASE_RATE, FEATURES, CALIBRATION = "base_rate", "features", "calibration"
TAUGHT_WINDOW, RECENT_WINDOW = timedelta(days=365), timedelta(days=28)
_LEAST_TAUGHT = 50  # outcomes without which nobody can say how far off a version is by chance
_NAMED = 5


def of_base_rate(model: TrainedModel, tenant: str, *, taught: Known, later: Known) -> Finding:
    """Outcomes that came after the version learned, first rows in order, against what it says of them."""
    head = model.head(tenant)
    n = len(later.rows.y)
    if taught.rows.entities < _LEAST_TAUGHT or n == 0:
        reason = (
            f"{n} outcomes since it learned, from {taught.rows.entities}: too few to say whether the base rate moved"
        )
        return _quiet(BASE_RATE, reason, {"n": n})
    mix, p = _said(head, taught), _said(head, later)
    error = head.level_error(head.shape.encoder.transform(taught.rows.frame))
    arl = base_rate.run_length(_per_year(taught))
    h = base_rate.threshold(mix, logit_error=error, arl=arl)
    found = base_rate.watch(p, later.rows.y.astype(float), h=h)
    rates = (
        f"{found.observed:.2f} of the newest {min(n, base_rate.RECENT)} were won, {found.expected:.2f} were expected"
    )
    alarm = found.raised_at is not None
    reason = f"the base rate has {'fallen' if found.fell else 'risen'}: {rates}" if alarm else rates
    figures = asdict(found) | {"run_length": arl}
    return Finding(monitor=BASE_RATE, alarm=alarm, calm=not alarm, cap=BAND, reason=reason, figures=figures)


def of_features(model: TrainedModel, tenant: str, seen: pl.DataFrame, *, since: datetime, now: datetime) -> Finding:
    """Rows of the year before the version learned against those of the last weeks, all of them later."""
    encoder = model.head(tenant).shape.encoder
    before = seen.filter(pl.col("as_of") <= since, pl.col("as_of") > since - TAUGHT_WINDOW)
    after = seen.filter(pl.col("as_of") > max(since, now - RECENT_WINDOW))
    entity = model.recipe.contract.id_column
    names = [feature.name for feature in encoder.features_]
    counts = before[entity].n_unique(), after[entity].n_unique()
    found = (
        features.compare(
            names, encoder.transform(before), encoder.transform(after), then_entities=counts[0], now_entities=counts[1]
        )
        if min(counts) >= features.LEAST
        else []
    )
    if not found:
        return _quiet(FEATURES, f"{counts[1]} new ones beside {counts[0]}: too few to compare", {"n": counts[1]})
    moved = [one for one in found if one.moved]
    told = ", ".join(f"{one.feature} (stability index {one.index:.2f})" for one in moved[:_NAMED])
    return Finding(
        monitor=FEATURES,
        alarm=bool(moved),
        calm=features.calm(found),
        cap=BAND,
        reason=f"they are not what was learned from: {told}" if moved else f"{len(found)} features are as they were",
        figures={"n": counts[1], "moved": len(moved), "largest": [asdict(one) for one in found[:_NAMED]]},
    )


def of_calibration(p: np.ndarray, y: np.ndarray) -> Finding:
    """Stored probabilities against outcomes, oldest first."""
    found = calibration.judge(p, y)
    if found.supports is None or found.measured is None:
        reason = f"{found.n} stored scores are old enough to be held against their outcomes: too few to say"
        return _quiet(CALIBRATION, reason, {"n": found.n, "positives": found.positives})
    alarm = found.supports != PROBABILITY
    told = f"calibration error {max(found.excess, 0):.3f} beyond noise on {found.n} stored scores"
    return Finding(
        monitor=CALIBRATION,
        alarm=alarm,
        calm=found.calm,
        cap=found.supports if alarm else BAND,
        reason=f"probabilities do not come true: {told}" if alarm else told,
        figures={
            "n": found.n, "positives": found.positives, "excess": found.excess, "chance": found.chance,
            "brier": vars(found.measured.brier), "brier_base": vars(found.measured.brier_base),
            "auc": vars(found.measured.auc), "ece": vars(found.measured.ece), "reliability": found.bins,
        },
    )  # fmt: skip


def _quiet(monitor: str, reason: str, figures: dict[str, float]) -> Finding:
    return Finding(monitor=monitor, alarm=None, calm=False, cap=BAND, reason=reason, figures=dict(figures))


def _said(head: Head, rows: Known) -> np.ndarray:
    """Probabilities of `rows`."""
    codes = coded(head.shape, head.shape.encoder.transform(rows.rows.frame))
    return sigmoid(head.offset + head.slope * head.shape.tables.logit(codes))


def _per_year(taught: Known) -> float:
    """Outcomes a year at the pace of what was learned from."""
    days = max((taught.at.max() - taught.at.min()) / 86_400e6, 1.0)
    return float(taught.rows.entities / max(days, 28.0) * 365)

"""Do the probabilities that were said come true? Scores as they were stored at their time, against what became of them.

Belongs here: the verdict on such pairs. Which stored scores are old enough to be judged is `mature`.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from models import metrics
from models.display import BAND, LEAST_JUDGED, LEAST_OF_A_KIND, PROBABILITY, RULES
from models.recipe import Recipe

ALARM, CALM = 0.05, 0.03  # calibration error beyond its noise: raised above the one, over below the other
FALSE_ALARMS = 0.001  # of one look at a version that is right
NEWEST = 400  # pairs that are judged
_USUAL = 0.9
_DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Stored probabilities against outcomes: `supports` is the most they may be shown as, None where nobody can say.

    chance: how often a version that is right shows a calibration error as large. excess: the error beyond its noise.
    """

    n: int
    positives: int
    supports: str | None
    calm: bool
    excess: float
    chance: float
    measured: metrics.Metrics | None
    bins: list[dict[str, float]]


def mature(recipe: Recipe, said: pl.DataFrame, *, as_of: datetime) -> pl.DataFrame:
    """Rows of `said` that may be judged, with `y` (0/1) and `known_at`: when the outcome became known.

    said: as_of, probability, outcome, decided_at, created_at of entities of one tenant. What is decided soon is mostly
    lost, so a score waits until its horizon, or the usual time to a decision (90th percentile), is over; the latter
    not where it would cost more than half of the rows: as in the labels that models learn from.
    """
    won = pl.col("outcome") == "won"
    decided = pl.when(pl.col("outcome").is_in(["won", "lost"]) & (pl.col("decided_at") <= as_of)).then("decided_at")
    rows = said.with_columns(_decided=decided).filter(
        pl.col("_decided").is_null() | (pl.col("_decided") > pl.col("as_of"))
    )
    if recipe.horizon_days:
        end = pl.col("as_of") + pl.duration(seconds=round(recipe.horizon_days * 86400))
        y = (won & (pl.col("_decided") <= end)).fill_null(False)
        kept = rows.filter(end <= as_of).with_columns(y=y.cast(pl.Int64), known_at=end)
    else:
        rows = rows.filter(pl.col("_decided").is_not_null())
        usual = (pl.col("_decided") - pl.col("created_at")).quantile(_USUAL)
        enough = pl.max_horizontal(pl.lit(as_of) - usual, pl.col("as_of").median())
        kept = rows.filter(pl.col("as_of") <= enough).with_columns(y=won.cast(pl.Int64), known_at="_decided")
    return kept.drop("_decided").sort("known_at")


def judge(p: np.ndarray, y: np.ndarray, *, seed: int = 0) -> Reliability:
    """What the newest `NEWEST` pairs say, oldest first; it takes evidence that something is wrong, not its absence."""
    p, y = p[-NEWEST:], y[-NEWEST:]
    positives = int(y.sum())
    if len(p) < LEAST_JUDGED or min(positives, len(p) - positives) < LEAST_OF_A_KIND:
        return Reliability(
            n=len(p), positives=positives, supports=None, calm=False, excess=float("nan"), chance=float("nan"),
            measured=None, bins=[],
        )  # fmt: skip
    found = metrics.measure(y, p, seed=seed)
    excess, chance = found.ece.value - found.ece_noise, metrics.ece_chance(y, p, draws=_DRAWS, seed=seed)
    supports = PROBABILITY
    if found.brier_gain.high < 0:
        supports = RULES
    elif excess > ALARM and chance < FALSE_ALARMS:
        supports = BAND
    return Reliability(
        n=len(p), positives=positives, supports=supports, calm=found.brier_gain.high >= 0 and excess < CALM,
        excess=excess, chance=chance, measured=found, bins=metrics.reliability(y, p),
    )  # fmt: skip

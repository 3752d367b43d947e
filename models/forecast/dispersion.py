"""How far deals of a tenant go together, from what past forecasts would have said and what came.

Belongs here: the correlation behind a sum's interval. Every four weeks of the past, the model as it would have been
then says how many open deals are won within the next four weeks. What came differs by more than chance where the
market, or an error of the model, moves all deals at once. To first order the variance grows with the correlation by
`slope`, so a month's likelihood is that of a normal law; few months leave the correlation near what was thought
before, and in doubt.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import numpy as np
import polars as pl
from scipy.special import ndtri

from models.forecast.closing import Closing
from models.forecast.grid import read
from models.forecast.landmarks import OPEN, WON, landmarks, standing

STEP = timedelta(days=28)
_MONTHS = 13
GUESS, _GUESS_SPREAD = (
    0.04,
    1.0,
)  # before any month: a correlation nine times in ten between a fifth and five times of this
_GRID = np.geomspace(5e-4, 0.5, 80)
_LEVEL_DOUBT = 0.18  # correlation of deals of a tenant whose level is unknown: 0.8 logits, as tenants differ
_LEVEL_HALF = 10.0  # outcomes that halve that doubt
_LEAST_KNOWN = 20
MOST = 0.5


def replays(
    snapshots: pl.DataFrame, outcomes: pl.DataFrame, *, as_of: datetime, opted_out: Collection[str] = ()
) -> pl.DataFrame:
    """By tenant and past instant `at`: deals won within `STEP`, `observed` and `expected`; `variance` of independent
    deals, and `slope`, what the variance grows by for each unit of correlation.
    """
    first = snapshots["as_of"].min() if snapshots.height else None
    parts = []
    for month in range(1, _MONTHS + 1):
        at = as_of - month * STEP
        if first is None or at < first + STEP:  # type: ignore[operator]  # a column of instants
            break
        taught = landmarks(snapshots, outcomes, as_of=at)
        rows = standing(snapshots, outcomes, at=at, as_of=at + STEP).join(
            _knowing(taught), on="customer_id", how="semi"
        )
        then = Closing.fit(taught, opted_out=opted_out)
        won, _ = then.remaining(rows)
        chance = np.clip(read(won, np.full(rows.height, STEP.days)), 1e-9, 1 - 1e-9)
        density = np.exp(-(ndtri(chance) ** 2) / 2) / np.sqrt(2 * np.pi)
        parts.append(
            rows.select("customer_id", observed=(pl.col("cause") == WON).cast(pl.Float64))
            .with_columns(expected=pl.Series(chance), _density=pl.Series(density))
            .group_by("customer_id", maintain_order=True)
            .agg(
                pl.col("observed").sum(),
                pl.col("expected").sum(),
                variance=(pl.col("expected") * (1 - pl.col("expected"))).sum(),
                slope=pl.col("_density").sum() ** 2 - (pl.col("_density") ** 2).sum(),
            )
            .with_columns(at=pl.lit(at))
        )
    return pl.concat(parts) if parts else pl.DataFrame(schema=_SCHEMA)


def _knowing(taught: pl.DataFrame) -> pl.DataFrame:
    """Tenants with enough outcomes: what a first month was off by tells of the guess, not of the tenant."""
    ended = taught.filter(pl.col("cause") != OPEN).group_by("customer_id").agg(pl.col("opportunity_id").n_unique())
    return ended.filter(pl.col("opportunity_id") >= _LEAST_KNOWN)


_SCHEMA = {"customer_id": pl.String} | dict.fromkeys(("observed", "expected", "variance", "slope"), pl.Float64)


def correlation(months: pl.DataFrame, *, guess: float = GUESS) -> float:
    """The posterior mean of the correlation that `months` of `replays` show; `guess` is what was thought before."""
    told = months.filter(pl.col("slope") > 1e-6)
    variance, slope = (told[name].to_numpy()[:, None] for name in ("variance", "slope"))
    total = variance + _GRID * slope
    # a month that is off by more than full dependence is an error of the model, and counts as full dependence
    square = np.minimum((told["observed"] - told["expected"]).to_numpy()[:, None] ** 2, variance + slope)
    likely = -0.5 * (np.log(total) + square / total).sum(axis=0) - 0.5 * (np.log(_GRID / guess) / _GUESS_SPREAD) ** 2
    weight = np.exp(likely - likely.max())
    return float(weight @ _GRID / weight.sum())


def with_level_doubt(found: float, outcomes: int) -> float:
    """The correlation with the doubt in the tenant's own level, which `outcomes` of its own lessen."""
    return min(found + _LEVEL_DOUBT * _LEVEL_HALF / (_LEVEL_HALF + outcomes), MOST)

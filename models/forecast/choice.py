"""Which time-to-close model is used, and how good single forecasts are: both on later deals than taught.

Belongs here: the forward comparison. Both are judged with the same chance to be won, so that it is about days alone.
The simple one stays unless the other is better by more than its noise and by a hundredth.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from models.forecast import amounts, grid
from models.forecast.amounts import Amounts
from models.forecast.closing import Closing
from models.forecast.hazards import Hazards
from models.forecast.judging import LEVELS, Beside, beside, covered, crps, pinball
from models.forecast.landmarks import WON, follow_up, landmarks

SIMPLE, RICH = "closing", "hazards"
SHARE = 0.6  # of the landmarks, oldest first, teach
_LEAST = 100  # deals on either side of the cut
_WORTH = 0.01  # of the loss


@dataclass(frozen=True, kw_only=True)
class Choice:
    """`name` of the model in use; `beside`: crps in days of the simple and the rich one; `by_tenant` figures of the one
    in use on later deals; `reason` in words.
    """

    name: str
    reason: str
    beside: Beside | None
    by_tenant: dict[str, dict[str, float]]


UNTRIED = Choice(name=SIMPLE, reason="nothing else was tried", beside=None, by_tenant={})


def choose(
    snapshots: pl.DataFrame, outcomes: pl.DataFrame, *, as_of: datetime, opted_out: Collection[str] = (), seed: int = 0
) -> Choice:
    """Compare both, as known at a past cut, on landmarks after it."""
    taught, judged = split(snapshots, outcomes, as_of=as_of)
    pooled = ~pl.col("customer_id").is_in(list(opted_out))
    if min(one.filter(pooled)["opportunity_id"].n_unique() for one in (taught, judged)) < _LEAST:
        few = f"fewer than {_LEAST} deals to compare on"
        return Choice(
            name=SIMPLE, reason=few, beside=None, by_tenant=_figures_of_tenants(taught, judged, None, as_of, opted_out)
        )
    closing = Closing.fit(taught, opted_out=opted_out)
    rich = Hazards.fit(taught.filter(pooled), closing, seed=seed)
    ours = judged.filter(pooled)
    found = compare_days(ours, closing.remaining(ours)[0], rich.remaining(ours, closing)[0], as_of=as_of, seed=seed)
    better = found.high < 0 and -found.difference >= _WORTH * found.first
    told = f"its days are off by {found.difference:+.3f} ({found.low:+.3f} to {found.high:+.3f}) of {found.first:.3f}"
    return Choice(
        name=RICH if better else SIMPLE,
        reason=("in use: " if better else "not used: ") + told,
        beside=found,
        by_tenant=_figures_of_tenants(taught, judged, rich if better else None, as_of, opted_out),
    )


def split(snapshots: pl.DataFrame, outcomes: pl.DataFrame, *, as_of: datetime) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Landmarks as they were known at the cut, and those after it as known at `as_of`."""
    everything = landmarks(snapshots, outcomes, as_of=as_of)
    if everything.is_empty():
        return everything, everything
    cut: datetime = everything["as_of"].sort()[int(SHARE * everything.height)]
    return landmarks(snapshots, outcomes, as_of=cut), everything.filter(pl.col("as_of") > cut)


def compare_days(
    rows: pl.DataFrame, first: np.ndarray, second: np.ndarray, *, as_of: datetime, seed: int = 0
) -> Beside:
    """CRPS in days of two sets of chances to be won (rows, PERIODS + 1), the second at the first's whole chance."""
    facts = rows["cause"].to_numpy(), rows["elapsed"].to_numpy(), follow_up(rows, as_of=as_of)
    same = conditional(second) * first[:, -1:]
    deal = rows["opportunity_id"].rank("dense").to_numpy()
    return beside(crps(first, *facts), crps(same, *facts), deal, seed=seed)


def conditional(won: np.ndarray) -> np.ndarray:
    """Shares (rows, PERIODS + 1) of the chance to be won, by edge; they end at 1."""
    return np.asarray(won / np.maximum(won[:, -1:], 1e-12))


def reach_of(won: np.ndarray) -> np.ndarray:
    """Days (rows,) in which nineteen of twenty wins come."""
    return np.asarray(grid.quantiles(conditional(won), np.array([0.95]))[:, 0])


def figures(
    rows: pl.DataFrame, won: np.ndarray, laws: np.ndarray, *, as_of: datetime, reach: np.ndarray | None = None
) -> dict[str, float]:
    """Pinball loss and coverage of days and amounts on landmarks that were won.

    reach: days (rows,) for which a landmark must have been followed to count, so that slow deals are among those that
    do; unless said otherwise those in which nineteen of twenty wins come.
    """
    days = grid.quantiles(conditional(won), LEVELS)
    least = reach_of(won) if reach is None else reach
    seen = (rows["cause"] == WON).to_numpy() & (follow_up(rows, as_of=as_of) >= least)
    paid = rows["closed_minor"].is_not_null().to_numpy() & (rows["value_minor"].fill_null(0) > 0).to_numpy()
    found: dict[str, float] = {"won": float(seen.sum()), "won_with_amount": float(paid.sum())}
    if seen.any():
        elapsed = rows["elapsed"].to_numpy()[seen]
        found |= {
            "days_pinball": float(pinball(days[seen], elapsed).mean()),
            "days_covered": float(covered(days[seen], elapsed).mean()),
        }
    if paid.any():
        ratio = rows.select(pl.col("closed_minor") / pl.col("value_minor")).to_series().to_numpy()[paid]
        told = amounts.quantiles(laws[paid], LEVELS)
        found |= {
            "amount_pinball": float(pinball(told, ratio).mean()),
            "amount_pinball_unchanged": float(pinball(np.ones_like(told), ratio).mean()),
            "amount_covered": float(covered(told, ratio).mean()),
        }
    return found


def _figures_of_tenants(
    taught: pl.DataFrame, judged: pl.DataFrame, rich: Hazards | None, as_of: datetime, opted_out: Collection[str]
) -> dict[str, dict[str, Any]]:
    if judged.is_empty():
        return {}
    closing, law = Closing.fit(taught, opted_out=opted_out), Amounts.fit(taught, opted_out=opted_out)
    return {
        str(tenant): figures(
            rows,
            closing.remaining(rows)[0] if rich is None or tenant in opted_out else rich.remaining(rows, closing)[0],
            law.laws(rows),
            as_of=as_of,
        )
        for (tenant,), rows in judged.group_by("customer_id", maintain_order=True)
    }

"""How good the forecast is on a data set, on later deals than taught it: days, amounts and sums, each beside something
plain.

Belongs here: the pure part of a report. Days are held against the durations of won deals, which is what a spreadsheet
would say; amounts against the amount as it stands; sums against their own interval.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from models.forecast.amounts import Amounts
from models.forecast.backtest import backtest
from models.forecast.choice import compare_days, figures, reach_of, split
from models.forecast.closing import Closing
from models.forecast.grid import EDGES
from models.forecast.hazards import Hazards
from models.forecast.landmarks import WON
from models.forecast.model import ForecastModel, train

CLOSING, HAZARDS, DURATIONS = "Aalen–Johansen", "additive hazard", "durations of won deals"
_FROM = 0.4  # of the time of the data, after which sums are forecast
_WINDOWS = (7, 28)


@dataclass(frozen=True, kw_only=True)
class ForecastReport:
    """`model` trained on everything; `days` one row a model, `amounts` one row, `sums` one row a window and grain."""

    model: ForecastModel
    days: list[dict[str, Any]]
    amounts: dict[str, float]
    sums: list[dict[str, Any]]

    def plain(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {"days": self.days, "amounts": self.amounts, "sums": self.sums}


def evaluate(snapshots: pl.DataFrame, outcomes: pl.DataFrame, *, as_of: datetime, seed: int = 0) -> ForecastReport:
    """One tenant's marts, as known at `as_of` (aware), the end of the data."""
    taught, judged = split(snapshots, outcomes, as_of=as_of)
    closing = Closing.fit(taught)
    chances = {
        CLOSING: closing.remaining(judged)[0],
        HAZARDS: Hazards.fit(taught, closing, seed=seed).remaining(judged, closing)[0],
    }
    chances[DURATIONS] = _durations(taught, judged) * chances[CLOSING][:, -1:]
    laws = Amounts.fit(taught).laws(judged)
    days = [_day(name, judged, chances, laws, as_of=as_of, seed=seed) for name in chances]
    told = figures(judged, chances[CLOSING], laws, as_of=as_of)
    amounts = {name: value for name, value in told.items() if name.startswith(("amount", "won_with"))}
    return ForecastReport(
        model=train(snapshots, outcomes, as_of=as_of, seed=seed),
        days=days,
        amounts=amounts,
        sums=[row for window in _WINDOWS for row in _sums(snapshots, outcomes, as_of, window)],
    )


def _durations(taught: pl.DataFrame, judged: pl.DataFrame) -> np.ndarray:
    """Shares (rows, PERIODS + 1) of won deals of the same age that took so long; who is still open is left out."""
    shares = np.empty((judged.height, len(EDGES)))
    won = taught.filter(pl.col("cause") == WON)
    for (band,), place in judged.select("band").with_row_index("_place").group_by("band"):
        own = won.filter(pl.col("band") == band)["elapsed"].sort().to_numpy()
        took = own if len(own) else won["elapsed"].sort().to_numpy()
        shares[place["_place"].to_numpy()] = np.searchsorted(took, EDGES, side="right") / max(len(took), 1)
    shares[:, -1] = 1.0
    return shares


def _day(
    name: str, judged: pl.DataFrame, chances: Mapping[str, np.ndarray], laws: np.ndarray, *, as_of: datetime, seed: int
) -> dict[str, Any]:
    found = compare_days(judged, chances[CLOSING], chances[name], as_of=as_of, seed=seed)
    told = figures(judged, chances[name], laws, as_of=as_of, reach=reach_of(chances[CLOSING]))
    row = {"model": name, "deals": judged["opportunity_id"].n_unique(), "crps": found.second, "won": told["won"]}
    row |= {one: told.get(one) for one in ("days_pinball", "days_covered")}
    return (
        row
        if name == CLOSING
        else row | {"crps_more": found.difference, "crps_low": found.low, "crps_high": found.high}
    )


def _sums(snapshots: pl.DataFrame, outcomes: pl.DataFrame, as_of: datetime, window: int) -> list[dict[str, Any]]:
    first, step = snapshots["as_of"].min(), timedelta(days=window)
    assert isinstance(first, datetime)
    count = int((1 - _FROM) * (as_of - first) / step)
    instants = [as_of - step * number for number in range(count, 0, -1)]
    told = backtest(snapshots, outcomes, instants=instants, days=window, retrain=4 if window < 28 else 1)
    held = (pl.col("low_minor") <= pl.col("won_minor")) & (pl.col("won_minor") <= pl.col("high_minor"))
    return [
        {
            "days": window,
            "of": "owner" if owners else "tenant",
            "sums": part.height,
            "covered": part.select(held.mean()).item(),
            "expected_by_won": part["expected_minor"].sum() / max(int(part["won_minor"].sum()), 1),
        }
        for owners, part in (
            (is_one, told.filter(pl.col("owner_id").is_not_null() == is_one)) for is_one in (False, True)
        )
        if part.height
    ]

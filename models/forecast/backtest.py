"""Sums as they would have been forecast in the past, beside what came: of whole tenants and of their owners.

Belongs here: replaying forecasts. At each past instant the model is trained on what was known then.
"""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from models.forecast.landmarks import WON, standing
from models.forecast.model import ForecastModel, train
from models.forecast.sums import Deals, expected, interval

ROWS: dict[str, Any] = {
    "customer_id": pl.String,
    "owner_id": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "days": pl.Int64,
    "currency": pl.String,
    "deals": pl.Int64,
    "expected_minor": pl.Int64,
    "low_minor": pl.Int64,
    "high_minor": pl.Int64,
    "won_minor": pl.Int64,
}


def backtest(
    snapshots: pl.DataFrame, outcomes: pl.DataFrame, *, instants: list[datetime], days: int, retrain: int = 1
) -> pl.DataFrame:
    """`ROWS` of sums over `days` from each of `instants`, ascending, of tenants (`owner_id` null) and of owners.

    retrain: after how many instants a model is trained anew.
    """
    parts, model = [], None
    for number, at in enumerate(instants):
        if model is None or number % retrain == 0:
            model = train(snapshots, outcomes, as_of=at, compare=False)
        parts += _sums(model, standing(snapshots, outcomes, at=at, as_of=at + timedelta(days=days)), at, days)
    return pl.DataFrame(parts, schema=ROWS)


def deals_of(forecasts: pl.DataFrame) -> Deals:
    """Forecasts with amounts, as deals that can be added up."""
    return Deals(
        probability=forecasts["win_probability"].to_numpy(),
        days=np.array(forecasts["close_days"].to_list(), dtype=np.float64),
        amounts=np.array(forecasts["amounts_minor"].to_list(), dtype=np.int64),
    )


def _sums(model: ForecastModel, rows: pl.DataFrame, at: datetime, days: int) -> list[dict[str, object]]:
    told = model.score(rows.with_columns(win_probability=pl.lit(None, pl.Float64))).with_columns(
        rows["owner_id"], _won=pl.when(rows["cause"] == WON).then(rows["closed_minor"]).fill_null(0)
    )
    told = told.filter(pl.col("amounts_minor").is_not_null())
    found = []
    for (tenant, currency), whole in told.group_by("customer_id", "currency", maintain_order=True):
        owners = [
            part for _, part in whole.filter(pl.col("owner_id").is_not_null()).group_by("owner_id", maintain_order=True)
        ]
        for part, owner in [(whole, None), *((one, one["owner_id"][0]) for one in owners)]:
            deals = deals_of(part)
            start, end = np.zeros(part.height), np.full(part.height, float(days))
            low, high = interval(deals, start, end, dependence=part["dependence"][0])
            found.append(
                {
                    "customer_id": tenant, "owner_id": owner, "at": at, "days": days, "currency": currency,
                    "deals": part.height, "expected_minor": int(expected(deals, start, end).sum()),
                    "low_minor": low, "high_minor": high, "won_minor": int(part["_won"].sum()),
                }
            )  # fmt: skip
    return found

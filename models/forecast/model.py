"""The forecast of open deals: training it for all tenants, and what it says of each deal.

Belongs here: putting the parts together. The chance to be won is the win score's where that may be shown as a
probability; else that of the tenant's history at this stage and age, which every deal has.
"""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Self

import numpy as np
import polars as pl

from bevyly.ids import derived_id
from models.contracts import CONTRACTS, check
from models.forecast import amounts, grid
from models.forecast.amounts import Amounts
from models.forecast.choice import RICH, UNTRIED, Choice, choose, conditional
from models.forecast.closing import Closing
from models.forecast.dispersion import correlation, replays, with_level_doubt
from models.forecast.hazards import Hazards
from models.forecast.judging import LEVELS, Beside
from models.forecast.landmarks import OPEN, landmarks
from models.forecast.sums import SHARES
from models.schema import FORECAST
from models.scoring import digest

CONTRACT = CONTRACTS["opportunity"]
BY_SCORE, BY_HISTORY = "score", "history"
FORECASTS: dict[str, pl.DataType | type[pl.DataType]] = {
    "customer_id": pl.String,
    "opportunity_id": pl.String,
    "as_of": pl.Datetime("us", "UTC"),
    "feature_hash": pl.String,
    "win_probability": pl.Float64,
    "basis": pl.String,
    "dependence": pl.Float64,
    "close_low": pl.Date,
    "close_median": pl.Date,
    "close_high": pl.Date,
    "close_days": pl.List(pl.Float64),
    "currency": pl.String,
    "value_minor": pl.Int64,
    "amount_low_minor": pl.Int64,
    "amount_median_minor": pl.Int64,
    "amount_high_minor": pl.Int64,
    "amounts_minor": pl.List(pl.Int64),
}
"""What is said of a deal; `close_days` at `sums.SHARES`, `amounts_minor` of equal chance. Without an amount, amounts
are null.
"""


@dataclass(frozen=True, kw_only=True)
class ForecastModel:
    """Of all tenants. `version_id` follows from the content: the same training gives the same id."""

    closing: Closing
    hazards: Hazards | None
    amounts: Amounts
    dependence: dict[str, float]
    newcomer_dependence: float
    outcomes: dict[str, int]
    choice: Choice
    opted_out: tuple[str, ...]
    as_of: datetime
    seed: int
    version_id: str = field(default="")
    score_type = FORECAST

    def score(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Forecasts (`FORECASTS`) of a features frame of open deals, in its order.

        frame: the columns of the opportunity contract, `currency`, and `win_probability`, null where the score may not
        be shown as one. Raises as `contracts.check`.
        """
        check(frame, CONTRACT)
        won = self.won(frame)
        shares = conditional(won)
        days = grid.quantiles(shares, SHARES)
        said, given = won[:, -1], frame["win_probability"]
        valued = (frame["value_minor"].fill_null(0) > 0).to_numpy() & frame["currency"].is_not_null().to_numpy()
        value = np.where(valued, frame["value_minor"].fill_null(0).to_numpy(), 0)[:, None]
        law = self.amounts.laws(frame)
        told, atoms = (
            np.rint(value * ratio).astype(np.int64) for ratio in (amounts.quantiles(law, LEVELS), amounts.atoms(law))
        )
        at = grid.quantiles(shares, LEVELS)
        dependence = [self.dependence.get(tenant, self.newcomer_dependence) for tenant in frame["customer_id"]]
        columns = {
            "win_probability": given.fill_null(pl.Series(said)),
            "basis": pl.select(
                pl.when(given.is_null()).then(pl.lit(BY_HISTORY)).otherwise(pl.lit(BY_SCORE))
            ).to_series(),
            "dependence": pl.Series(dependence, dtype=pl.Float64),
            "close_days": pl.Series(days.tolist(), dtype=pl.List(pl.Float64)),
            "amounts_minor": pl.Series(atoms.tolist(), dtype=pl.List(pl.Int64)),
        }
        made = frame.select(
            "customer_id", "opportunity_id", "as_of", "feature_hash", "currency", "value_minor"
        ).with_columns(
            **{name: values.alias(name) for name, values in columns.items()},
            **{f"amount_{name}_minor": pl.Series(told[:, place]) for place, name in enumerate(_NAMES)},
            **{
                f"close_{name}": (
                    pl.col("as_of") + pl.duration(seconds=pl.lit(pl.Series(np.rint(at[:, place] * 86_400))))
                ).dt.date()
                for place, name in enumerate(_NAMES)
            },
            _valued=pl.Series(valued),
        )
        without = [pl.when("_valued").then(name).alias(name) for name in FORECASTS if name.startswith("amount")]
        return made.with_columns(without).select(pl.col(name).cast(dtype) for name, dtype in FORECASTS.items())

    def won(self, frame: pl.DataFrame) -> np.ndarray:
        """Chances to be won by each edge, (rows, PERIODS + 1)."""
        won, _ = self.closing.remaining(frame)
        pooled = ~frame["customer_id"].is_in(list(self.opted_out)).to_numpy()
        if self.hazards is not None and pooled.any():
            won[pooled] = self.hazards.remaining(frame.filter(pl.Series(pooled)), self.closing)[0]
        return won

    def state(self) -> dict[str, Any]:
        """Plain values and arrays only."""
        return {
            "contract": CONTRACT.digest,
            "closing": self.closing.state(),
            "hazards": self.hazards and self.hazards.state(),
            "amounts": self.amounts.state(),
            "dependence": dict(self.dependence),
            "newcomer_dependence": self.newcomer_dependence,
            "outcomes": dict(self.outcomes),
            "choice": asdict(self.choice),
            "opted_out": list(self.opted_out),
            "as_of": self.as_of.isoformat(),
            "seed": self.seed,
            "version_id": self.version_id,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """The model that `state` was taken from."""
        choice = state["choice"]
        return cls(
            closing=Closing.from_state(state["closing"]),
            hazards=Hazards.from_state(state["hazards"]) if state["hazards"] else None,
            amounts=Amounts.from_state(state["amounts"]),
            dependence=dict(state["dependence"]),
            newcomer_dependence=state["newcomer_dependence"],
            outcomes=dict(state["outcomes"]),
            choice=Choice(**(choice | {"beside": choice["beside"] and Beside(**choice["beside"])})),
            opted_out=tuple(state["opted_out"]),
            as_of=datetime.fromisoformat(state["as_of"]),
            seed=state["seed"],
            version_id=state["version_id"],
        )


_NAMES = ("low", "median", "high")


def train(
    snapshots: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    as_of: datetime,
    opted_out: Collection[str] = (),
    seed: int = 0,
    compare: bool = True,
) -> ForecastModel:
    """Train from the snapshot and outcome marts of opportunities, as known at `as_of` (aware). Same input, same model.

    compare: whether the rich model is tried beside the simple one, which takes most of the time.
    Raises as `contracts.check`.
    """
    check(snapshots, CONTRACT)
    rows = landmarks(snapshots, outcomes, as_of=as_of)
    choice = choose(snapshots, outcomes, as_of=as_of, opted_out=opted_out, seed=seed) if compare else UNTRIED
    closing = Closing.fit(rows, opted_out=opted_out)
    pooled = ~pl.col("customer_id").is_in(list(opted_out))
    months = replays(snapshots, outcomes, as_of=as_of, opted_out=opted_out)
    shared = correlation(months.filter(pooled))
    ended = rows.filter(pl.col("cause") != OPEN).group_by("customer_id").agg(pl.col("opportunity_id").n_unique())
    counts = dict(ended.sort("customer_id").iter_rows())
    model = ForecastModel(
        closing=closing,
        hazards=Hazards.fit(rows.filter(pooled), closing, seed=seed) if choice.name == RICH else None,
        amounts=Amounts.fit(rows, opted_out=opted_out),
        dependence={
            str(tenant): with_level_doubt(
                correlation(own, guess=shared) if tenant not in opted_out else correlation(own), counts.get(tenant, 0)
            )
            for (tenant,), own in months.sort("customer_id").group_by("customer_id", maintain_order=True)
        },
        newcomer_dependence=with_level_doubt(shared, 0),
        outcomes=counts,
        choice=choice,
        opted_out=tuple(sorted(opted_out)),
        as_of=as_of,
        seed=seed,
    )
    content = digest({name: value for name, value in model.state().items() if name != "version_id"})
    return ForecastModel(**(vars(model) | {"version_id": derived_id("model", FORECAST, as_of.isoformat(), content)}))

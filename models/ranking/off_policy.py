"""What another ranking would have been worth, from what the live one offered and how likely that was.

Self-normalised inverse propensity estimates with a control: each offer that both rankings make counts as often as it
was unlikely (Swaminathan and Joachims 2015), over what a plain mean of the options expects (doubly robust, Dudik et al.
2011). No model of people is needed; where the new ranking offers what the live one never did, nothing can be said, and
`support` tells how much that is.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

Z = 1.645  # 90 % intervals
NOTHING = "nothing"
_Array = NDArray[np.float64]

OFFERS_SCHEMA: dict[str, pl.DataType] = {
    "case": pl.String(),
    "offered": pl.String(),
    "propensity": pl.Float64(),
    "reward": pl.Float64(),
}
"""A case: an entity and cause in a period; what was offered (`NOTHING` where held back), how likely that was, and what
came of it (anything that is worth more the larger it is)."""
CHANCES_SCHEMA: dict[str, pl.DataType] = {"case": pl.String(), "action": pl.String(), "chance": pl.Float64()}
"""What a ranking offers in each case: the chance of each action; those of a case sum to 1."""


class Worth(NamedTuple):
    """The mean reward of a case under a ranking, with interval, by how much it is ahead of the live one, and the share
    of its offers that the live one could have made."""

    value: float
    low: float
    high: float
    ahead: float
    ahead_low: float
    ahead_high: float
    support: float
    cases: int


def worth(offers: pl.DataFrame, chances: pl.DataFrame, possible: pl.DataFrame) -> Worth | None:
    """The worth of the ranking `chances` (`CHANCES_SCHEMA`) by `offers`; None without cases.

    possible: case, action of everything that the live ranking may have offered, each once.
    """
    if offers.is_empty():
        return None
    key = ["case", "action"]
    made = offers.rename({"offered": "action"})
    expected = made.group_by("action").agg(guess=pl.col("reward").mean())
    wanted = chances.join(possible.select(key).unique().with_columns(known=True), on=key, how="left")
    wanted = wanted.join(expected, on="action", how="left").with_columns(
        pl.col("known").fill_null(value=False), pl.col("guess").fill_null(offers["reward"].mean())
    )
    chance = wanted["chance"].to_numpy()
    support = float(chance @ wanted["known"].to_numpy() / chance.sum())
    inside = wanted.filter("known")
    told = inside.group_by("case").agg(model=(pl.col("chance") * pl.col("guess")).sum(), mass=pl.col("chance").sum())
    rows = (
        made.join(told, on="case", how="inner", maintain_order="left")
        .join(inside.select(*key, "chance"), on=key, how="left", maintain_order="left")
        .join(expected, on="action", how="left", maintain_order="left")
    )
    if rows.is_empty():
        return None
    weight = (rows["chance"].fill_null(0.0) / rows["propensity"]).to_numpy()
    reward, guess = rows["reward"].to_numpy(), rows["guess"].to_numpy()
    mean, parts = _normalised(rows["model"].to_numpy(), rows["mass"].to_numpy(), weight, reward - guess)
    ahead = parts - (reward - reward.mean())
    error, ahead_error = _error(parts), _error(ahead)
    difference = mean - float(reward.mean())
    return Worth(
        mean, mean - Z * error, mean + Z * error,
        difference, difference - Z * ahead_error, difference + Z * ahead_error,
        support, rows.height,
    )  # fmt: skip


def _normalised(model: _Array, mass: _Array, weight: _Array, surprise: _Array) -> tuple[float, _Array]:
    """The estimate, and what each case adds to it: deviations from it, whose mean is 0."""
    level = model.sum() / mass.sum()
    total = weight.sum()
    correction = float((weight * surprise).sum() / total) if total > 0 else 0.0
    size = len(weight)
    parts = (model - level * mass) * size / mass.sum()
    if total > 0:
        parts = parts + weight * (surprise - correction) * size / total
    return float(level + correction), parts


def _error(parts: _Array) -> float:
    return float(np.sqrt((parts**2).sum()) / len(parts))

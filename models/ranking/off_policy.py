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


def worth(offers: pl.DataFrame, chances: pl.DataFrame, live: pl.DataFrame) -> Worth | None:
    """The worth of the ranking `chances` by `offers`, which the ranking `live` made (both `CHANCES_SCHEMA`).

    None where there are no cases, or the live ranking could have made none of its offers. Both are estimated alike, so
    that luck of the draw is no difference between them.
    """
    possible = live.filter(pl.col("chance") > 0).select("case", "action")
    inside = chances.join(possible, on=["case", "action"], how="semi")
    ours, theirs = _estimated(offers, inside), _estimated(offers, live)
    if ours is None or theirs is None:
        return None
    (mean, parts), (base, usual) = ours, theirs
    error, ahead_error = _error(parts), _error(parts - usual)
    ahead = mean - base
    support = float(inside["chance"].sum()) / float(chances["chance"].sum())
    return Worth(
        mean, mean - Z * error, mean + Z * error, ahead, ahead - Z * ahead_error, ahead + Z * ahead_error,
        round(support, 9), offers.height,
    )  # fmt: skip


def _estimated(offers: pl.DataFrame, chances: pl.DataFrame) -> tuple[float, _Array] | None:
    """The mean reward of a case under `chances`, and what each case of `offers` adds to it: deviations of mean 0."""
    if offers.is_empty() or chances.is_empty():
        return None
    made = offers.rename({"offered": "action"})
    expected = made.group_by("action").agg(guess=pl.col("reward").mean())
    known = chances.join(expected, on="action", how="left")
    known = known.with_columns(pl.col("guess").fill_null(made["reward"].mean()))
    told = known.group_by("case").agg(model=(pl.col("chance") * pl.col("guess")).sum(), mass=pl.col("chance").sum())
    rows = (
        made.join(told, on="case", how="left", maintain_order="left")
        .join(known.select("case", "action", "chance"), on=["case", "action"], how="left", maintain_order="left")
        .join(expected, on="action", how="left", maintain_order="left")
    )
    model, mass, chance = (rows[name].fill_null(0.0).to_numpy() for name in ("model", "mass", "chance"))
    surprise = (rows["reward"] - rows["guess"]).to_numpy()
    return _normalised(model, mass, chance / rows["propensity"].to_numpy(), surprise)


def _normalised(model: _Array, mass: _Array, weight: _Array, surprise: _Array) -> tuple[float, _Array]:
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

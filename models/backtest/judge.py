"""What came of each order: how often its top was followed by good news, and how much value it caught.

Belongs here: figures with intervals. The same draws of entities judge every order, so that a difference is of pairs.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.backtest.orders import CHANCE, ORACLE, OURS, RULES, places

TOP = 0.1
DRAWS = 1000
LEVEL = 0.9
_Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A figure with its interval (`LEVEL`), and by how much ours is ahead of it, with the interval of that."""

    value: float
    low: float
    high: float
    ahead: float
    ahead_low: float
    ahead_high: float


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One order: the share of its top tenth that was followed by good news, and the value that its lists caught, as a
    share of what the oracle's lists caught with the same attention (None where nothing was to be caught)."""

    order: str
    good: Figure
    caught: Figure | None


def judge(choices: pl.DataFrame, outcomes: pl.DataFrame, *, budget: int, seed: int = 0) -> list[Standing]:
    """Each order's standing, ours first.

    choices: as `orders.CHOICES`. outcomes: day, customer_id, entity_type, entity_id, good (something good happened
    within the horizon), value_minor (what was won within it, else 0). budget: what one owner attends to in a day.
    Intervals come from draws of entities with replacement: the days of an entity go together.
    """
    key = ["day", "customer_id", "entity_type", "entity_id"]
    rows = places(choices.join(outcomes, on=key, how="inner", maintain_order="left").sort(key))
    weights = _draws(rows, seed)
    good, value = rows["good"].to_numpy().astype(np.float64), rows["value_minor"].to_numpy().astype(np.float64)
    orders = (OURS, *RULES, ORACLE)
    top = {name: _top(rows, name) for name in orders} | {CHANCE: np.ones(rows.height)}
    lists = {name: _listed(rows, name, budget) for name in orders} | {CHANCE: _drawn(rows, budget)}
    share = {name: _ratio(weights, mask * good, mask) for name, mask in top.items()}
    best = weights @ (lists[ORACLE] * value)
    caught = {name: _over(weights @ (mask * value), best) for name, mask in lists.items()}
    return [
        Standing(
            order=name,
            good=_figure(share[name], share[OURS]),
            caught=_figure(caught[name], caught[OURS]) if best[0] > 0 else None,
        )
        for name in (OURS, *RULES, CHANCE, ORACLE)
    ]


def by_action(choices: pl.DataFrame, outcomes: pl.DataFrame, done: pl.DataFrame) -> pl.DataFrame:
    """What was shown, by action: items, how many entities, how many were done within a week, and the share followed by
    good news where it was done and where it was not, beside that of all entities (`base`).

    done: day, customer_id, entity_type, entity_id, action_type of what was done within a week of the day.
    """
    key = ["day", "customer_id", "entity_type", "entity_id"]
    told = choices.join(outcomes, on=key, how="inner")
    base = told["good"].mean()
    acted = done.with_columns(acted=pl.lit(value=True))
    shown = told.filter("shown").join(acted, on=[*key, "action_type"], how="left")
    did = pl.col("acted").fill_null(value=False)
    return (
        shown.group_by("action_type")
        .agg(
            pl.len().alias("items"),
            pl.col("entity_id").n_unique().alias("entities"),
            did.sum().alias("done"),
            pl.col("good").mean().alias("good"),
            pl.col("good").filter(did).mean().alias("good_if_done"),
            pl.col("good").filter(~did).mean().alias("good_if_not"),
        )
        .with_columns(base=pl.lit(base, pl.Float64))
        .sort(-pl.col("items").cast(pl.Int64), "action_type")
    )


def _draws(rows: pl.DataFrame, seed: int) -> _Array:
    """How often each row counts: once, then as often as its entity is drawn."""
    entity = rows.select(pl.struct("customer_id", "entity_type", "entity_id").rank("dense") - 1).to_series().to_numpy()
    number = int(entity.max()) + 1 if len(entity) else 0
    if not number:
        return np.ones((1, 0))
    drawn = np.random.default_rng(seed).multinomial(number, np.full(number, 1 / number), size=DRAWS)
    return np.vstack([np.ones(number), drawn])[:, entity].astype(np.float64)


def _top(rows: pl.DataFrame, order: str) -> _Array:
    limit = (pl.len() * TOP).ceil().over("customer_id", "day")
    return rows.select(pl.col(f"place_{order}") <= limit).to_series().to_numpy().astype(np.float64)


def _listed(rows: pl.DataFrame, order: str, budget: int) -> _Array:
    place = pl.col(f"place_{order}").rank("ordinal").over("customer_id", "day", "owner_id")
    return rows.select(place <= budget).to_series().to_numpy().astype(np.float64)


def _drawn(rows: pl.DataFrame, budget: int) -> _Array:
    """The chance of each to be on a list that is drawn at random."""
    chance = (budget / pl.len().over("customer_id", "day", "owner_id")).clip(upper_bound=1.0)
    return rows.select(chance).to_series().to_numpy()


def _ratio(weights: _Array, part: _Array, whole: _Array) -> _Array:
    return _over(weights @ part, weights @ whole)


def _over(part: _Array, whole: _Array) -> _Array:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _figure(own: _Array, ours: _Array) -> Figure:
    tails = ((1 - LEVEL) / 2, (1 + LEVEL) / 2)
    low, high = np.nanquantile(own[1:], tails)
    ahead = ours - own
    ahead_low, ahead_high = np.nanquantile(ahead[1:], tails)
    figures = (own[0], low, high, ahead[0], ahead_low, ahead_high)
    names = ("value", "low", "high", "ahead", "ahead_low", "ahead_high")
    return Figure(**dict(zip(names, map(float, figures), strict=True)))

"""For how much a deal is won: the amount at the close over the amount now, learned from how amounts changed.

Belongs here: distributions of that ratio on a grid of logarithms, with an exact place for no change. By tenant, stage
and age each is (counts + K · the one above) / (n + K), the mean of a hierarchical Dirichlet process; above the pool
stands a wide guess. A deal without an amount has no distribution, and is told apart.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from models.forecast.grid import AGES, band, crossed

STRENGTH = 20.0  # won deals at which a cell weighs as much as the one above it
GUESS = 4.0  # won deals that the guess is worth in the pool
_HALF, _FINE, _WIDEST = 60, 0.02, float(np.log(20.0))
_STEPS = np.arange(-_HALF, _HALF + 1)
CENTRES = _FINE * np.sinh(_STEPS / _HALF * np.arcsinh(_WIDEST / _FINE))
"""Logarithms of the ratio: close together about no change, from a twentieth to twenty times."""
_EDGES = (CENTRES[:-1] + CENTRES[1:]) / 2
_UNCHANGED, _SPREAD = 0.3, 0.4  # of the guess: a Laplace law beside deals that do not change
_YOUNG = np.searchsorted(AGES, 28.0)  # bands below are of young deals
ATOMS = 20
"""A deal's amounts: as many values of equal chance, each the mean of its slice, so that their mean is the mean."""


def guess() -> np.ndarray:
    """float64 (grid,): what is said while nobody has won a deal; its mean ratio is 1."""
    width = np.gradient(CENTRES)
    law = np.exp(-np.abs(CENTRES) / _SPREAD) * width
    law *= (1 - _UNCHANGED) / law.sum()
    law[_HALF] += _UNCHANGED
    for _ in range(50):
        law *= np.exp(-(law @ np.exp(CENTRES) - 1) * CENTRES)
        law /= law.sum()
    return np.asarray(law)


def _counts(rows: pl.DataFrame) -> np.ndarray:
    """(grid,) of won landmarks; a deal counts once however many landmarks it has."""
    ratio = np.log(rows["closed_minor"].to_numpy() / rows["value_minor"].to_numpy())
    places = np.where(np.abs(ratio) < 5e-4, _HALF, np.searchsorted(_EDGES, ratio))
    weight = rows.select(1 / pl.len().over("customer_id", "opportunity_id")).to_series().to_numpy()
    return np.bincount(places, weights=weight, minlength=len(CENTRES))


def _shrunk(counted: np.ndarray, above: np.ndarray, strength: float) -> np.ndarray:
    return np.asarray((counted + strength * above) / (counted.sum() + strength))


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """Laws of the ratio by tenant, (1 + cells, grid), the first of any cell; a cell is a stage of young or older
    deals.
    """

    newcomer: np.ndarray
    tenants: dict[str, np.ndarray]
    cells: dict[str, tuple[str, ...]]

    @classmethod
    def fit(cls, rows: pl.DataFrame, *, opted_out: Collection[str] = ()) -> Self:
        """From landmarks of all tenants. Who opted out neither gives nor takes."""
        won = rows.filter(pl.col("closed_minor").is_not_null() & (pl.col("value_minor") > 0)).with_columns(
            _cell=cell(rows.filter(pl.col("closed_minor").is_not_null() & (pl.col("value_minor") > 0)))
        )
        own = {
            str(tenant): part
            for (tenant,), part in won.sort("customer_id").group_by("customer_id", maintain_order=True)
        }
        mine = {tenant: _counts(part) for tenant, part in own.items()}
        lent = {tenant: one for tenant, one in mine.items() if tenant not in opted_out}
        pool = np.sum([*lent.values(), np.zeros(len(CENTRES))], axis=0)
        tenants, cells = {}, {}
        for tenant, part in own.items():
            others = guess() if tenant in opted_out else _shrunk(pool - mine[tenant], guess(), GUESS)
            strength = GUESS if tenant in opted_out else STRENGTH
            anywhere = _shrunk(mine[tenant], others, strength)
            parts = {str(name): one for (name,), one in part.sort("_cell").group_by("_cell", maintain_order=True)}
            cells[tenant] = tuple(parts)
            tenants[tenant] = np.stack(
                [anywhere, *(_shrunk(_counts(one), anywhere, STRENGTH) for one in parts.values())]
            )
        return cls(newcomer=_shrunk(pool, guess(), GUESS)[None], tenants=tenants, cells=cells)

    def laws(self, frame: pl.DataFrame) -> np.ndarray:
        """(rows, grid) of deals: customer_id, stage, age_days."""
        found = np.empty((frame.height, len(CENTRES)))
        keyed = frame.select("customer_id", _cell=cell(frame)).with_row_index("_place")
        for (tenant, name), place in keyed.group_by("customer_id", "_cell"):
            known = self.cells.get(str(tenant), ())
            table = self.tenants.get(str(tenant), self.newcomer)
            found[place["_place"].to_numpy()] = table[1 + known.index(str(name)) if name in known else 0]
        return found

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "newcomer": self.newcomer,
            "tenants": list(self.tenants),
            "laws": list(self.tenants.values()),
            "cells": [list(self.cells[tenant]) for tenant in self.tenants],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """What `state` was taken from."""
        return cls(
            newcomer=state["newcomer"],
            tenants=dict(zip(state["tenants"], state["laws"], strict=True)),
            cells={name: tuple(cells) for name, cells in zip(state["tenants"], state["cells"], strict=True)},
        )


def cell(frame: pl.DataFrame) -> pl.Series:
    """The cell of each deal, as text."""
    old = pl.Series(band(frame["age_days"].to_numpy()) >= _YOUNG)
    return frame.select(
        pl.concat_str(pl.col("stage").fill_null(""), pl.when(old).then(pl.lit("/older")).otherwise(pl.lit("/young")))
    ).to_series()


def quantiles(laws: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Ratios (rows, levels): the least one that is not exceeded with at least that chance."""
    reached = np.cumsum(laws, axis=1)
    reached /= reached[:, -1:]
    places = (reached[:, :, None] < levels[None, None, :] - 1e-9).sum(axis=1)
    return np.asarray(np.exp(CENTRES[np.minimum(places, len(CENTRES) - 1)]))


def atoms(laws: np.ndarray) -> np.ndarray:
    """Ratios (rows, ATOMS), ascending: the mean of each slice of equal chance, so that their mean is the law's."""
    reached = np.concatenate([np.zeros((len(laws), 1)), np.cumsum(laws, axis=1)], axis=1)
    reached /= reached[:, -1:]
    worth = np.concatenate([np.zeros((len(laws), 1)), np.cumsum(laws * np.exp(CENTRES), axis=1)], axis=1)
    return np.diff(crossed(reached, worth, np.linspace(0, 1, ATOMS + 1)), axis=1) * ATOMS

"""Rows that a version did not learn from: what became known after it did.

Belongs here: choosing them. An entity is decided once, so those that are decided in a span of time are a fair sample of
all, whenever they were created; those created in it and decided already are not, for they were decided early.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from models.labels import Labelled, label
from models.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Known:
    """Labelled rows of any number of tenants with `at`, µs since the epoch: when each outcome became known."""

    rows: Labelled
    at: np.ndarray

    def after(self, since: datetime) -> "Known":
        """Rows of entities of which nothing was known at `since` (aware)."""
        early = self.rows.entity[self.at <= _micros(since)]
        return self.where(~np.isin(self.rows.entity, early))

    def until(self, since: datetime) -> "Known":
        """Rows whose outcome was known at `since` (aware): what a version of that instant learned from."""
        return self.where(self.at <= _micros(since))

    def of(self, customer_id: str) -> "Known":
        """The rows of one tenant."""
        return self.where((self.rows.frame["customer_id"] == customer_id).to_numpy())

    def firsts(self) -> "Known":
        """The first row of each entity, in the order in which the outcomes became known."""
        taken = self.rows.frame["as_of"].to_physical().to_numpy()
        order = np.lexsort((taken, self.rows.entity))
        _, first = np.unique(self.rows.entity[order], return_index=True)
        kept = order[first]
        kept = kept[np.lexsort((self.rows.entity[kept], self.at[kept]))]
        rows = Labelled(
            frame=self.rows.frame[kept],
            y=self.rows.y[kept],
            entity=self.rows.entity[kept],
            created=self.rows.created[kept],
        )
        return Known(rows=rows, at=self.at[kept])

    def where(self, mask: np.ndarray) -> "Known":
        """The rows for which `mask` is true."""
        return Known(rows=self.rows.where(mask), at=self.at[mask])


def known(recipe: Recipe, snapshots: pl.DataFrame, outcomes: pl.DataFrame, *, as_of: datetime) -> Known:
    """All labelled rows as known at `as_of` (aware), the young ones among them, with when each became known."""
    rows = label(recipe, snapshots, outcomes, as_of=as_of, young=True)
    if recipe.horizon_days:
        at = rows.frame.select(at=pl.col("as_of") + pl.duration(seconds=round(recipe.horizon_days * 86400)))["at"]
    else:
        key = ["customer_id", recipe.contract.id_column]
        decided = outcomes.select(*key, _at="decided_at")
        at = rows.frame.select(key).join(decided, on=key, how="left", maintain_order="left")["_at"]
    return Known(rows=rows, at=at.cast(pl.Datetime("us", "UTC")).to_physical().to_numpy())


def _micros(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)

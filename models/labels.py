"""From snapshots and outcomes to labelled rows, with nothing decided after `as_of` and without the bias of the young.

Belongs here: what counts as an outcome, and which rows are old enough to be judged. A young entity that is already
decided was decided early, and early decisions are mostly losses: training on it would teach that new entities lose. So
a row counts only once its tenant's usual decision time (90th percentile) has passed, unless that would cost more than
half of the rows. Up to the oldest entity that is still open, all are decided, and nothing has to be waited for.
"""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from models.errors import MissingColumns
from models.recipe import Recipe

_USUAL = 0.9


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Rows that may train or judge: `frame` without any label, `y` 0/1, `entity` a code per entity, `created` in µs."""

    frame: pl.DataFrame
    y: np.ndarray
    entity: np.ndarray
    created: np.ndarray

    @property
    def entities(self) -> int:
        return len(np.unique(self.entity))

    def where(self, mask: np.ndarray) -> "Labelled":
        """The rows for which `mask` is true."""
        kept = self.frame.filter(pl.Series(mask))
        return Labelled(frame=kept, y=self.y[mask], entity=self.entity[mask], created=self.created[mask])


def label(
    recipe: Recipe, snapshots: pl.DataFrame, outcomes: pl.DataFrame, *, as_of: datetime, young: bool = False
) -> Labelled:
    """Labelled rows of `recipe` as known at `as_of`; open ones are left out, and too young ones unless `young`."""
    key = ["customer_id", recipe.contract.id_column]
    missing = sorted({*key, "outcome", "decided_at"} - set(outcomes.columns))
    if missing:
        raise MissingColumns(f"{recipe.entity} outcomes lack: {', '.join(missing)}", columns=missing)
    known = outcomes.select(
        *key,
        _won=pl.col("outcome") == "won",
        _decided=pl.when(pl.col("outcome").is_in(["won", "lost"]) & (pl.col("decided_at") <= as_of)).then("decided_at"),
    )
    created = recipe.contract.created
    rows = (
        snapshots.filter((pl.col("as_of") <= as_of) & pl.col(created).is_not_null())
        .join(known, on=key, how="left")
        .filter(pl.col("_decided").is_null() | (pl.col("_decided") > pl.col("as_of")))
    )
    rows = _within(rows, recipe.horizon_days, as_of) if recipe.horizon_days else _ended(rows, created, as_of, young)
    return _labelled(rows.sort(created, *key, "as_of"), key, created)


def _within(rows: pl.DataFrame, days: float, as_of: datetime) -> pl.DataFrame:
    """Won within `days` of the snapshot; only snapshots whose horizon has passed."""
    end = pl.col("as_of") + pl.duration(seconds=round(days * 86400))
    return rows.filter(end <= as_of).with_columns(_y=(pl.col("_won") & (pl.col("_decided") <= end)).fill_null(False))


def _ended(rows: pl.DataFrame, created: str, as_of: datetime, young: bool) -> pl.DataFrame:
    """How decided entities ended, of those old enough."""
    is_decided, tenant = pl.col("_decided").is_not_null(), "customer_id"
    ended = rows.with_columns(_first_open=pl.col(created).filter(~is_decided).min().over(tenant)).filter(is_decided)
    ended = ended.with_columns(_y=pl.col("_won"))
    if young:
        return ended.drop("_first_open")
    usual = (pl.col("_decided") - pl.col(created)).quantile(_USUAL).over(tenant)
    first_open = pl.col("_first_open")
    enough = pl.max_horizontal(pl.lit(as_of) - usual, pl.col(created).median().over(tenant), first_open)
    return ended.filter(first_open.is_null() | (pl.col(created) <= enough)).drop("_first_open")


def _labelled(rows: pl.DataFrame, key: list[str], created: str) -> Labelled:
    return Labelled(
        frame=rows.drop("_won", "_decided", "_y"),
        y=rows["_y"].cast(pl.Int64).to_numpy(),
        entity=rows.select(pl.struct(key).rank("dense")).to_series().to_numpy(),
        created=rows[created].cast(pl.Datetime("us", "UTC")).to_physical().to_numpy(),
    )

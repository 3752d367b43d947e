"""When a deal ends, won or lost: Aalen–Johansen by stage and age, each cell shrunk towards the one above it.

Belongs here: competing hazards of a tenant's stages and ages. Censored deals count while they were open. A period's
hazard is (events + K · hazard above) / (at risk + K): from the pool's age band, less this tenant, to the tenant's, to
the tenant's stage; above the pool stands a wide guess. So there is a distribution from the first deal on, and no
threshold to pass.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from models.forecast.grid import AGES, EDGES, PERIODS, band, period, read
from models.forecast.landmarks import LOST, OPEN, WON
from models.pooling import START_RATE

STRENGTH = 20.0  # deals at risk at which a cell weighs as much as the one above it
_CAP = 2000.0  # deals after which a tenant counts no more in the pool
_STAGES = ("prospecting", "qualification", "proposal", "negotiation")  # mean the same in every tenant
_MEDIAN_DAYS, _SHAPE = 60.0, 1.3  # of the guess: log-logistic, 10 % ended within 11 days, 10 % open after 330
_MOST = 0.98
Cells = np.ndarray  # (…, 2, PERIODS): hazards of being won and lost


@dataclass(frozen=True)
class Counts:
    """Deals at risk (bands, PERIODS), events (bands, 2, PERIODS); a deal censored within a period is half at risk."""

    risk: np.ndarray
    events: np.ndarray

    def scaled(self, share: float) -> "Counts":
        return Counts(self.risk * share, self.events * share)

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(self.risk + other.risk, self.events + other.events)

    def less(self, other: "Counts") -> "Counts":
        return Counts(np.maximum(self.risk - other.risk, 0.0), np.maximum(self.events - other.events, 0.0))

    def shrunk(self, above: Cells) -> Cells:
        """Hazards (bands, 2, PERIODS)."""
        return np.asarray((self.events + STRENGTH * above) / (self.risk[:, None] + STRENGTH))


def counts(rows: pl.DataFrame) -> Counts:
    """Of landmarks."""
    at, ends = rows["band"].to_numpy(), period(rows["elapsed"].to_numpy())
    cause = np.where(rows["elapsed"].to_numpy() > EDGES[-1], OPEN, rows["cause"].to_numpy())
    shape = (len(AGES), PERIODS)
    ended = {
        one: np.bincount(at[cause == one] * PERIODS + ends[cause == one], minlength=shape[0] * PERIODS).reshape(shape)
        for one in (OPEN, WON, LOST)
    }
    leaving = ended[OPEN] + ended[WON] + ended[LOST]
    entering = np.cumsum(leaving[:, ::-1], axis=1)[:, ::-1]
    return Counts(entering - ended[OPEN] / 2, np.stack([ended[WON], ended[LOST]], axis=1).astype(np.float64))


def guess() -> Cells:
    """Hazards while nobody has an outcome, the same at each age."""
    surviving = 1 / (1 + (EDGES / _MEDIAN_DAYS) ** _SHAPE)
    hazard = 1 - surviving[1:] / surviving[:-1]
    both = np.stack([START_RATE * hazard, (1 - START_RATE) * hazard])
    return np.broadcast_to(both, (len(AGES), *both.shape)).copy()


@dataclass(frozen=True, kw_only=True)
class Closing:
    """Hazards by tenant: (1 + stages, bands, 2, PERIODS), the first of any stage; `newcomer` for the others."""

    newcomer: np.ndarray
    tenants: dict[str, np.ndarray]
    stages: dict[str, tuple[str, ...]]

    @classmethod
    def fit(cls, rows: pl.DataFrame, *, opted_out: Collection[str] = ()) -> Self:
        """From landmarks of all tenants. Who opted out neither gives nor takes."""
        own = {
            str(tenant): part
            for (tenant,), part in rows.sort("customer_id").group_by("customer_id", maintain_order=True)
        }
        mine = {tenant: _counted(part) for tenant, part in own.items()}
        lent = {
            tenant: {stage: one.scaled(_share(part)) for stage, one in mine[tenant].items() if stage in ("", *_STAGES)}
            for tenant, part in own.items()
            if tenant not in opted_out
        }
        pool = {stage: _added([one[stage] for one in lent.values() if stage in one]) for stage in ("", *_STAGES)}
        tenants = {
            tenant: _tenant(one, {} if tenant in opted_out else _without(pool, lent[tenant]))
            for tenant, one in mine.items()
        }
        return cls(
            newcomer=_tenant({stage: _nothing() for stage in ("", *_STAGES)}, pool),
            tenants=tenants,
            stages={tenant: tuple(stage for stage in one if stage) for tenant, one in mine.items()},
        )

    def remaining(self, frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Chances to be won, and lost, by each of `EDGES` from now on, each (rows, PERIODS + 1), of open deals.

        frame: customer_id, stage, age_days. A deal older than the landmark of its age is one that was not ended since.
        """
        hazards = np.empty((frame.height, 2, PERIODS))
        age = frame["age_days"].to_numpy()
        at = band(age)
        for (tenant, stage), place in (
            frame.select("customer_id", "stage").with_row_index("_place").group_by("customer_id", "stage")
        ):
            places = place["_place"].to_numpy()
            hazards[places] = self._cells(str(tenant), stage)[at[places]]
        return later(*cumulated(hazards), np.minimum(age - AGES[at], EDGES[-1] / 2))

    def _cells(self, tenant: str, stage: Any) -> Cells:
        table = self.tenants.get(tenant, self.newcomer)
        stages = self.stages.get(tenant, _STAGES)
        return np.asarray(table[1 + stages.index(stage) if stage in stages else 0])

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {
            "newcomer": self.newcomer,
            "tenants": list(self.tenants),
            "hazards": list(self.tenants.values()),
            "stages": [list(self.stages[tenant]) for tenant in self.tenants],
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """What `state` was taken from."""
        return cls(
            newcomer=state["newcomer"],
            tenants=dict(zip(state["tenants"], state["hazards"], strict=True)),
            stages={name: tuple(stages) for name, stages in zip(state["tenants"], state["stages"], strict=True)},
        )


def cumulated(hazards: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From hazards (rows, 2, PERIODS) to chances to be won and lost by each edge, each (rows, PERIODS + 1)."""
    total = hazards.sum(axis=1)
    hazards = hazards * np.minimum(1.0, _MOST / np.maximum(total, 1e-12))[:, None]
    surviving = np.cumprod(1 - hazards.sum(axis=1), axis=1)
    before = np.concatenate([np.ones((len(hazards), 1)), surviving[:, :-1]], axis=1)
    ended = np.cumsum(hazards * before[:, None], axis=2)
    zero = np.zeros((len(hazards), 1))
    return np.concatenate([zero, ended[:, 0]], axis=1), np.concatenate([zero, ended[:, 1]], axis=1)


def later(won: np.ndarray, lost: np.ndarray, since: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same chances from `since` days (rows,) on, for deals that are still open then."""
    days = since[:, None] + EDGES[None, :]
    begun = [read(one, since)[:, None] for one in (won, lost)]
    surviving = np.maximum(1 - begun[0] - begun[1], 1e-9)
    return (read(won, days) - begun[0]) / surviving, (read(lost, days) - begun[1]) / surviving


def _nothing() -> Counts:
    return Counts(np.zeros((len(AGES), PERIODS)), np.zeros((len(AGES), 2, PERIODS)))


def _added(parts: list[Counts]) -> Counts:
    total = _nothing()
    for one in parts:
        total = total + one
    return total


def _counted(rows: pl.DataFrame) -> dict[str, Counts]:
    """Counts by stage, and of all stages under ''."""
    found = {"": counts(rows)}
    for (stage,), part in (
        rows.filter(pl.col("stage").is_not_null()).sort("stage").group_by("stage", maintain_order=True)
    ):
        found[str(stage)] = counts(part)
    return found


def _share(rows: pl.DataFrame) -> float:
    return min(1.0, _CAP / max(rows["opportunity_id"].n_unique(), 1))


def _without(pool: Mapping[str, Counts], mine: Mapping[str, Counts]) -> dict[str, Counts]:
    return {stage: one.less(mine[stage]) if stage in mine else one for stage, one in pool.items()}


def _tenant(mine: Mapping[str, Counts], pool: Mapping[str, Counts]) -> np.ndarray:
    """Hazards (1 + stages, bands, 2, PERIODS); a stage begins as the tenant does, times what it does to others."""
    above = pool[""].shrunk(guess()) if pool else guess()
    anywhere = mine[""].shrunk(above)
    tables = [anywhere]
    for stage, one in mine.items():
        if stage:
            usual = pool[stage].shrunk(above) / np.maximum(above, 1e-12) if stage in pool else 1.0
            tables.append(one.shrunk(np.minimum(anywhere * usual, _MOST / 2)))
    return np.stack(tables)

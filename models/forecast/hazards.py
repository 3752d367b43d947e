"""When a deal ends, from what is known of it: an additive discrete-time hazard on top of `closing`.

Belongs here: person-period rows of landmarks, and the two classifiers (won, lost) that move the hazards of `closing`
by what a deal looks like. Used only where it foretells later deals better (`choice`).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from models.additive import AdditiveClassifier
from models.binning import code
from models.calibration import sigmoid
from models.forecast.closing import Closing, cumulated
from models.forecast.grid import EDGES, PERIODS, period
from models.forecast.landmarks import LOST, WON
from models.tables import Tables

NUMBERS = (
    *("age_days", "days_in_stage", "days_to_close", "close_date_slips", "value_minor", "stage_changes"),
    *("days_since_last_activity", "days_since_last_inbound", "inbound_30d", "outbound_30d", "engagement_decayed"),
    *(
        "proposals_replied",
        "days_since_last_proposal_reply",
        "has_next_step",
        "next_step_in_days",
        "owner_win_rate_180d",
    ),
)
_DUE = NUMBERS.index("days_to_close")
_ROWS = 150_000  # person-periods that are learned from; those in which nothing ends are thinned, and weigh more
_LEAST = 1e-5


@dataclass(frozen=True, kw_only=True)
class Hazards:
    """Bins and worth of features for both ways to end.

    Behind `NUMBERS` stand the day, the days by which it is past the expected close date, and the hazard of `closing`.
    """

    edges: list[np.ndarray]
    won: Tables
    lost: Tables

    @classmethod
    def fit(cls, rows: pl.DataFrame, closing: Closing, *, seed: int = 0) -> Self:
        """From landmarks and the `closing` that was fitted to them."""
        last = period(np.minimum(rows["elapsed"].to_numpy(), EDGES[-1]))
        row = np.repeat(np.arange(rows.height), last + 1)
        at = np.concatenate([np.arange(one + 1) for one in last]) if rows.height else np.empty(0, dtype=int)
        cause = np.where(at == last[row], rows["cause"].to_numpy()[row], 0)
        ends, random = cause > 0, np.random.default_rng(seed)
        share = min(1.0, _ROWS / max(len(row), 1))
        taken = ends | (random.random(len(row)) < share)
        row, at, cause, weight = row[taken], at[taken], cause[taken], np.where(ends, 1.0, 1 / share)[taken]
        base = np.diff(np.stack(closing.remaining(rows), axis=1), axis=2)
        values = _matrix(rows)
        edges, tables = [], []
        for which, one in enumerate((WON, LOST)):
            chances = _conditional(base)[:, which][row, at]
            lent = np.log(np.maximum(chances, _LEAST))
            matrix = np.column_stack([values[row], EDGES[at], EDGES[at] - values[row, _DUE], lent])
            model = AdditiveClassifier(learner="spline", random_state=seed)
            model.fit(matrix, cause == one, sample_weight=weight)
            tables.append(model.tables_)
            edges.append(model.binner_.edges_)
        return cls(edges=[*edges[0], edges[1][-1]], won=tables[0], lost=tables[1])

    def remaining(self, frame: pl.DataFrame, closing: Closing) -> tuple[np.ndarray, np.ndarray]:
        """As `Closing.remaining`, for frames that have the columns of the features mart besides."""
        base = _conditional(np.diff(np.stack(closing.remaining(frame), axis=1), axis=2))
        values = _matrix(frame)
        codes = np.stack([code(column, edges) for column, edges in zip(values.T, self.edges, strict=False)], axis=1)
        row, at = np.repeat(np.arange(frame.height), PERIODS), np.tile(np.arange(PERIODS), frame.height)
        hazards = np.empty_like(base)
        days, past = code(EDGES[at], self.edges[-4]), code(EDGES[at] - values[row, _DUE], self.edges[-3])
        for which, (tables, edges) in enumerate(((self.won, self.edges[-2]), (self.lost, self.edges[-1]))):
            lent = code(np.log(np.maximum(base[:, which].ravel(), _LEAST)), edges)
            logit = tables.logit(np.column_stack([codes[row], days, past, lent]))
            hazards[:, which] = sigmoid(logit).reshape(frame.height, PERIODS)
        return cumulated(hazards)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays."""
        return {"edges": self.edges, "won": self.won.state(), "lost": self.lost.state()}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """What `state` was taken from."""
        return cls(
            edges=list(state["edges"]), won=Tables.from_state(state["won"]), lost=Tables.from_state(state["lost"])
        )


def _matrix(frame: pl.DataFrame) -> np.ndarray:
    return frame.select(pl.col(name).cast(pl.Float64).fill_null(np.nan) for name in NUMBERS).to_numpy()


def _conditional(ending: np.ndarray) -> np.ndarray:
    """From chances to end in each period (rows, 2, PERIODS) to hazards of the same shape."""
    before = 1 - np.cumsum(ending.sum(axis=1), axis=1) + ending.sum(axis=1)
    return np.asarray(ending / np.maximum(before, 1e-9)[:, None])

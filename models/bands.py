"""Coarser ways to say a probability: a letter, points from 0 to 100, a rank.

Belongs here: cut points learned at training, and applying them. Letters need a difference that matters: without one,
all are C.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

LETTERS = np.array(["D", "C", "B", "A"])
_SHARES = (0.4, 0.7, 0.9)  # of the training rows below C, B, A
_LEAST_ODDS = (-0.15, 0.15, 0.4)  # logits away from the baseline that a letter needs at least


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Cut points in calibrated logits: `floors` of C, B, A; `zero` and `hundred` of the points."""

    floors: tuple[float, float, float]
    zero: float
    hundred: float

    @classmethod
    def of(cls, logit: np.ndarray, baseline: float) -> Self:
        """The scale of training rows with these logits."""
        if not len(logit):
            logit = np.array([baseline])
        quantiles = np.quantile(logit, _SHARES)
        low, middle, high = (baseline + least for least in _LEAST_ODDS)
        floors = (
            min(float(quantiles[0]), low),
            max(float(quantiles[1]), middle),
            max(float(quantiles[2]), high),
        )
        zero, hundred = (float(value) for value in np.quantile(logit, (0.01, 0.99)))
        return cls(floors=floors, zero=zero, hundred=hundred)

    def band(self, logit: np.ndarray) -> np.ndarray:
        """Letters 'A' (best) to 'D', (rows,)."""
        return np.asarray(LETTERS[np.searchsorted(np.array(self.floors), logit, side="right")])

    def points(self, logit: np.ndarray) -> np.ndarray:
        """Whole points 0–100, linear in the logit, so that every reason is worth a fixed number of points."""
        return np.clip(np.rint(50.0 + (logit - (self.zero + self.hundred) / 2) * self.points_per_logit), 0, 100).astype(
            int
        )

    @property
    def points_per_logit(self) -> float:
        """What one logit of contribution is worth; nothing where the model sees no difference."""
        return 100.0 / (self.hundred - self.zero) if self.hundred - self.zero > 1e-6 else 0.0

    def state(self) -> dict[str, Any]:
        """Plain values for an artefact."""
        return asdict(self) | {"floors": list(self.floors)}

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The scale that `state` was taken from."""
        low, middle, high = state["floors"]
        return cls(floors=(low, middle, high), zero=state["zero"], hundred=state["hundred"])


def ranks(logit: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """1 for the highest logit; equal logits by id, so that a second run gives the same ranks."""
    order = np.lexsort((ids, -logit))
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(1, len(order) + 1)
    return places

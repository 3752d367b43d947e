"""A tenant's scoring function: merged shape, calibration, scale, norms and what it may be displayed as.

Belongs here: everything that scoring one tenant needs, and nothing that training needs. Its state is plain values and
arrays.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

from models import intervals
from models.bands import Scale
from models.binning import code
from models.calibration import sigmoid
from models.contracts import Contract
from models.directions import Doubt
from models.encoding import FrameEncoder
from models.merging import Shape
from models.tables import Tables, summed


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a head: outcomes it learned from, its display, and its metrics on later data as plain
    numbers.
    """

    outcomes: int
    rate: float
    own_weight: float
    learner: str
    display: str
    display_reason: str
    metrics: dict[str, float]
    reliability: list[dict[str, float]]


@dataclass(frozen=True, kw_only=True)
class Scored:
    """Per row: encoded values, contributions in calibrated logits, and the results. baseline + parts.sum(1) = logit."""

    values: np.ndarray
    parts: np.ndarray
    baseline: float
    logit: np.ndarray
    probability: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Head:
    """The calibrated additive function of one tenant. `norms`: median value (or commonest level) per feature.

    doubt: in the tenant's deviations from what it is lent, before the calibration; an older artefact has none.
    seen: least, lower quartile, median and greatest value per feature (features, 4), NaN where never known. contrary:
    features whose sign is contrary to the one agreed, as `signs.contrary` gives them.
    """

    shape: Shape
    offset: float
    slope: float
    covariance: np.ndarray
    scale: Scale
    norms: np.ndarray
    facts: Facts
    doubt: Doubt | None = None
    seen: np.ndarray | None = None
    contrary: np.ndarray | None = None

    def apply(self, values: np.ndarray) -> Scored:
        """Score encoded rows, float64 (rows, features)."""
        codes = coded(self.shape, values)
        parts = self.shape.tables.contributions(codes)
        raw = self.shape.tables.intercept + summed(parts)
        spread = self.shape.variance.logit(codes)
        if self.doubt is not None:
            spread = spread + self.doubt.variance(codes)
        parts *= self.slope
        baseline = self.offset + self.slope * self.shape.tables.intercept
        logit = baseline + summed(parts)
        low, high = intervals.bounds(logit, intervals.variance(raw, spread, self.slope, self.covariance))
        return Scored(
            values=values,
            parts=parts,
            baseline=baseline,
            logit=logit,
            probability=sigmoid(logit),
            low=low,
            high=high,
        )

    def level_error(self, values: np.ndarray) -> float:
        """Standard error, in logits, of the mean calibrated logit of encoded rows: how far off a whole level may be."""
        codes = coded(self.shape, values)
        lent = 0.0 if self.doubt is None else self.slope**2 * self.doubt.of_level(codes)
        return intervals.offset_error(self.shape.tables.logit(codes), self.covariance, lent=lent)

    def state(self) -> dict[str, Any]:
        """Plain values and arrays from which `from_state` makes an equal head."""
        return {
            "encoder": self.shape.encoder.state(),
            "edges": self.shape.edges,
            "tables": self.shape.tables.state(),
            "variance": self.shape.variance.state(),
            "offset": self.offset,
            "slope": self.slope,
            "covariance": self.covariance,
            "scale": self.scale.state(),
            "norms": self.norms,
            "facts": asdict(self.facts),
            "doubt": self.doubt and self.doubt.state(),
            "seen": self.seen,
            "contrary": self.contrary,
        }

    @classmethod
    def from_state(cls, contract: Contract, state: dict[str, Any]) -> Self:
        """The head that `state` was taken from."""
        shape = Shape(
            encoder=FrameEncoder.from_state(contract, state["encoder"]),
            edges=list(state["edges"]),
            tables=Tables.from_state(state["tables"]),
            variance=Tables.from_state(state["variance"]),
        )
        return cls(
            shape=shape,
            offset=state["offset"],
            slope=state["slope"],
            covariance=state["covariance"],
            scale=Scale.from_state(state["scale"]),
            norms=state["norms"],
            facts=Facts(**state["facts"]),
            doubt=Doubt.from_state(state["doubt"]) if state.get("doubt") else None,
            seen=state.get("seen"),
            contrary=state.get("contrary"),
        )


def coded(shape: Shape, values: np.ndarray) -> np.ndarray:
    """uint8 codes (rows, features) of encoded values over the bins of `shape`."""
    codes = np.empty(values.shape, dtype=np.uint8, order="F")
    for j, edges in enumerate(shape.edges):
        codes[:, j] = code(values[:, j], edges)
    return codes

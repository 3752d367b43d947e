"""From mart columns to the matrix that an additive model reads, by a vocabulary learned at training.

Belongs here: which features a frame yields for a recipe, their order, and reading their values. Binning is `binning`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from models import attributes
from models.contracts import Contract, Role


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One input of a model. `levels` is None for a number."""

    name: str
    role: str
    levels: tuple[str, ...] | None


class FrameEncoder:
    """Frame → float64 matrix of shape (rows, features); NaN is missing; categorical features hold level codes.

    `learned=False` keeps to numbers and fixed vocabularies: what may be shared between tenants without telling one the
    words of another.
    """

    def __init__(
        self,
        contract: Contract,
        roles: Sequence[Role],
        *,
        learned: bool = True,
        doubtful: bool = False,
        min_count: int = 20,
        max_levels: int = 30,
    ) -> None:
        self.contract = contract
        self.roles = tuple(roles)
        self.learned = learned
        self.doubtful = doubtful
        self.min_count = min_count
        self.max_levels = max_levels
        self.features_: tuple[Feature, ...] = ()

    def fit(self, frame: pl.DataFrame) -> Self:
        """Learn the vocabulary of `frame` (training rows of one tenant, or of the pool)."""
        columns = [self._mart_feature(column.name, frame) for column in self.contract.of(*self.roles)]
        features = [feature for feature in columns if feature is not None]
        if self.learned and Role.ATTRIBUTES in self.roles:
            features += self._attribute_features(frame)
        self.features_ = tuple(features)
        return self

    def transform(self, frame: pl.DataFrame) -> np.ndarray:
        """float64 matrix (rows, features) in the order of `features_`."""
        matrix = np.empty((frame.height, len(self.features_)), dtype=np.float64, order="F")
        wanted = any(feature.role == Role.ATTRIBUTES for feature in self.features_)
        documents = attributes.parse(frame["attributes"]) if wanted else []
        for index, feature in enumerate(self.features_):
            matrix[:, index] = self._values(feature, frame, documents)
        matrix[np.isinf(matrix)] = np.nan
        return matrix

    @property
    def categorical(self) -> tuple[int, ...]:
        """Positions of the categorical features."""
        return tuple(index for index, feature in enumerate(self.features_) if feature.levels is not None)

    def position(self, name: str) -> int | None:
        """Where the feature `name` is, or None."""
        return next((index for index, feature in enumerate(self.features_) if feature.name == name), None)

    def state(self) -> dict[str, Any]:
        """Plain values from which `from_state` makes an equal encoder."""
        features = [asdict(feature) | {"role": str(feature.role)} for feature in self.features_]
        return {
            "roles": [str(role) for role in self.roles],
            "features": features,
        }

    @classmethod
    def from_state(cls, contract: Contract, state: dict[str, Any]) -> Self:
        """The encoder that `state` was taken from."""
        encoder = cls(contract, [Role(role) for role in state["roles"]])
        encoder.features_ = tuple(
            Feature(name=f["name"], role=f["role"], levels=None if f["levels"] is None else tuple(f["levels"]))
            for f in state["features"]
        )
        return encoder

    def _mart_feature(self, name: str, frame: pl.DataFrame) -> Feature | None:
        column = next(column for column in self.contract.columns if column.name == name)
        if column.dtype == "number":
            return Feature(name=name, role=column.role, levels=None)
        if column.levels:
            return Feature(name=name, role=column.role, levels=column.levels)
        if column.role is Role.ATTRIBUTES or not self.learned:
            return None
        levels = attributes.top_levels(
            frame[name].cast(pl.String).to_list(), min_count=self.min_count, max_levels=self.max_levels
        )
        return Feature(name=name, role=column.role, levels=levels) if levels else None

    def _attribute_features(self, frame: pl.DataFrame) -> list[Feature]:
        fields = attributes.learn(
            attributes.parse(frame["attributes"]),
            min_count=self.min_count,
            max_levels=self.max_levels,
            doubtful=self.doubtful,
        )
        return [Feature(name=attributes.PREFIX + f.key, role=Role.ATTRIBUTES, levels=f.levels) for f in fields]

    def _values(self, feature: Feature, frame: pl.DataFrame, documents: Sequence[dict[str, Any]]) -> np.ndarray:
        if feature.role == Role.ATTRIBUTES:
            key = feature.name.removeprefix(attributes.PREFIX)
            return attributes.column(attributes.Field(key=key, levels=feature.levels), documents)
        if feature.levels is not None:
            return _codes(frame[feature.name], feature.levels)
        return frame[feature.name].cast(pl.Float64).fill_null(np.nan).to_numpy()


def _codes(texts: pl.Series, levels: Sequence[str]) -> np.ndarray:
    """float64 codes of a text column: 1.. for a level, 0 for any other text, NaN for null."""
    codes = [index + 1.0 for index in range(len(levels))]
    known = texts.cast(pl.String).replace_strict(list(levels), codes, default=0.0, return_dtype=pl.Float64)
    values = known.to_numpy().copy()
    values[texts.is_null().to_numpy()] = np.nan
    return values

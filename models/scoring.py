"""A trained score: one head per tenant, one for newcomers, and the frame they make.

Belongs here: scoring. Training makes the object, `artefacts` keeps it.
"""

from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Self

import numpy as np
import polars as pl

from bevyly.ids import derived_id
from models.bands import ranks
from models.contracts import check
from models.explanations import none, reasons
from models.heads import Facts, Head
from models.labels import Labelled
from models.recipe import Recipe
from models.schema import RECIPES, SCORES

_CHUNK = 100_000


@dataclass(frozen=True, kw_only=True)
class Window:
    """What was learned from: first and last creation time of labelled entities, their number, as known at `as_of`."""

    as_of: datetime
    trained_from: datetime | None
    trained_to: datetime | None
    entities: int
    rows: int
    seed: int

    @classmethod
    def of(cls, recipe: Recipe, labelled: Labelled, *, as_of: datetime, seed: int) -> Self:
        """The window of labelled rows."""
        created = labelled.frame[recipe.contract.created]
        return cls(
            as_of=as_of,
            trained_from=created.min(),  # type: ignore[arg-type]  # a column of instants
            trained_to=created.max(),  # type: ignore[arg-type]  # a column of instants
            entities=labelled.entities,
            rows=len(labelled.y),
            seed=seed,
        )

    def __add__(self, other: Self) -> Self:
        """Both, of different entities as known at the same instant."""
        begun = [one.trained_from for one in (self, other) if one.trained_from is not None]
        ended = [one.trained_to for one in (self, other) if one.trained_to is not None]
        return replace(
            self,
            trained_from=min(begun, default=None),
            trained_to=max(ended, default=None),
            entities=self.entities + other.entities,
            rows=self.rows + other.rows,
        )


@dataclass(frozen=True, kw_only=True)
class TrainedModel:
    """A score of all tenants. `version_id` follows from the content: the same training gives the same id."""

    recipe: Recipe
    heads: dict[str, Head]
    newcomer: Head
    window: Window
    version_id: str = field(default="")

    @classmethod
    def of(cls, recipe: Recipe, *, heads: dict[str, Head], newcomer: Head, window: Window) -> Self:
        """The model made of `heads`, with its version id."""
        content = digest({name: head.state() for name, head in sorted(heads.items())} | {"": newcomer.state()})
        version = derived_id("model", recipe.score_type, window.as_of.isoformat(), content)
        return cls(recipe=recipe, heads=heads, newcomer=newcomer, window=window, version_id=version)

    @property
    def score_type(self) -> str:
        return self.recipe.score_type

    def head(self, customer_id: str) -> Head:
        """The tenant's head; a tenant not seen in training gets the newcomers' one."""
        return self.heads.get(customer_id, self.newcomer)

    def facts(self, customer_id: str) -> Facts:
        """What is known of the tenant's scores: display and its reason, metrics on later data, outcomes."""
        return self.head(customer_id).facts

    def score(self, frame: pl.DataFrame, *, explain: bool = True, model_version_id: str | None = None) -> pl.DataFrame:
        """Scores of a features frame (or of snapshots), in the shape `schema.SCORES`, in the frame's order.

        explain=False leaves `reasons` empty and is several times faster. Ranks are within tenant and frame.
        """
        check(frame, self.recipe.contract)
        placed = frame.with_row_index("_place")
        parts = [
            self._tenant(str(tenant), rows, explain)
            for (tenant,), rows in placed.group_by("customer_id", maintain_order=True)
        ]
        scores = pl.concat(parts) if parts else pl.DataFrame(schema=SCORES).with_columns(_place=pl.lit(0, pl.UInt32))
        return (
            scores.sort("_place")
            .with_columns(
                entity_type=pl.lit(self.recipe.entity),
                score_type=pl.lit(self.score_type),
                model_version_id=pl.lit(model_version_id or self.version_id),
            )
            .select([pl.col(name).cast(dtype) for name, dtype in SCORES.items()])
        )

    def _tenant(self, tenant: str, rows: pl.DataFrame, explain: bool) -> pl.DataFrame:
        head = self.head(tenant)
        parts = [self._chunk(head, chunk, explain) for chunk in rows.iter_slices(_CHUNK)]
        scored = pl.concat(parts)
        places = ranks(scored["logit"].to_numpy(), scored["entity_id"].rank("dense").to_numpy())
        return scored.with_columns(rank=pl.Series(places))

    def _chunk(self, head: Head, rows: pl.DataFrame, explain: bool) -> pl.DataFrame:
        scored = head.apply(head.shape.encoder.transform(rows))
        told = reasons(head, scored) if explain else none(rows.height)
        return rows.select(
            "_place", "customer_id", "as_of", "feature_hash", entity_id=pl.col(self.recipe.contract.id_column)
        ).with_columns(
            probability=pl.Series(scored.probability),
            probability_low=pl.Series(scored.low),
            probability_high=pl.Series(scored.high),
            logit=pl.Series(scored.logit),
            baseline_logit=pl.lit(scored.baseline),
            points=pl.Series(head.scale.points(scored.logit)),
            band=pl.Series(head.scale.band(scored.logit)),
            reasons=told,
        )

    def state(self) -> dict[str, Any]:
        """Plain values and arrays only."""
        window = asdict(self.window)
        times = {name: None if window[name] is None else window[name].isoformat() for name in _TIMES}
        return {
            "score_type": self.score_type,
            "contract": self.recipe.contract.digest,
            "version_id": self.version_id,
            "window": window | times,
            "newcomer": self.newcomer.state(),
            "tenants": list(self.heads),
            "heads": [head.state() for head in self.heads.values()],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> Self:
        """The model that `state` was taken from."""
        recipe = RECIPES[state["score_type"]]
        times = {name: state["window"][name] and datetime.fromisoformat(state["window"][name]) for name in _TIMES}
        heads = [Head.from_state(recipe.contract, head) for head in state["heads"]]
        return cls(
            recipe=recipe,
            heads=dict(zip(state["tenants"], heads, strict=True)),
            newcomer=Head.from_state(recipe.contract, state["newcomer"]),
            window=Window(**(state["window"] | times)),
            version_id=state["version_id"],
        )


_TIMES = ("as_of", "trained_from", "trained_to")


def digest(value: Any) -> str:
    """SHA-256 over nested plain values and arrays, to the last bit."""
    total = sha256()
    _feed(total, value)
    return total.hexdigest()


def _feed(total: Any, value: Any) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            total.update(f"{name}:".encode())
            _feed(total, inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            _feed(total, inner)
            total.update(b",")
    elif isinstance(value, np.ndarray):
        total.update(np.ascontiguousarray(value).tobytes())
    else:
        total.update(repr(value).encode())

"""How much an action moves the chance to win, on the log-odds, with interval and an honest label.

Belongs here: priors and their update from a tenant's history. Not: what an effect is worth in money (`value`).

The estimate is a logistic regression of the outcome on what was done in the seven days after a snapshot, with the
score of the snapshot as offset (so that it says what the action added to what was already likely) and the prior of
each action as a Gaussian penalty (so that few cases move little). It is associative: people choose whom they call.
Snapshots that were decided within those seven days are left out, since a deal that is over cannot be called, and an
entity's snapshots share one vote.

Priors are judgement, not data: published associations of touches with wins are inflated by that same selection, so we
start at a fraction of them (a call lifts the odds by a fifth, an email by an eighth) with deviations as wide as the
means, and no single action is ever credited with more than MAX_EFFECT.
"""

from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from models.ranking.catalogue import ACTIONS, Action
from models.signals.detector import LEAD, OPPORTUNITY

MAX_EFFECT = 0.8
MIN_CASES = 30
Z = 1.2816  # 80 % intervals
WINDOW_DAYS = 7

SCHEMA: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "entity_type": pl.String(),
    "action_type": pl.String(),
    "effect": pl.Float64(),
    "effect_low": pl.Float64(),
    "effect_high": pl.Float64(),
    "effect_sd": pl.Float64(),
    "basis": pl.String(),
    "n_with": pl.Int64(),
    "n_without": pl.Int64(),
}
_Array = NDArray[np.float64]


class Estimate(NamedTuple):
    """Mean and deviation of an effect on the log-odds, what it rests on, and entities with and without the action."""

    mean: float
    sd: float
    basis: str
    votes_with: float = 0.0
    votes_without: float = 0.0


def treatments(
    snapshot_scores: pl.DataFrame,
    next_actions: pl.DataFrame,
    outcomes: pl.DataFrame,
    entity_type: str,
    *,
    as_of: datetime,
) -> pl.DataFrame:
    """Past snapshots with score, what was done next and how it ended, as of `as_of`.

    `snapshot_scores`: scores frame over the snapshots (win for opportunities, conversion for leads);
    `next_actions` and `outcomes`: the marts of `entity_type`.
    """
    name = f"{entity_type}_id"
    decided = outcomes.filter(pl.col("outcome").is_in(["won", "lost"]) & (pl.col("decided_at") <= as_of)).select(
        "customer_id", pl.col(name).alias("entity_id"), (pl.col("outcome") == "won").alias("won"), "decided_at"
    )
    done = next_actions.rename({name: "entity_id"})
    scored = snapshot_scores.filter(pl.col("entity_type") == entity_type).select(
        "customer_id", "entity_type", "entity_id", "as_of", "logit"
    )
    rows = scored.join(done, on=["customer_id", "entity_id", "as_of"], how="inner")
    rows = rows.join(decided, on=["customer_id", "entity_id"], how="inner")
    survived = pl.col("decided_at") > pl.col("as_of") + pl.duration(days=WINDOW_DAYS)
    return rows.filter(survived).sort("customer_id", "entity_id", "as_of")


def priors(tenants: list[str]) -> pl.DataFrame:
    """The effects frame of tenants without history."""
    return _frame(
        [_prior_row(tenant, kind, action) for tenant in tenants for action in ACTIONS for kind in action.entity_types]
    )


def estimate(history: pl.DataFrame, tenants: list[str]) -> pl.DataFrame:
    """The effects frame of `tenants`: associative where `history` (see `treatments`) says enough, else the prior."""
    known = priors(tenants)
    if history.is_empty():
        return known
    rows = [
        row
        for (tenant, kind), cases in sorted(history.partition_by("customer_id", "entity_type", as_dict=True).items())
        for row in _tenant_rows(str(tenant), str(kind), cases)
    ]
    learned = _frame(rows)
    keys = ["customer_id", "entity_type", "action_type"]
    return pl.concat([learned, known.join(learned, on=keys, how="anti")]).sort(keys)


def _tenant_rows(tenant: str, kind: str, cases: pl.DataFrame) -> list[dict[str, object]]:
    actions = [action for action in ACTIONS if kind in action.entity_types and action.flag in cases.columns]
    if not actions or kind not in (OPPORTUNITY, LEAD):
        return []
    flags = cases.select(pl.col(str(action.flag)).fill_null(value=False).cast(pl.Float64) for action in actions)
    votes = (1 / cases.select(pl.len().over("entity_id")).to_series()).to_numpy().astype(np.float64)
    design = np.column_stack([np.ones(cases.height), flags.to_numpy()])
    centre = np.array([0.0, *(action.prior[0] for action in actions)])
    spread = np.array([1.0, *(action.prior[1] for action in actions)])
    outcome = cases["won"].to_numpy().astype(np.float64)
    offset = cases["logit"].to_numpy().astype(np.float64)
    mean, sd = penalised_logistic(design, outcome, offset=offset, votes=votes, centre=centre, spread=spread)
    with_it = (design[:, 1:] * votes[:, None]).sum(axis=0)
    rows = []
    for i, action in enumerate(actions):
        learned = Estimate(mean[i + 1], sd[i + 1], "associative", float(with_it[i]), float(votes.sum() - with_it[i]))
        enough = min(learned.votes_with, learned.votes_without) >= MIN_CASES
        rows.append(_row(tenant, kind, action, learned) if enough else _prior_row(tenant, kind, action))
    return rows


def penalised_logistic(
    design: _Array, outcome: _Array, *, offset: _Array, votes: _Array, centre: _Array, spread: _Array
) -> tuple[_Array, _Array]:
    """Posterior mode and standard deviations (Laplace) of logistic coefficients under independent Gaussian priors."""
    beta = centre.copy()
    precision = np.diag(1 / spread**2)
    hessian = precision
    for _ in range(50):
        probability = 1 / (1 + np.exp(-np.clip(offset + design @ beta, -30, 30)))
        gradient = design.T @ (votes * (outcome - probability)) - precision @ (beta - centre)
        hessian = (design * (votes * probability * (1 - probability))[:, None]).T @ design + precision
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return beta, np.sqrt(np.diag(np.linalg.inv(hessian)))


def _prior_row(tenant: str, kind: str, action: Action) -> dict[str, object]:
    return _row(tenant, kind, action, Estimate(*action.prior, basis="prior"))


def _row(tenant: str, kind: str, action: Action, estimate: Estimate) -> dict[str, object]:
    middle = float(np.clip(estimate.mean, -MAX_EFFECT, MAX_EFFECT))
    # Beyond the cap we do not believe the estimate, so its narrow interval is not believed either.
    sd = max(estimate.sd, action.prior[1]) if middle != estimate.mean else estimate.sd
    low, high = middle - Z * sd, min(middle + Z * sd, MAX_EFFECT)
    return {
        "customer_id": tenant, "entity_type": kind, "action_type": action.action_type, "effect": middle,
        "effect_low": float(low), "effect_high": float(high), "effect_sd": float(sd), "basis": estimate.basis,
        "n_with": round(estimate.votes_with), "n_without": round(estimate.votes_without),
    }  # fmt: skip


def _frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA).sort("customer_id", "entity_type", "action_type")

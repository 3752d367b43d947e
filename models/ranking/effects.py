"""How much an action moves the chance to win, on the log-odds, with interval and an honest label.

Belongs here: priors, and what a tenant's history makes of them. What history says is `doubly_robust`'s business, what
an effect is worth in money `value`'s.

A case is a past snapshot: what was known of it, what was done in the seven days after, how it ended. Snapshots that
were decided within those seven days are left out, since a deal that is over cannot be called, and an entity's snapshots
share one vote. What history says is weighed with the prior by how sure each is.

Priors are judgement, not data: published associations of touches with wins are inflated by that same selection, so we
start at a fraction of them (a call lifts the odds by a fifth, an email by an eighth) with deviations as wide as the
means. An effect beyond MAX_EFFECT is not believed: it says that the action is a step of the process, or that people act
where they know more than is recorded; the prior stands.
"""

from datetime import datetime
from typing import NamedTuple

import numpy as np
import polars as pl

from models.ranking.catalogue import ACTIONS, Action
from models.ranking.doubly_robust import Cases, average_effect, standardised
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
# What may have decided both whom people acted on and how it ended, as known at the snapshot.
CONFOUNDERS = (
    *("stage", "status", "source", "age_days", "days_in_stage", "days_in_status", "value_minor", "employee_count"),
    *("days_since_last_outbound", "days_since_last_inbound", "days_since_last_call", "has_next_step"),
    *("outbound_total", "inbound_total", "outbound_7d", "inbound_7d", "calls_7d", "meetings_total", "emails_total"),
    *("engagement_decayed", "engagement_surge", "contacts_engaged_30d", "outbound_since_last_inbound"),
    *("proposals_sent", "proposals_replied", "owner_win_rate_180d"),
)


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
    snapshots: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Past snapshots with score, what was done next and how it ended, as of `as_of`.

    `snapshot_scores`: scores frame over the snapshots (win for opportunities, conversion for leads);
    `snapshots` (for what may have decided on either), `next_actions` and `outcomes`: the marts of `entity_type`.
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
    if snapshots is not None:
        known = [column for column in CONFOUNDERS if column in snapshots.columns]
        at = snapshots.select("customer_id", pl.col(name).alias("entity_id"), "as_of", *known)
        rows = rows.join(at, on=["customer_id", "entity_id", "as_of"], how="left")
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


def _tenant_rows(tenant: str, kind: str, history: pl.DataFrame) -> list[dict[str, object]]:
    actions = [action for action in ACTIONS if kind in action.entity_types and action.flag in history.columns]
    if not actions or kind not in (OPPORTUNITY, LEAD):
        return []
    return [_learned(tenant, kind, action, history) for action in actions]


def _learned(tenant: str, kind: str, action: Action, history: pl.DataFrame) -> dict[str, object]:
    """The prior, moved by what the tenant's cases say; what else was done in those days is held as it was."""
    others = {str(other.flag) for other in ACTIONS if other.flag} - {action.flag}
    held = [name for name in (*CONFOUNDERS, *sorted(others)) if name in history.columns]
    cases = Cases(
        treated=history[str(action.flag)].fill_null(value=False).cast(pl.Float64).to_numpy(),
        won=history["won"].cast(pl.Float64).to_numpy(),
        logit=history["logit"].to_numpy().astype(np.float64),
        confounders=standardised(history.select(held)),
        entity=history["entity_id"].rank("dense").cast(pl.Int64).to_numpy() - 1,
        votes=history.select(1 / pl.len().over("entity_id")).to_series().to_numpy(),
    )
    found = average_effect(cases, least=MIN_CASES)
    if found is None:
        return _prior_row(tenant, kind, action)
    centre, spread = action.prior
    trust = spread**2 / (spread**2 + found.log_odds_error**2)
    mean = centre + trust * (found.log_odds - centre)
    sd = float(np.sqrt(trust)) * found.log_odds_error
    if abs(mean) > MAX_EFFECT:
        return _prior_row(tenant, kind, action)
    return _row(tenant, kind, action, Estimate(mean, sd, "associative", found.votes_with, found.votes_without))


def _prior_row(tenant: str, kind: str, action: Action) -> dict[str, object]:
    return _row(tenant, kind, action, Estimate(*action.prior, basis="prior"))


def _row(tenant: str, kind: str, action: Action, estimate: Estimate) -> dict[str, object]:
    low, high = estimate.mean - Z * estimate.sd, min(estimate.mean + Z * estimate.sd, MAX_EFFECT)
    return {
        "customer_id": tenant, "entity_type": kind, "action_type": action.action_type, "effect": float(estimate.mean),
        "effect_low": float(low), "effect_high": float(high), "effect_sd": float(estimate.sd), "basis": estimate.basis,
        "n_with": round(estimate.votes_with), "n_without": round(estimate.votes_without),
    }  # fmt: skip


def _frame(rows: list[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA).sort("customer_id", "entity_type", "action_type")

"""Whether something moves now: the chance of an answer or a win within a week, whatever is done.

Belongs here: learning it from a tenant's own past and telling it of what is open now. An action on what has come to
rest changes little, however much it would be worth, and may as well be done next week: this is the part of urgency
that history decides (ADR 39).
"""

import numpy as np
import polars as pl

from models.ranking.doubly_robust import penalised_logistic, sigmoid, standardised

DAYS = 7
"""The days in which an action counts (`effects`), too: what moves in them is what waiting a week would miss."""
LEAST = 100
"""Entities that a tenant needs, and a fifth of them on either side, before its own past is asked."""
SIGNS = (
    *("stage", "status", "source", "age_days", "days_in_stage", "days_in_status", "value_minor"),
    *("days_since_last_outbound", "days_since_last_inbound", "days_since_last_call", "has_next_step"),
    *("outbound_total", "inbound_total", "outbound_7d", "inbound_7d", "calls_7d", "meetings_total"),
    *("engagement_decayed", "engagement_surge", "contacts_engaged_30d", "outbound_since_last_inbound"),
    *("proposals_sent", "proposals_replied", "owner_win_rate_180d"),
)
SCHEMA: dict[str, pl.DataType] = {
    **dict.fromkeys(("customer_id", "entity_type", "entity_id"), pl.String()),
    "moves": pl.Float64(),
}


def momentum(past: pl.DataFrame, now: pl.DataFrame, entity_type: str) -> pl.DataFrame:
    """`SCHEMA` of the entities of `now`; none of tenants whose past says too little.

    past: snapshots with customer_id, entity_id and `moved`, whether an answer or a win followed within `DAYS`. now: the
    feature mart of the same `entity_type`, with entity_id. An entity's snapshots share one vote.
    """
    signs = [name for name in SIGNS if name in past.columns and name in now.columns]
    key = ["customer_id", "entity_id"]
    parts = [pl.DataFrame(schema=SCHEMA)]
    for (tenant,), own in past.select(*key, "moved", *signs).group_by("customer_id", maintain_order=True):
        asked = now.filter(pl.col("customer_id") == tenant).select(*key, *signs)
        moved, votes = own["moved"].cast(pl.Float64).to_numpy(), _votes(own)
        if asked.is_empty() or min(votes @ moved, votes @ (1 - moved)) < LEAST / 5 or votes.sum() < LEAST:
            continue
        columns = standardised(pl.concat([own.select(signs), asked.select(signs)], how="vertical_relaxed"))
        chance = _learned(columns[: own.height], moved, votes, columns[own.height :])
        parts.append(asked.select(*key, entity_type=pl.lit(entity_type), moves=pl.Series(chance)))
    return pl.concat([part.select([pl.col(name).cast(dtype) for name, dtype in SCHEMA.items()]) for part in parts])


def _votes(rows: pl.DataFrame) -> np.ndarray:
    return rows.select(1 / pl.len().over("entity_id")).to_series().to_numpy()


def _learned(seen: np.ndarray, moved: np.ndarray, votes: np.ndarray, asked: np.ndarray) -> np.ndarray:
    design = np.column_stack([np.ones(len(seen)), seen])
    width = design.shape[1]
    spread = np.concatenate([[10.0], np.ones(width - 1)])
    weights, _ = penalised_logistic(
        design, moved, offset=np.zeros(len(seen)), votes=votes, centre=np.zeros(width), spread=spread
    )
    return sigmoid(np.column_stack([np.ones(len(asked)), asked]) @ weights)

"""Small marts with a known truth, for tests of `models` and of what is made with them."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from models.contracts import CONTRACTS

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 12, 1, tzinfo=UTC)

type_of = {"number": pl.Float64, "text": pl.String, "time": pl.Datetime("us", "UTC")}
Marts = tuple[pl.DataFrame, pl.DataFrame]


def make_marts(
    entity: str = "lead",
    *,
    tenant: str = "t1",
    n: int = 600,
    seed: int = 1,
    effect: float = 1.0,
    rate: float = 0.4,
    moments: tuple[int, ...] = (0,),
) -> Marts:
    """(snapshots, outcomes): the inbound touches and one colour of `n` entities raise the odds by `effect`."""
    contract = CONTRACTS[entity]
    random = np.random.default_rng(seed)
    replied, value = random.poisson(1.0, n), random.lognormal(10, 1, n)
    color = random.choice(["red", "green", "blue"], n)
    truth = np.log(rate / (1 - rate)) + effect * (replied - 1.0 + 1.5 * (color == "red") - 0.5)
    won = random.random(n) < 1 / (1 + np.exp(-truth))
    created = [START + timedelta(hours=5 * int(place)) for place in range(n)]
    ids = [f"{tenant}-{place:05d}" for place in range(n)]
    frames = []
    for days in moments:
        known = {
            "customer_id": [tenant] * n,
            contract.id_column: ids,
            "feature_hash": [f"{one}+{days}" for one in ids],
            contract.created: created,
            "as_of": [at + timedelta(days=days) for at in created],
            "moment": [f"created+{days}d"] * n,
            "age_days": [float(days)] * n,
            "inbound_total": [float(min(reply, days + 1)) for reply in replied],
            "value_minor": value,
            "attributes": [json.dumps({"color": str(one), "size": place % 7}) for place, one in enumerate(color)],
        }
        frame = pl.DataFrame(known)
        absent = [column for column in contract.columns if column.name not in frame.columns]
        frames.append(frame.with_columns(pl.lit(None, dtype=type_of[c.dtype]).alias(c.name) for c in absent))
    outcomes = pl.DataFrame(
        {
            "customer_id": [tenant] * n,
            contract.id_column: ids,
            contract.created: created,
            "outcome": np.where(won, "won", "lost"),
            "decided_at": [at + timedelta(days=20) for at in created],
        }
    )
    return pl.concat(frames), outcomes

"""What still moves: learned from a tenant's own past, silent where that says too little."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from models.ranking.momentum import SCHEMA, momentum

NOW = datetime(2026, 6, 1, tzinfo=UTC)


def past(n: int, *, customer: str = "t1", seed: int = 1, snapshots: int = 1) -> pl.DataFrame:
    """Deals that move the rarer the longer they were silent."""
    random = np.random.default_rng(seed)
    silent = np.repeat(random.exponential(10.0, n), snapshots)
    moved = random.random(n * snapshots) < 1 / (1 + (silent / 8.0) ** 2)
    return pl.DataFrame(
        {
            "customer_id": customer, "entity_id": np.repeat([f"o{i}" for i in range(n)], snapshots),
            "stage": "proposal", "days_since_last_inbound": silent, "value_minor": None, "moved": moved,
        },
        schema_overrides={"value_minor": pl.Int64},
    )  # fmt: skip


def now(*silent: float | None, customer: str = "t1") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "customer_id": customer, "entity_id": [f"n{i}" for i in range(len(silent))], "stage": "proposal",
            "days_since_last_inbound": silent, "value_minor": 5,
        }
    )  # fmt: skip


def test_it_tells_what_moves_from_what_rests() -> None:
    rows = momentum(past(3000), now(1.0, 8.0, 60.0), "opportunity")
    assert dict(rows.schema) == SCHEMA
    assert rows["entity_id"].to_list() == ["n0", "n1", "n2"]
    fresh, usual, dead = rows["moves"].to_list()
    assert fresh > 0.8
    assert usual == pytest.approx(0.5, abs=0.15)
    assert dead < 0.1


def test_a_past_that_says_little_is_not_asked() -> None:
    assert momentum(past(90), now(1.0), "opportunity").is_empty()
    assert momentum(past(3000).with_columns(moved=pl.lit(value=True)), now(1.0), "opportunity").is_empty()
    assert momentum(past(3000), now(1.0, customer="t2"), "opportunity").is_empty()
    assert momentum(past(40, snapshots=20), now(1.0), "opportunity").is_empty()


def test_tenants_do_not_learn_from_each_other() -> None:
    turned = past(2000, customer="t2").with_columns(moved=~pl.col("moved"))
    rows = momentum(pl.concat([past(2000), turned]), pl.concat([now(1.0), now(1.0, customer="t2")]), "lead")
    moves = dict(rows.select("customer_id", "moves").iter_rows())
    assert moves["t1"] > 0.7
    assert moves["t2"] < 0.3
    assert rows["entity_type"].unique().to_list() == ["lead"]

"""Deals with a known truth as marts: how long they take, how they end, for how much, and what moves all at once."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from models.contracts import CONTRACTS
from tests.support.marts import type_of

START = datetime(2024, 1, 1, tzinfo=UTC)
_AGES = (0, 7, 14, 28, 56, 84, 112, 140, 168, 252)
_DAYS = 280  # after which a deal stays open for ever


@dataclass(frozen=True, kw_only=True)
class Truth:
    """Daily hazards at the start, growing to twice by day 28; a shock moves a month's wins of a tenant as a whole."""

    won: float = 0.008
    lost: float = 0.012
    shock: float = 0.3
    ratio: float = 0.25


def make_deals(
    *, tenant: str = "t1", months: int = 18, a_month: int = 20, seed: int = 1, truth: Truth | None = None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(snapshots, outcomes) of one tenant, as everything will turn out; deals open at any hour of the months."""
    truth = truth or Truth()
    random = np.random.default_rng(seed)
    n = random.poisson(a_month * months)
    opened = np.sort(random.random(n)) * months * 28
    shocks = np.exp(random.normal(-(truth.shock**2) / 2, truth.shock, months + 12))
    days = np.arange(_DAYS)
    grows = 1 + np.minimum(days, 28) / 28
    month = ((opened[:, None] + days) // 28).astype(int)
    stage = random.choice([0.7, 1.4], n)  # deals in proposal are won faster
    won = np.minimum(truth.won * grows * stage[:, None] * shocks[np.minimum(month, months + 11)], 0.5)
    lost = np.broadcast_to(truth.lost * grows, won.shape)
    dice = random.random(won.shape)
    ends = dice < won + lost
    last = np.where(ends.any(axis=1), ends.argmax(axis=1), _DAYS)
    is_won = np.take_along_axis(dice < won, np.minimum(last, _DAYS - 1)[:, None], axis=1)[:, 0]
    value = np.rint(random.lognormal(9, 0.8, n) * 100).astype(np.int64)
    paid = np.rint(value * np.exp(random.normal(0, truth.ratio, n) * (random.random(n) < 0.7))).astype(np.int64)
    ids = [f"{tenant}-{place:05d}" for place in range(n)]
    after = last + random.random(n)
    at = [START + timedelta(days=float(day)) for day in opened]
    outcome = np.where(last == _DAYS, "open", np.where(is_won, "won", "lost"))
    outcomes = pl.DataFrame(
        {
            "customer_id": [tenant] * n,
            "opportunity_id": ids,
            "opened_at": at,
            "outcome": outcome,
            "decided_at": [
                None if one == _DAYS else START + timedelta(days=float(day + more))
                for day, more, one in zip(opened, after, last, strict=True)
            ],
            "value_minor": np.where(is_won, paid, value),
            "currency": ["EUR"] * n,
        },
        schema_overrides={"decided_at": pl.Datetime("us", "UTC"), "opened_at": pl.Datetime("us", "UTC")},
    )
    known = outcomes.select("customer_id", "opportunity_id", "opened_at", "decided_at", "currency").with_columns(
        value_minor=pl.Series(value),
        stage=pl.Series(np.where(stage > 1, "proposal", "qualification")),
        owner_id=pl.Series([f"{tenant}-owner-{place % 4}" for place in range(n)]),
    )
    frames = [
        known.with_columns(
            as_of=pl.col("opened_at") + timedelta(days=age),
            age_days=pl.lit(float(age)),
            moment=pl.lit(f"opened+{age}d"),
            feature_hash=pl.col("opportunity_id") + f"+{age}",
            attributes=pl.lit("{}"),
        ).filter(pl.col("decided_at").is_null() | (pl.col("decided_at") > pl.col("as_of")))
        for age in _AGES
    ]
    snapshots = pl.concat(frames).drop("decided_at")
    absent = [one for one in CONTRACTS["opportunity"].columns if one.name not in snapshots.columns]
    return snapshots.with_columns(pl.lit(None, dtype=type_of[one.dtype]).alias(one.name) for one in absent), outcomes


def make_world(tenants: int, *, seed: int = 1, **asked: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The marts of several tenants, each with rates and shocks of its own."""
    random = np.random.default_rng(seed)
    parts = []
    for place in range(tenants):
        truth = Truth(won=0.008 * np.exp(random.normal(0, 0.3)), lost=0.012 * np.exp(random.normal(0, 0.3)))
        parts.append(make_deals(tenant=f"t{place}", seed=1_000 * seed + place, truth=truth, **asked))
    return pl.concat(part[0] for part in parts), pl.concat(part[1] for part in parts)

"""`python -m benchmarks.coldstart [tenants] [worlds] [seed]`: scores and intervals of tenants with 0 to 200 outcomes.

A world has 40 tenants with 30 to 600 outcomes and, for each number of outcomes, `tenants` that have no more (thrice as
many below 20, where they differ most). Nature is not the model: effects are bent, two features act together, tenants
are of two kinds with heavy tails around them, and what is usual differs between them. Each goes through training and
scoring as in production; only the 40 lend. A tenant's scores of 200 undecided leads are held against their true
probabilities. Prints one JSON line a number of outcomes.

covered: share of true probabilities in the 90 % interval. excess_*: expected Brier score less that of saying the
tenant's own rate to all, observed (with half a win and half a loss added) or true; with the 90 % interval of the mean
over tenants, and the share of tenants in which the score is worse by more than its own noise on 200 outcomes.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from models.calibration import sigmoid
from models.contracts import LEAD
from models.conversion import RECIPE
from models.heads import Scored
from models.labels import label
from models.training import BAGS, Settings, head_of, lender_from

GRID = (0, 1, 2, 5, 10, 20, 50, 100, 200)
DONORS = 40
JUDGED = 200
START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 12, 1, tzinfo=UTC)
NAMES = (
    *("inbound_total", "engagement_decayed", "days_since_last_inbound", "meetings_total", "value_minor"),
    *("employee_count", "icp_distance", "days_in_status", "owner_win_rate_180d", "calls_total", "missing_fields"),
)
_TYPES = {"number": pl.Float64, "text": pl.String, "time": pl.Datetime("us", "UTC")}


@dataclass(frozen=True, kw_only=True)
class Tenant:
    """A tenant's leads, the decided ones first: features (rows, names), status, true probabilities, what became."""

    name: str
    decided: int
    features: np.ndarray
    status: np.ndarray
    p: np.ndarray
    won: np.ndarray


def tenant(random: np.random.Generator, effects: np.ndarray, name: str, decided: int) -> Tenant:
    """A tenant of nature's: of two kinds, each effect off the usual one by a t distribution with 4 degrees."""
    n = decided + JUDGED
    kind = random.random() < 0.35
    pace, size = random.lognormal(0, 0.4), random.lognormal(0, 0.8)
    inbound = random.poisson(1.5 * pace, n).astype(float)
    silent = np.where(inbound == 0, np.nan, random.exponential(8.0 / pace, n))
    features = np.stack(
        [
            inbound,
            np.exp(-np.nan_to_num(silent, nan=60.0) / 10) * random.gamma(2.0, 1.0, n),
            silent,
            random.poisson(0.4 * pace, n).astype(float),
            random.lognormal(12, 1, n) * size,
            np.where(random.random(n) < 0.3, np.nan, np.rint(random.lognormal(4, 1.2, n) * size)),
            np.clip(random.beta(2, 3, n), 0, 1),
            random.gamma(2.0, 6.0, n),
            random.beta(4, 10, n),
            random.poisson(2.0, n).astype(float),
            random.integers(0, 4, n).astype(float),
        ],
        axis=1,
    )
    status = random.integers(0, 3, n)
    bent = _bent(features, status)
    own = effects + random.standard_t(4, len(effects)) / np.sqrt(2) * np.abs(effects) * 0.5
    own += random.normal(0, 0.12, len(effects)) + kind * np.where(np.arange(len(effects)) % 3 == 0, -0.25, 0.1)
    level = -1.1 + (0.9 if kind else -0.4) + random.standard_t(4) / np.sqrt(2) * 0.7
    p = sigmoid(level + bent @ own)
    return Tenant(name=name, decided=decided, features=features, status=status, p=p, won=random.random(n) < p)


def _bent(features: np.ndarray, status: np.ndarray) -> np.ndarray:
    """What the truth is linear in: bent features, two of them together, and the status."""
    x = np.nan_to_num(features, nan=0.0)
    columns = [
        np.log1p(x[:, 0]) - 0.8,
        np.tanh(x[:, 1] - 0.5),
        np.where(np.isnan(features[:, 2]), -0.6, np.exp(-x[:, 2] / 7)),
        np.minimum(x[:, 3], 2.0) - 0.4,
        (np.log(x[:, 4]) - 12) / 1.3,
        np.where(np.isnan(features[:, 5]), -0.3, (np.log1p(x[:, 5]) - 4) / 1.5),
        -(x[:, 6] - 0.4) * 3,
        -np.log1p(x[:, 7] / 10) + 0.7,
        (x[:, 8] - 0.28) * 5,
        np.log1p(x[:, 9]) - 1.0,
        -(x[:, 10] > 1).astype(float),
        (x[:, 0] > 1) * (x[:, 3] > 0) * 1.0,
        (status == 2) - 0.33,
    ]
    return np.stack(columns, axis=1)


EFFECTS = np.array([0.5, 0.4, 0.5, 0.4, 0.2, 0.15, 0.35, 0.4, 0.4, 0.0, 0.2, 0.35, 0.6])


def world(seed: int, each: int) -> list[Tenant]:
    """Tenants of one world: those who lend, then `each` for every number of outcomes."""
    random = np.random.default_rng([2026, seed])
    effects = EFFECTS + random.normal(0, 0.1, len(EFFECTS))
    sizes = np.rint(np.exp(random.uniform(np.log(30), np.log(600), DONORS))).astype(int)
    lenders = [tenant(random, effects, f"lender-{number:03d}", int(size)) for number, size in enumerate(sizes)]
    counts = [(n, each if n >= 20 else 3 * each) for n in GRID]
    return lenders + [
        tenant(random, effects, f"n{n:03d}-{number:03d}", n) for n, most in counts for number in range(most)
    ]


def marts(tenants: Sequence[Tenant]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Snapshots and outcomes as the product has them: features of `NAMES`, no value in any other."""
    frames, ends = [], []
    for one in tenants:
        n = len(one.p)
        ids = [f"{one.name}-{place:04d}" for place in range(n)]
        created = [START + timedelta(hours=6 * place) for place in range(n)]
        frame = pl.DataFrame(
            {
                "customer_id": [one.name] * n,
                "lead_id": ids,
                "feature_hash": ids,
                "created_at": created,
                "as_of": created,
            }
            | {name: one.features[:, place] for place, name in enumerate(NAMES)},
            schema_overrides={"created_at": _TYPES["time"], "as_of": _TYPES["time"]},
        ).with_columns(
            pl.col(NAMES).fill_nan(None),
            age_days=pl.lit(0.0),
            status=pl.Series([("new", "working", "qualified")[code] for code in one.status]),
        )
        frames.append(frame)
        ended = np.where(one.won, "won", "lost")
        ended[one.decided :] = "open"
        ends.append(
            frame.select("customer_id", "lead_id", "created_at").with_columns(
                outcome=pl.Series(ended), decided_at=pl.col("created_at") + timedelta(days=10)
            )
        )
    snapshots = pl.concat(frames)
    absent = [column for column in LEAD.columns if column.name not in snapshots.columns]
    return snapshots.with_columns(pl.lit(None, dtype=_TYPES[c.dtype]).alias(c.name) for c in absent), pl.concat(ends)


def judged(one: Tenant, said: Scored) -> dict[str, float]:
    """One tenant's figures on its undecided leads."""
    p, won = one.p[one.decided :], one.won[one.decided :]
    observed = 0.25 if one.decided == 0 else (one.won[: one.decided].sum() + 0.5) / (one.decided + 1)
    found = {
        "covered": float(((said.low <= p) & (p <= said.high)).mean()),
        "width": float((said.high - said.low).mean()),
        "brier": float(((said.probability - p) ** 2 + p * (1 - p)).mean()),
    }
    for name, rate in (("observed", observed), ("true", p.mean())):
        lost = (said.probability - won) ** 2 - (rate - won) ** 2
        found[f"excess_{name}"] = float(((said.probability - p) ** 2 - (rate - p) ** 2).mean())
        found[f"worse_{name}"] = float(lost.mean() > 1.645 * lost.std(ddof=1) / np.sqrt(len(lost)))
    return found


def figures(seed: int, each: int, grid: Sequence[int] = GRID) -> list[tuple[int, dict[str, float]]]:
    """(outcomes, figures) of every tenant in one world that lends nothing, with a number of outcomes in `grid`."""
    tenants = world(seed, each)
    settings = Settings(recipe=RECIPE, seed=seed, bags=BAGS, doubtful=False)
    rows = []
    with threadpool_limits(limits=1):
        lender = lender_from(label(RECIPE, *marts(tenants[:DONORS]), as_of=NOW), settings)
        for one in (tenant for tenant in tenants[DONORS:] if tenant.decided in grid):
            snapshots, outcomes = marts([one])
            head = head_of(label(RECIPE, snapshots, outcomes, as_of=NOW), snapshots, lender, settings)
            said = head.apply(head.shape.encoder.transform(snapshots[one.decided :]))
            rows.append((one.decided, judged(one, said)))
    return rows


def summary(n: int, rows: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Means over tenants, with 90 % intervals of the coverage and the excesses."""
    told: dict[str, Any] = {"outcomes": n, "tenants": len(rows)}
    for name in rows[0]:
        values = np.array([row[name] for row in rows])
        mean, half = float(values.mean()), 1.645 * float(values.std(ddof=1)) / np.sqrt(len(values))
        told[name] = round(mean, 4)
        if name.startswith(("covered", "excess")):
            told[f"{name}_90"] = [round(mean - half, 4), round(mean + half, 4)]
    return told


def main(each: int, worlds: int, seed: int) -> None:
    """Print all numbers of outcomes."""
    rows = [row for number in range(worlds) for row in figures(seed + number, each)]
    for n in GRID:
        print(json.dumps(summary(n, [found for count, found in rows if count == n])), flush=True)


if __name__ == "__main__":
    given = [int(argument) for argument in sys.argv[1:]]
    main(*(given + [10, 4, 0][len(given) :]))

"""How much a combination has meant: its outcome rate against the best of its parts, with support and interval.

Belongs here: rates over history. An entity counts once, however many snapshots showed the combination.
"""

from collections.abc import Iterable, Sequence

import polars as pl

from models.patterns.rules import Rule
from models.signals.outcomes import wilson

MIN_SUPPORT = 20
MIN_LIFT_DISCOVERED = 1.05  # many combinations are tried; a named one had a reason before it was measured
# Without history: a coin that may lean either way, and says so.
PRIOR = {"confidence": 0.5, "confidence_low": 0.2, "confidence_high": 0.8}

LEARNED_SCHEMA: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "pattern_type": pl.String(),
    "support": pl.Int64(),
    "confidence": pl.Float64(),
    "confidence_low": pl.Float64(),
    "confidence_high": pl.Float64(),
    "lift": pl.Float64(),
    "kept": pl.Boolean(),
}


def worth_keeping(past: pl.DataFrame, offered: Iterable[Rule]) -> list[Rule]:
    """Those of `offered` that are kept for the one tenant of `past`; a wider one must say more than those within it."""
    kept: list[Rule] = []
    for rule in sorted(offered, key=lambda one: len(one.members)):
        if measure(past, rule, beside=kept)["kept"].any():
            kept.append(rule)
    return kept


def measure(past: pl.DataFrame, rule: Rule, *, beside: Sequence[Rule] = ()) -> pl.DataFrame:
    """One row a tenant with history for `rule`: support, confidence with interval, lift, and whether it is kept.

    Kept means: seen on at least MIN_SUPPORT decided entities, a higher rate than each part alone, and an interval
    that stays above the tenant's base rate; of a discovered one, above the rate of each part, and above that of any
    rule of `beside` whose members are some of its own, where that one was seen without the rest.
    """
    if past.is_empty():
        return pl.DataFrame(schema=LEARNED_SCHEMA)
    hit = (pl.col("won") if rule.polarity == "+" else ~pl.col("won")).alias("hit")
    parts = {f"part_{i}": condition for i, condition in enumerate(rule.conditions())}
    narrower = [one.holds() for one in beside if set(one.members) < set(rule.members)]
    within = {f"within_{i}": holds for i, holds in enumerate(narrower)}
    per_entity = past.group_by("customer_id", "entity_id").agg(
        hit.first(),
        rule.holds().any().alias("all"),
        *(condition.any().alias(name) for name, condition in (parts | within).items()),
    )
    per_tenant = per_entity.group_by("customer_id").agg(
        pl.col("all").sum().cast(pl.Int64).alias("support"),
        (pl.col("all") & pl.col("hit")).sum().cast(pl.Int64).alias("hits"),
        pl.col("hit").mean().alias("base"),
        pl.max_horizontal([_rate(name) for name in parts]).alias("best_member"),
        pl.max_horizontal([pl.lit(None, pl.Float64), *(_rate_without(name) for name in within)]).alias("best_within"),
    )
    return _judged(per_tenant.filter(pl.col("support") > 0), rule)


def _rate(part: str) -> pl.Expr:
    """Outcome rate where one part of the combination was seen, if that was often enough to say."""
    seen = pl.col(part).sum()
    return pl.when(seen >= MIN_SUPPORT).then((pl.col(part) & pl.col("hit")).sum() / seen)


def _rate_without(narrower: str) -> pl.Expr:
    """Outcome rate where a narrower combination was seen and the whole was not."""
    alone = pl.col(narrower) & ~pl.col("all")
    return pl.when(alone.any()).then((alone & pl.col("hit")).sum() / alone.sum())


def _judged(rates: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    hits, support = pl.col("hits"), pl.col("support")
    rates = rates.with_columns(
        (hits / support).alias("confidence"),
        wilson(hits, support, upper=False).alias("confidence_low"),
        wilson(hits, support, upper=True).alias("confidence_high"),
        # A pattern of one signal and a condition is measured against everybody.
        (hits / support / pl.coalesce("best_member", "base")).alias("lift"),
    )
    least = MIN_LIFT_DISCOVERED if rule.discovered else 1.0
    floor = pl.max_horizontal("base", "best_member", "best_within") if rule.discovered else pl.col("base")
    kept = (support >= MIN_SUPPORT) & (pl.col("lift") > least) & (pl.col("confidence_low") > floor)
    return rates.select(
        "customer_id", pl.lit(rule.pattern_type).alias("pattern_type"), "support", "confidence", "confidence_low",
        "confidence_high", "lift", kept.alias("kept"),
    ).sort("customer_id")  # fmt: skip

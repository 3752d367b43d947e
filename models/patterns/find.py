"""Which patterns hold now: open signals in, patterns and their members out.

Belongs here: matching rules with what is open. What a pattern is worth comes from `learn`.
"""

import polars as pl

from models.patterns.learn import Learned
from models.patterns.lift import MIN_SUPPORT, PRIOR
from models.patterns.rules import NAMED, Rule
from models.signals.frames import Frames
from models.signals.registry import SIGNAL_TYPES

PATTERN_SCHEMA: dict[str, pl.DataType] = {
    "customer_id": pl.String(),
    "entity_type": pl.String(),
    "entity_id": pl.String(),
    "pattern_type": pl.String(),
    "title": pl.String(),
    "polarity": pl.String(),
    "confidence": pl.Float64(),
    "confidence_low": pl.Float64(),
    "confidence_high": pl.Float64(),
    "lift": pl.Float64(),
    "data": pl.String(),
    "dedupe_key": pl.String(),
    "seen_at": pl.Datetime("us", "UTC"),
}
MEMBER_SCHEMA = {"customer_id": pl.String(), "pattern_key": pl.String(), "signal_key": pl.String()}
_ENTITY = ["customer_id", "entity_type", "entity_id"]


def find(signals: pl.DataFrame, frames: Frames, learned: Learned) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Patterns that hold over the open `signals`, and (customer_id, pattern_key, signal_key) of their members.

    A pattern that history speaks against is not among them; one without history is, at prior confidence.
    """
    patterns, members = [], []
    for rule, tenants in _rules(learned):
        held = _held(signals, frames, rule)
        if tenants is not None:
            held = held.filter(pl.col("customer_id").is_in(tenants))
        if held.is_empty():
            continue
        own = signals.filter(pl.col("signal_type").is_in(rule.members)).join(held, on=_ENTITY, how="inner")
        keyed = _keyed(own, rule)
        patterns.append(_described(keyed, rule, learned.rates))
        members.append(keyed.select("customer_id", "pattern_key", pl.col("dedupe_key").alias("signal_key")))
    if not patterns:
        return pl.DataFrame(schema=PATTERN_SCHEMA), pl.DataFrame(schema=MEMBER_SCHEMA)
    kept = pl.concat(patterns).sort(*_ENTITY, "pattern_type")
    keys = kept.select("customer_id", pl.col("dedupe_key").alias("pattern_key"))
    linked = pl.concat(members).join(keys, on=["customer_id", "pattern_key"], how="semi")
    return kept, linked.sort("customer_id", "pattern_key", "signal_key")


def _rules(learned: Learned) -> list[tuple[Rule, list[str] | None]]:
    """Named rules for everybody, discovered ones for the tenants that they were found for."""
    owners: dict[str, tuple[Rule, list[str]]] = {}
    for tenant, rules in sorted(learned.discovered.items()):
        for rule in rules:
            key = f"{rule.entity_type}:{rule.pattern_type}:{rule.members}:{rule.stability}"
            owners.setdefault(key, (rule, []))[1].append(tenant)
    return [*((rule, None) for rule in NAMED), *owners.values()]


def _held(signals: pl.DataFrame, frames: Frames, rule: Rule) -> pl.DataFrame:
    """Entities on which `rule` holds."""
    mart = frames.of(rule.entity_type)
    if mart is None:
        return pl.DataFrame(schema=dict.fromkeys(_ENTITY, pl.String))
    own = signals.filter(pl.col("entity_type") == rule.entity_type)
    present = own.group_by(_ENTITY).agg((pl.col("signal_type") == name).any().alias(name) for name in SIGNAL_TYPES)
    rows = present.join(
        mart.rename({f"{rule.entity_type}_id": "entity_id"}), on=["customer_id", "entity_id"], how="inner"
    )
    return rows.filter(rule.holds()).select(_ENTITY)


def _keyed(own: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """Members with the key of their pattern: its episode is that of its first member by rule order."""
    order = {name: position for position, name in enumerate(name for group in rule.groups for name in group)}
    position = pl.col("signal_type").replace_strict(list(order), list(order.values()), return_dtype=pl.Int64)
    anchor = pl.col("dedupe_key").str.split(":").list.last()
    first = anchor.sort_by([position, pl.col("dedupe_key")]).first().over(_ENTITY)
    key = pl.format(f"{rule.pattern_type}:{{}}:{{}}:{{}}", "entity_type", "entity_id", first)
    return own.with_columns(key.alias("pattern_key"))


def _described(keyed: pl.DataFrame, rule: Rule, rates: pl.DataFrame) -> pl.DataFrame:
    seen = pl.col("last_seen_at") if "last_seen_at" in keyed.columns else pl.col("seen_at")
    rows = keyed.group_by([*_ENTITY, "pattern_key"]).agg(
        seen.max().alias("seen_at"), pl.col("signal_type").sort().alias("signals")
    )
    rate = rates.filter(pl.col("pattern_type") == rule.pattern_type).drop("pattern_type")
    rows = rows.join(rate, on="customer_id", how="left")
    known = pl.col("kept").fill_null(value=False)
    spoken_against = ~known & (pl.col("support").fill_null(0) >= MIN_SUPPORT)
    basis = pl.when(known).then(pl.lit("observed")).otherwise(pl.lit("prior"))
    stability = [pl.lit(rule.stability).alias("stability")] if rule.discovered else []
    data = pl.struct(
        basis.alias("basis"),
        pl.col("support").fill_null(0),
        "signals",
        pl.lit(rule.discovered).alias("discovered"),
        *stability,
    )
    return rows.filter(~spoken_against).select(
        *_ENTITY,
        pl.lit(rule.pattern_type).alias("pattern_type"),
        pl.lit(rule.title).alias("title"),
        pl.lit(rule.polarity).alias("polarity"),
        *(pl.when(known).then(pl.col(name)).otherwise(prior).round(4).alias(name) for name, prior in PRIOR.items()),
        pl.when(known).then(pl.col("lift").round(3)).alias("lift"),
        data.struct.json_encode().alias("data"),
        pl.col("pattern_key").alias("dedupe_key"),
        pl.col("seen_at").dt.cast_time_unit("us"),
    )

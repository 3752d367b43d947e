"""Signals and patterns as one list of findings, and what the findings of one entity say together for one action.

Belongs here: from many findings to one line an action: urgency, evidence, what to tell first.
"""

import polars as pl

from models.ranking.catalogue import calls
from models.ranking.value import urgency

ENTITY = ["customer_id", "entity_type", "entity_id"]
SEVERITIES = ("low", "medium", "high", "critical")
# Findings of one family say the same thing in other words: only the first told is told.
_FAMILY = {
    "going_dark": "quiet",
    "ghosted": "quiet",
    "engagement_drop": "quiet",
    "champion_unresponsive": "quiet",
    "new_stakeholder": "people",
    "executive_engaged": "people",
    "committee_surge": "people",
    "deal_stalled": "pace",
    "deal_aging": "pace",
    "close_date_overdue": "date",
    "close_date_slipped": "date",
    "close_date_unrealistic": "date",
}


def findings(signals: pl.DataFrame, patterns: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """One row a finding: entity, finding, title, level, since_days, evidence, expires_at, signal_key or pattern_key."""
    from_signals = signals.select(
        *ENTITY,
        pl.col("signal_type").alias("finding"),
        "title",
        _level(pl.col("severity")).alias("level"),
        pl.col("data").str.json_path_match("$.since_days").cast(pl.Float64).alias("since_days"),
        "evidence",
        "expires_at",
        pl.col("dedupe_key").alias("signal_key"),
        pl.lit(None, dtype=pl.String).alias("pattern_key"),
        (pl.col("polarity") == "+").alias("good"),
    )
    return pl.concat([from_signals, _from_patterns(from_signals, patterns, members)])


def _level(severity: pl.Expr) -> pl.Expr:
    return severity.replace_strict(list(SEVERITIES), list(range(len(SEVERITIES))), return_dtype=pl.Int64)


def _from_patterns(from_signals: pl.DataFrame, patterns: pl.DataFrame, members: pl.DataFrame) -> pl.DataFrame:
    """A pattern is as urgent and as well proven as its members."""
    own = from_signals.drop("pattern_key").join(members, on=["customer_id", "signal_key"], how="inner")
    summed = own.group_by("customer_id", "pattern_key").agg(
        pl.col("level").max(),
        pl.col("since_days").min(),
        pl.col("evidence").list.explode(empty_as_null=False, keep_nulls=False).unique(maintain_order=True),
        pl.col("expires_at").max(),
    )
    rows = patterns.rename({"dedupe_key": "pattern_key"}).join(summed, on=["customer_id", "pattern_key"], how="inner")
    anonymous = pl.col("pattern_type").str.starts_with("cluster_")
    finding = pl.when(anonymous).then(pl.format("cluster{}", "polarity")).otherwise(pl.col("pattern_type"))
    return rows.with_columns(
        finding.alias("finding"),
        (pl.col("polarity") == "+").alias("good"),
        pl.lit(None, dtype=pl.String).alias("signal_key"),
    ).select(from_signals.columns)


def zombies(found: pl.DataFrame) -> pl.DataFrame:
    """Entities that are old for this tenant and silent: candidates for closing."""
    seen = found.group_by(ENTITY).agg(
        (pl.col("finding") == "deal_aging").any().alias("old"),
        pl.col("finding").is_in(["going_dark", "ghosted"]).any().alias("silent"),
    )
    return seen.filter(pl.col("old") & pl.col("silent")).select(ENTITY)


def called_for(found: pl.DataFrame) -> pl.DataFrame:
    """One row an entity and action that its findings call for, with what they say together."""
    rows = found.join(calls(), on=["entity_type", "finding"], how="inner").with_columns(
        urgency(pl.col("finding"), pl.col("since_days")).alias("urgency"),
        pl.col("finding").replace(_FAMILY).alias("family"),
    )
    rows = rows.sort(*ENTITY, "action_type", "telling", "title")
    is_signal = pl.col("signal_key").is_not_null()
    first_of_family = pl.struct("family").is_first_distinct().over([*ENTITY, "action_type"])
    told = rows.with_columns(first_of_family.alias("told"))
    signal_reason = pl.struct(
        pl.col("finding").alias("code"),
        pl.col("title").alias("text"),
        pl.lit(None, dtype=pl.Float64).alias("contribution"),
    )
    return told.group_by([*ENTITY, "action_type"], maintain_order=True).agg(
        pl.col("signal_key").drop_nulls().first(),
        pl.col("pattern_key").drop_nulls().first(),
        pl.col("title").filter(is_signal & pl.col("told")).head(2).alias("told"),
        pl.col("title").first().alias("headline"),
        # what answers are counted by: the signal that the recommendation names, else its pattern
        pl.coalesce(pl.col("finding").filter(is_signal).first(), pl.col("finding").filter(~is_signal).first()).alias(
            "finding"
        ),
        signal_reason.filter(is_signal).alias("signal_reasons"),
        pl.col("evidence").list.explode(empty_as_null=False, keep_nulls=False).unique(maintain_order=True),
        pl.col("level").max(),
        pl.col("urgency").max(),
        pl.col("expires_at").first(),
    )

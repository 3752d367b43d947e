"""What detectors read: the mart frames, and the columns that a tenant's own habits add to each row.

Belongs here: joins of norms, scores, habits and thresholds onto a mart frame. No rule is decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from models.signals.detector import ACCOUNT, LEAD, OPPORTUNITY
from models.signals.thresholds import with_thresholds

HABITS: dict[str, tuple[str, pl.Expr]] = {
    "records_several_contacts": (OPPORTUNITY, pl.col("contacts_total").fill_null(0.0) >= 2),
    "records_roles": (OPPORTUNITY, pl.col("people_told").fill_null(0.0) >= 1),
    "records_next_steps": (OPPORTUNITY, pl.col("has_next_step").fill_null(0.0) > 0),
    "records_meetings": (OPPORTUNITY, pl.col("meetings_total").fill_null(0.0) > 0),
    "records_owners": (OPPORTUNITY, pl.col("owner_id").is_not_null()),
    "records_amounts": (OPPORTUNITY, pl.col("value_minor").is_not_null()),
    "records_outreach": (LEAD, pl.col("outbound_total").fill_null(0.0) > 0),
    "records_account_teams": (ACCOUNT, pl.col("contacts_total").fill_null(0.0) >= 2),
    "records_account_facts": (ACCOUNT, pl.col("missing_fields").fill_null(99.0) < 3),
}
MIN_LEADS_TO_COMPARE = 20
# Columns that make rules sharper, or possible, where a mart has them.
OPTIONAL: dict[str, type[pl.DataType]] = {
    **dict.fromkeys(
        (
            *("median_reply_hours", "days_since_last_call", "days_since_last_proposal"),
            *("days_since_last_proposal_reply", "close_date_pulled_in_days", "close_date_changed_days"),
            *("champion_silent_days", "champion_outbound_since", "champion_left_days", "newcomer_days"),
            *("executive_days", "people_told", "power_engaged", "contacts_engaged_14d", "contacts_engaged_before"),
            *("past_champion_days", "account_change", "account_change_days"),
            *("unanswered_days", "emails_sent", "days_since_contact", "attempts_since_contact", "days_since_intent"),
        ),
        pl.Float64,
    ),
    **dict.fromkeys(
        (
            *("champion_contact_id", "newcomer_contact_id", "executive_contact_id", "past_champion_contact_id"),
            *("champion_inbound_event_id", "champion_outbound_event_id", "champion_left_event_id"),
            *("newcomer_event_id", "executive_event_id", "past_champion_event_id", "account_change_event_id"),
            *("account_change_kind", "unanswered_event_id", "intent_action", "intent_event_id"),
            "close_date_slip_event_id",
        ),
        pl.String,
    ),
}
_SCORES = {
    "win_probability": ("win", "probability"),
    "conversion_probability": ("conversion", "probability"),
    "conversion_logit": ("conversion", "logit"),
    "conversion_usual": ("conversion", "baseline_logit"),
    "conversion_band": ("conversion", "band"),
    "conversion_display": ("conversion", "display"),
    "intent_points": ("intent", "points"),
}


@dataclass(frozen=True, kw_only=True)
class Frames:
    """Mart frames by their contract columns, for any number of tenants; an absent one is silent.

    `stage_norms` is marts.stage_norms; `scores` the scores frame (current ones); `thresholds` overrides by tenant;
    `lines` what was learned instead of the defaults (`lines.LINES`); `weights` how much detectors have meant
    (`detect.WEIGHTS`).
    """

    opportunities: pl.DataFrame | None = None
    leads: pl.DataFrame | None = None
    accounts: pl.DataFrame | None = None
    stage_norms: pl.DataFrame | None = None
    scores: pl.DataFrame | None = None
    thresholds: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lines: pl.DataFrame | None = None
    weights: pl.DataFrame | None = None

    def of(self, entity_type: str) -> pl.DataFrame | None:
        """The mart frame of `entity_type`, or nothing where it is absent or empty."""
        frame = {OPPORTUNITY: self.opportunities, LEAD: self.leads, ACCOUNT: self.accounts}[entity_type]
        return None if frame is None or frame.is_empty() else frame


def habits(frames: Frames) -> pl.DataFrame:
    """One row a tenant: the share of its entities that record each thing, and how fast its customers reply.

    What a tenant never records must not be held against any one entity. Compute it on all entities of a tenant.
    """
    parts = [*(_shares(frames, entity_type) for entity_type in (OPPORTUNITY, LEAD, ACCOUNT)), _ready_lines(frames)]
    merged = pl.concat(parts, how="diagonal").group_by("customer_id").agg(pl.all().drop_nulls().first())
    return merged.sort("customer_id")


def _shares(frames: Frames, entity_type: str) -> pl.DataFrame:
    names = {name: rule for name, (kind, rule) in HABITS.items() if kind == entity_type}
    reply = entity_type == OPPORTUNITY
    schema = {"customer_id": pl.String} | dict.fromkeys(names, pl.Float64)
    frame = frames.of(entity_type)
    if frame is None:
        return pl.DataFrame(schema=schema | ({"norm_reply_days": pl.Float64} if reply else {}))
    extra = [(pl.col("median_reply_hours").median() / 24).alias("norm_reply_days")] if reply else []
    frame = with_optional(frame)
    return frame.group_by("customer_id").agg(*(rule.mean().alias(name) for name, rule in names.items()), *extra)


def _ready_lines(frames: Frames) -> pl.DataFrame:
    """The chance to buy that the best tenth of a tenant's leads without a deal reaches, where there are enough."""
    leads = frames.of(LEAD)
    if leads is None:
        return pl.DataFrame(schema={"customer_id": pl.String, "ready_line": pl.Float64})
    waiting = leads.filter(pl.col("opportunity_id").is_null()).with_columns(
        pl.lit(LEAD).alias("entity_type"), pl.col("lead_id").alias("entity_id")
    )
    chance = pl.col("conversion_probability")
    best = chance.quantile(0.9, interpolation="higher")
    enough = chance.count() >= MIN_LEADS_TO_COMPARE
    return (
        _with_scores(waiting, frames.scores).group_by("customer_id").agg(pl.when(enough).then(best).alias("ready_line"))
    )


def prepare(frames: Frames, entity_type: str, known_habits: pl.DataFrame | None = None) -> pl.DataFrame | None:
    """The mart frame of `entity_type` with entity_type, entity_id, norms, scores, habits and thresholds beside it."""
    frame = frames.of(entity_type)
    if frame is None:
        return None
    if entity_type == LEAD:
        # A lead that became an opportunity is told of there.
        frame = frame.filter(pl.col("opportunity_id").is_null())
    frame = with_optional(frame)
    frame = frame.with_columns(
        pl.lit(entity_type).alias("entity_type"), pl.col(f"{entity_type}_id").alias("entity_id"), *_aligned(entity_type)
    )
    if entity_type == OPPORTUNITY:
        frame = _with_norms(frame, frames.stage_norms)
    if entity_type != ACCOUNT:
        frame = _with_scores(frame, frames.scores)
    shared = habits(frames) if known_habits is None else known_habits
    frame = frame.join(shared, on="customer_id", how="left", maintain_order="left")
    return with_thresholds(frame, frames.thresholds, frames.lines)


def with_optional(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with the optional columns that it lacks, unknown throughout."""
    return frame.with_columns(
        pl.lit(None, dtype=dtype).alias(name) for name, dtype in OPTIONAL.items() if name not in frame.columns
    )


def _aligned(entity_type: str) -> list[pl.Expr]:
    """Columns that rules over several entity types expect, where a mart has another name or none."""
    if entity_type == ACCOUNT:
        return [pl.lit(3650.0).alias("known_days"), pl.lit(None, dtype=pl.String).alias("last_inbound_event_id")]
    visits = pl.lit(0.0)
    if entity_type == LEAD:
        # The form that made the lead is not a return.
        forms = pl.max_horizontal(pl.col("forms_total").fill_null(0.0) - 1, pl.lit(0.0))
        visits = forms + (pl.col("pages_total").fill_null(0.0) / 5).floor()
    return [pl.col("age_days").alias("known_days"), visits.alias("returning_visits")]


def _with_norms(frame: pl.DataFrame, norms: pl.DataFrame | None) -> pl.DataFrame:
    """The tenant's stage norms as they were known on the day of each row, never later."""
    if norms is None or norms.is_empty():
        names = ("norm_days_in_stage", "norm_p25_days_to_close", "norm_cycle_days")
        return frame.with_columns(pl.lit(None, dtype=pl.Float64).alias(name) for name in names)
    known = norms.select(
        "customer_id",
        "stage",
        pl.col("as_of_day").cast(pl.Date),
        pl.col("median_days_won").cast(pl.Float64).alias("norm_days_in_stage"),
        pl.col("p25_days_to_close").cast(pl.Float64).alias("norm_p25_days_to_close"),
    )
    cycle = known.group_by("customer_id", "as_of_day").agg(pl.col("norm_days_in_stage").sum().alias("norm_cycle_days"))
    rows = frame.with_row_index("_row").with_columns(pl.col("as_of").dt.date().alias("_day")).sort("_day")
    for table, by in ((known, ["customer_id", "stage"]), (cycle, ["customer_id"])):
        rows = rows.join_asof(
            table.sort("as_of_day"), left_on="_day", right_on="as_of_day", by=by, check_sortedness=False
        )
        rows = rows.drop("as_of_day", strict=False)
    usable = pl.when(pl.col("norm_cycle_days") > 0).then(pl.col("norm_cycle_days"))
    return rows.sort("_row").drop("_row", "_day").with_columns(usable.alias("norm_cycle_days"))


def _with_scores(frame: pl.DataFrame, scores: pl.DataFrame | None) -> pl.DataFrame:
    for name, (score_type, column) in _SCORES.items():
        dtype = pl.String if column in ("band", "display") else pl.Float64
        if scores is None or scores.is_empty() or column not in scores.columns:
            frame = frame.with_columns(pl.lit(None, dtype=dtype).alias(name))
            continue
        one = scores.filter(pl.col("score_type") == score_type).select(
            "customer_id", "entity_type", "entity_id", pl.col(column).cast(dtype).alias(name)
        )
        frame = frame.join(one, on=["customer_id", "entity_type", "entity_id"], how="left", maintain_order="left")
    return frame

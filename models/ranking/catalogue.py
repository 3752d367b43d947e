"""The actions that can be recommended: what calls for each, when it makes no sense, when it is done, what it costs.

Belongs here: definitions. What an action is worth is `effects` and `value`; its words are in `wording`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

from models.signals.detector import ACCOUNT, LEAD, OPPORTUNITY

# What one action is for; an entity gets at most one open item of each cause.
ADVANCE, HYGIENE, RELEASE = "advance", "hygiene", "release"
# How an action is valued: through the chance to win, through a truer forecast, through attention set free.
BY_EFFECT, BY_HYGIENE, BY_ATTENTION = "effect", "hygiene", "attention"

_touched_lately = pl.col("days_since_last_outbound") <= 2


@dataclass(frozen=True, kw_only=True)
class Action:
    """One kind of action. Expressions are over an entity's mart row with `p` and the tenant's norms beside it.

    `signals` is also the order in which findings are told. `counters` are totals that grow when the action is done;
    they are stored with the recommendation, so that doing it is noticed. `flag` names the column of
    marts.<entity>_next_actions that says whether it was done in the past. `prior` is mean and deviation of the effect
    on the log-odds to win, see `effects`.
    """

    action_type: str
    label: str
    entity_types: tuple[str, ...]
    signals: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    cause: str = ADVANCE
    valued: str = BY_EFFECT
    possible: pl.Expr = field(default_factory=lambda: pl.lit(value=True))
    done: pl.Expr = field(default_factory=lambda: pl.lit(value=False))
    counters: tuple[str, ...] = ()
    payload: Mapping[str, pl.Expr] = field(default_factory=dict)
    minutes: float
    flag: str | None = None
    prior: tuple[float, float] = (0.0, 0.1)


_person = pl.col("contact_id")

ACTIONS: tuple[Action, ...] = (
    Action(
        action_type="call",
        label="Call",
        entity_types=(OPPORTUNITY, LEAD),
        signals=(
            "ghosted",
            "champion_unresponsive",
            "lead_untouched",
            "high_intent_action",
            "lead_ready",
            "account_event",
            "engagement_drop",
            "deal_stalled",
            "going_dark",
        ),
        patterns=("hot_lead_neglected", "silent_slide", "champion_risk", "warm_return", "cluster-"),
        possible=pl.col("calls_7d").fill_null(0.0) < 4,
        done=pl.coalesce("days_since_last_call", pl.when(pl.col("calls_7d") > 0).then("days_since_last_outbound")) <= 2,
        counters=("calls_total",),
        payload={"contact_id": _person},
        minutes=10,
        flag="call_7d",
        prior=(0.20, 0.25),
    ),
    Action(
        action_type="draft_email",
        label="Write an email",
        entity_types=(OPPORTUNITY, LEAD),
        signals=(
            *("answer_owed", "ghosted", "champion_unresponsive", "going_dark", "engagement_drop", "new_stakeholder"),
            *("lead_untouched", "lead_ready", "deal_stalled"),
        ),
        patterns=("silent_slide", "hot_lead_neglected", "cluster-"),
        possible=pl.coalesce("contact_email", "contact_id").is_not_null(),
        done=(pl.col("outbound_7d") - pl.col("calls_7d").fill_null(0.0) > 0)
        & _touched_lately
        & pl.col("unanswered_days").is_null(),
        counters=("emails_sent",),
        payload={"contact_id": _person, "to": pl.col("contact_email")},
        minutes=4,
        flag="email_7d",
        prior=(0.12, 0.20),
    ),
    Action(
        action_type="book_meeting",
        label="Book a meeting",
        entity_types=(OPPORTUNITY,),
        signals=(
            *("high_intent_action", "executive_engaged", "committee_surge", "new_stakeholder", "engagement_surge"),
            *("deal_stalled", "no_next_step"),
        ),
        patterns=("committee_forming", "warm_return", "cluster+"),
        possible=(pl.col("records_meetings") >= 0.1) & (pl.col("has_next_step").fill_null(0.0) == 0),
        done=pl.col("next_step_in_days") <= 14,
        counters=("meetings_total", "has_next_step"),
        payload={"contact_id": _person, "within_days": pl.lit(7)},
        minutes=45,
        flag="meeting_7d",
        prior=(0.30, 0.30),
    ),
    Action(
        action_type="add_contact",
        label="Bring in a second person",
        entity_types=(OPPORTUNITY,),
        signals=("champion_left", "champion_unresponsive", "missing_power", "single_threaded"),
        patterns=("champion_risk", "late_stage_fragile"),
        counters=("contacts_total", "contacts_engaged_30d"),
        payload={"account_id": pl.col("account_id")},
        minutes=20,
        prior=(0.15, 0.20),
    ),
    Action(
        action_type="involve_executive",
        label="Involve an executive",
        entity_types=(OPPORTUNITY,),
        signals=("missing_power", "champion_left", "single_threaded", "deal_stalled", "close_date_slipped"),
        patterns=("champion_risk", "late_stage_fragile", "forecast_fiction"),
        possible=(pl.col("records_several_contacts") >= 0.1)
        & pl.col("stage").is_in(["proposal", "negotiation"])
        & (pl.col("value_minor") >= 2 * pl.col("median_won_minor")),
        counters=("contacts_engaged_30d",),
        payload={"account_id": pl.col("account_id")},
        minutes=40,
        prior=(0.15, 0.25),
    ),
    Action(
        action_type="set_next_step",
        label="Agree the next step",
        entity_types=(OPPORTUNITY, LEAD),
        signals=(
            *("high_intent_action", "executive_engaged", "committee_surge", "new_stakeholder", "no_next_step"),
            *("engagement_surge", "deal_stalled"),
        ),
        patterns=("committee_forming", "forecast_fiction", "cluster+"),
        possible=pl.col("has_next_step").fill_null(0.0) == 0,
        done=pl.col("has_next_step") > 0,
        counters=("has_next_step",),
        payload={"contact_id": _person, "within_days": pl.lit(7)},
        minutes=5,
        flag="task_7d",
        prior=(0.12, 0.20),
    ),
    Action(
        action_type="convert_or_create_opportunity",
        label="Turn into an opportunity",
        entity_types=(LEAD, ACCOUNT),
        signals=("lead_ready", "high_intent_action", "past_champion_new_company", "account_event"),
        patterns=("in_market_no_deal", "expansion_window"),
        possible=pl.when(pl.col("entity_type") == LEAD)
        .then(
            pl.col("opportunity_id").is_null() & (pl.col("outbound_total") > 0) & (pl.col("status") != "disqualified")
        )
        .otherwise(pl.col("account_change").fill_null(0.0) >= 0),
        counters=("opportunities_total",),
        payload={"account_id": pl.col("account_id"), "contact_id": _person},
        minutes=15,
        flag="proposal_7d",
        prior=(0.25, 0.30),
    ),
    Action(
        action_type="enroll_or_pause_sequence",
        label="Move to a sequence",
        entity_types=(LEAD,),
        signals=("going_dark", "ghosted"),
        possible=(pl.col("emails_total") > 0)
        & pl.col("contact_email").is_not_null()
        & (pl.col("p") < pl.col("median_p")),
        done=_touched_lately,
        counters=("emails_sent",),
        payload={"operation": pl.lit("enroll"), "contact_id": _person},
        minutes=2,
        prior=(0.08, 0.15),
    ),
    Action(
        action_type="correct_close_date",
        label="Correct the close date",
        entity_types=(OPPORTUNITY,),
        signals=("close_date_overdue", "close_date_unrealistic", "close_date_slipped"),
        patterns=("forecast_fiction",),
        cause=HYGIENE,
        valued=BY_HYGIENE,
        possible=pl.col("expected_close_date").is_not_null(),
        payload={"from": pl.col("expected_close_date").cast(pl.String)},
        minutes=1,
    ),
    Action(
        action_type="correct_amount",
        label="Record the amount",
        entity_types=(OPPORTUNITY,),
        signals=("missing_data",),
        cause=HYGIENE,
        valued=BY_HYGIENE,
        done=pl.col("value_minor").is_not_null(),
        minutes=1,
    ),
    Action(
        action_type="enrich_record",
        label="Complete the record",
        entity_types=(ACCOUNT,),
        signals=("missing_data",),
        cause=HYGIENE,
        valued=BY_HYGIENE,
        payload={"provider": pl.lit("apollo"), "domain": pl.col("domain")},
        minutes=1,
    ),
    Action(
        action_type="close_lost",
        label="Close as lost",
        entity_types=(OPPORTUNITY,),
        signals=("deal_aging", "ghosted", "going_dark"),
        patterns=("zombie_deal",),
        cause=RELEASE,
        valued=BY_ATTENTION,
        possible=pl.col("is_zombie") & (pl.col("p") <= pl.col("median_p")),
        payload={"reason": pl.lit("no_response")},
        minutes=2,
    ),
)

BY_TYPE: Mapping[str, Action] = {action.action_type: action for action in ACTIONS}


def calls() -> pl.DataFrame:
    """What calls for what: one row an action, entity type and finding, in the order of telling."""
    rows = [
        (action.action_type, entity_type, finding, order)
        for action in ACTIONS
        for entity_type in action.entity_types
        for order, finding in enumerate((*action.signals, *action.patterns))
    ]
    return pl.DataFrame(rows, schema=["action_type", "entity_type", "finding", "telling"], orient="row")

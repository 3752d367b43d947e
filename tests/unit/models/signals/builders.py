"""Rows of the marts by their contract columns, quiet by default, for hand-made frames."""

from datetime import UTC, date, datetime
from typing import Any

import polars as pl

AS_OF = datetime(2026, 11, 23, tzinfo=UTC)
TIME = pl.Datetime("us", "UTC")

_SHARED = {
    "age_days": 5.0, "outbound_total": 1.0, "inbound_total": 1.0, "outbound_7d": 1.0, "inbound_7d": 1.0,
    "calls_total": 0.0, "calls_7d": 0.0, "call_seconds_total": 0.0, "emails_total": 1.0, "emails_sent": 1.0,
    "proposals_sent": 0.0, "unanswered_days": None, "attempts_since_contact": None, "days_since_contact": None,
    "days_since_intent": None,
    "proposals_replied": 0.0, "days_since_last_proposal": None, "days_since_last_proposal_reply": None,
    "days_since_last_activity": 1.0, "days_since_last_inbound": 1.0,
    "days_since_last_outbound": 2.0, "outbound_since_last_inbound": 0.0, "engagement_decayed": 1.0,
    "engagement_week": 1.0, "engagement_prior_week_mean": 1.0, "owners_distinct": 1.0, "has_next_step": 0.0,
    "next_step_in_days": None, "owner_decided_180d": 0.0, "owner_won_180d": 0.0,
}  # fmt: skip
_OPPORTUNITY = _SHARED | {
    "days_in_stage": 1.0, "stage_changes": 0.0, "close_date_slips": 0.0, "close_date_slip_days": 0.0,
    "days_to_close": 30.0, "amount_changes": 0.0, "amount_change_ratio": 1.0, "activities_total": 2.0,
    "outbound_30d": 1.0, "inbound_30d": 1.0, "meetings_total": 0.0, "meetings_30d": 0.0,
    "contacts_engaged_30d": 2.0, "contacts_total": 2.0, "median_reply_hours": 24.0, "lead_age_at_open_days": None,
    "opened_hour": 9.0, "opened_dow": 1.0, "employee_count": None, "annual_revenue_minor": None,
    "close_date_pulled_in_days": 0.0, "close_date_changed_days": None, "champion_silent_days": 1.0,
    "champion_outbound_since": 0.0, "champion_left_days": None, "newcomer_days": None, "executive_days": None,
    "people_told": 2.0, "power_engaged": 1.0, "contacts_engaged_14d": 2.0, "contacts_engaged_before": 2.0,
    "account_change": None, "account_change_days": None,
}  # fmt: skip
_LEAD = _SHARED | {
    "days_in_status": 1.0, "status_changes": 0.0, "forms_total": 1.0, "pages_total": 0.0, "first_touch_hours": 2.0,
    "created_hour": 9.0, "created_dow": 1.0,
}  # fmt: skip
_ACCOUNT = {
    "employee_count": 100.0, "annual_revenue_minor": None, "contacts_total": 2.0, "opportunities_total": 0.0,
    "open_opportunities": 0.0, "won_opportunities": 0.0, "lost_opportunities": 0.0, "engagement_decayed": 1.0,
    "engagement_week": 1.0, "engagement_prior_week_mean": 1.0, "active_contacts_30d": 1.0,
    "days_since_last_activity": 1.0, "missing_fields": 0.0, "past_champion_days": None, "account_change": None,
    "account_change_days": None,
}  # fmt: skip
_EVENTS = ("last_activity_event_id", "last_inbound_event_id", "last_outbound_event_id", "created_event_id",
           "unanswered_event_id", "intent_event_id")  # fmt: skip
_OPPORTUNITY_EVENTS = (
    *(
        *_EVENTS,
        "stage_event_id",
        "close_date_event_id",
        "close_date_slip_event_id",
        "amount_event_id",
        "champion_inbound_event_id",
    ),
    *("champion_outbound_event_id", "champion_left_event_id", "newcomer_event_id", "executive_event_id"),
    "account_change_event_id",
)
_ACCOUNT_EVENTS = (
    *("last_activity_event_id", "created_event_id", "past_champion_event_id", "account_change_event_id"),
)


def _frame(rows: list[dict[str, Any]], defaults: dict[str, Any], numbers: dict[str, Any]) -> pl.DataFrame:
    filled = [defaults | numbers | row for row in rows]
    schema: dict[str, Any] = {}
    for name, value in (defaults | numbers).items():
        kinds = {datetime: TIME, date: pl.Date, int: pl.Int64}
        schema[name] = pl.Float64 if name in numbers else kinds.get(type(value), pl.String)
    return pl.DataFrame(filled, schema=schema)


def _keys(entity: str, events: tuple[str, ...]) -> dict[str, Any]:
    return {"customer_id": "t1", f"{entity}_id": f"{entity}-1", "as_of": AS_OF} | {
        name: f"e-{name.removesuffix('_event_id')}" for name in events
    }


def opportunities(*rows: dict[str, Any]) -> pl.DataFrame:
    """A frame as marts.opportunity_features has it."""
    defaults = _keys("opportunity", _OPPORTUNITY_EVENTS) | {
        "moment": "current", "intent_action": None, "name": "Blue Harbor renewal",
        "account_id": "account-1", "contact_id": "c1",
        "lead_id": None, "owner_id": "u1", "stage": "proposal", "value_minor": 1_500_000, "currency": "EUR",
        "expected_close_date": date(2026, 12, 23), "opened_at": AS_OF, "last_event_at": AS_OF, "industry": None,
        "country": None, "attributes": "{}", "feature_hash": "h1", "champion_contact_id": "c1",
        "newcomer_contact_id": None, "executive_contact_id": None, "account_change_kind": None,
    }  # fmt: skip
    return _frame(list(rows) or [{}], defaults, _OPPORTUNITY)


def leads(*rows: dict[str, Any]) -> pl.DataFrame:
    """A frame as marts.lead_features has it."""
    defaults = _keys("lead", (*_EVENTS, "status_event_id")) | {
        "moment": "current", "intent_action": None, "name": "Ada Byron", "contact_name": "Ada Byron",
        "contact_email": "ada@example.org",
        "account_id": None, "contact_id": None, "opportunity_id": None, "owner_id": "u1", "source": "web",
        "status": "working", "value_minor": 500_000, "currency": "EUR", "created_at": AS_OF, "last_event_at": AS_OF,
        "attributes": "{}", "feature_hash": "h1",
    }  # fmt: skip
    return _frame(list(rows) or [{}], defaults, _LEAD)


def accounts(*rows: dict[str, Any]) -> pl.DataFrame:
    """A frame as marts.account_features has it."""
    defaults = _keys("account", _ACCOUNT_EVENTS) | {
        "name": "Blue Harbor", "domain": None, "industry": None, "country": None, "owner_id": "u1",
        "attributes": "{}", "feature_hash": "h1", "past_champion_contact_id": None, "account_change_kind": None,
    }  # fmt: skip
    return _frame(list(rows) or [{}], defaults, _ACCOUNT)


def stage_norms(*rows: dict[str, Any]) -> pl.DataFrame:
    """A frame as marts.stage_norms has it."""
    default = {
        "customer_id": "t1", "stage": "proposal", "as_of_day": date(2026, 1, 1), "won_count": 40,
        "median_days_won": 10.0, "p25_days_to_close": 12.0,
    }  # fmt: skip
    return pl.DataFrame([default | row for row in (rows or ({},))])


def score(**values: Any) -> dict[str, Any]:
    """One row of the scores frame."""
    return {
        "customer_id": "t1", "entity_type": "opportunity", "entity_id": "opportunity-1", "score_type": "win",
        "as_of": AS_OF, "probability": 0.4, "probability_low": 0.3, "probability_high": 0.5, "logit": -0.405,
        "baseline_logit": -1.0, "points": 40, "rank": 1, "band": "B",
        "reasons": [
            {"code": "replied", "text": "The customer answered", "feature": "proposals_replied", "value": "1",
             "norm": "0", "contribution": 0.8},
            {"code": "silence", "text": "Nothing for 9 days", "feature": "days_since_last_activity", "value": "9",
             "norm": "3", "contribution": -0.3},
        ],
        "feature_hash": "h1", "model_version_id": "m1", "display": "probability",
    } | values  # fmt: skip


def scores(*rows: dict[str, Any]) -> pl.DataFrame:
    """A scores frame, with `display` of each row's model version."""
    return pl.DataFrame([score(**row) for row in (rows or ({},))])

"""What a reason says: one template per feature, a sensible sentence for custom fields.

Belongs here: words and number formats. Which reasons are given, and in what order, is `explanations`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl

from models.attributes import DOUBTFUL, PREFIX
from models.encoding import Feature


@dataclass(frozen=True, kw_only=True)
class Template:
    """`known` has {value} and {norm}; `missing` is said where there is no value. `digits` is the precision shown."""

    known: str
    missing: str
    show: Callable[[float], str]
    digits: int = 0


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _plural(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if round(value) == 1 else f"{value:,.0f} {unit}s"


def _days(value: float) -> str:
    return _plural(value * 24, "hour") if abs(value) < 1 else _plural(value, "day")


def _until(value: float) -> str:
    return _days(value) if value >= 0 else f"over by {_days(-value)}"


def _hours(value: float) -> str:
    return _plural(value, "hour") if abs(value) < 48 else _plural(value / 24, "day")


def _seconds(value: float) -> str:
    return _plural(value / 60, "minute")


def _money(value: float) -> str:
    return f"{value / 100:,.0f}"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _decimal(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:,.2g}"


def _clock(value: float) -> str:
    return f"{int(value):02d}:00 UTC"


def _yes(value: float) -> str:
    return "yes" if value else "no"


def _template(label: str, show: Callable[[float], str], missing: str | None = None, digits: int = 0) -> Template:
    return Template(
        known=f"{label}: {{value}} (typical: {{norm}})",
        missing=missing or f"{label}: unknown",
        show=show,
        digits=digits,
    )


def _ago(subject: str, missing: str) -> Template:
    return Template(known=f"{subject} {{value}} ago (typical: {{norm}})", missing=missing, show=_days, digits=1)


TEMPLATES = {
    "age_days": _template("Age", _days, digits=1),
    "days_in_stage": Template(
        known="In this stage for {value} (typical: {norm})",
        missing="Time in stage unknown",
        show=_days,
        digits=1,
    ),
    "days_in_status": Template(
        known="In this status for {value} (typical: {norm})",
        missing="Time in status unknown",
        show=_days,
        digits=1,
    ),
    "stage_time_ratio": Template(
        known="In this stage for {value} times what deals won took (typical: {norm})",
        missing="Too few deals won to know how long the stage takes",
        show=_decimal,
        digits=2,
    ),
    "stage_changes": _template("Stage changes", _count),
    "status_changes": _template("Status changes", _count),
    "close_date_slips": _template("Times the close date slipped", _count),
    "close_date_slip_days": _template("Close date moved back by", _days),
    "days_to_close": _template("Time to the expected close date", _until, "No expected close date"),
    "amount_changes": _template("Changes of the amount", _count),
    "amount_change_ratio": _template("Amount against the first one", _decimal, digits=2),
    "activities_total": _template("Activities so far", _count),
    "active_days": _template("Days with activity", _count),
    "notes_total": _template("Notes so far", _count),
    "notes_7d": _template("Notes in 7 days", _count),
    "days_since_last_note": _ago("Last note", "No note yet"),
    "call_seconds_7d": _template("Time on calls in 7 days", _seconds),
    "call_seconds_longest": _template("Longest call", _seconds, "No call yet"),
    "call_seconds_last": _template("Last call took", _seconds, "No call yet"),
    "days_since_last_call": _ago("Last call", "No call yet"),
    "calls_since_last_inbound": _template("Calls since the customer's last response", _count),
    "days_since_last_proposal": _ago("Last offer sent", "No offer sent yet"),
    "days_since_last_proposal_reply": _ago("Customer answered an offer", "No answer to an offer yet"),
    "days_since_opened": _ago("Opportunity opened", "No opportunity yet"),
    "opportunity_stage": _template("Stage of the opportunity", str, "No opportunity yet"),
    "lead_outbound_total": _template("Touches by us while a lead", _count),
    "lead_inbound_total": _template("Touches by the customer while a lead", _count),
    "lead_calls_total": _template("Calls while a lead", _count),
    "lead_call_seconds_total": _template("Time on calls while a lead", _seconds),
    "lead_notes_total": _template("Notes while a lead", _count),
    "lead_idle_days_at_open": _template("Silence before the opportunity opened", _days, digits=1),
    "outbound_total": _template("Touches by us so far", _count),
    "inbound_total": _template("Responses by the customer so far", _count),
    "outbound_7d": _template("Touches by us in 7 days", _count),
    "inbound_7d": _template("Responses by the customer in 7 days", _count),
    "outbound_30d": _template("Touches by us in 30 days", _count),
    "inbound_30d": _template("Responses by the customer in 30 days", _count),
    "calls_total": _template("Calls so far", _count),
    "calls_7d": _template("Calls in 7 days", _count),
    "call_seconds_total": _template("Time on the phone", _seconds, "No calls yet"),
    "emails_total": _template("Emails so far", _count),
    "meetings_total": _template("Meetings so far", _count),
    "meetings_30d": _template("Meetings in 30 days", _count),
    "forms_total": _template("Forms submitted", _count),
    "pages_total": _template("Pages viewed", _count),
    "proposals_sent": _template("Proposals sent", _count),
    "proposals_replied": _template("Proposals answered", _count),
    "days_since_last_activity": _ago("Last activity", "No activity yet"),
    "days_since_last_outbound": _ago("We last reached out", "We have not reached out yet"),
    "days_since_last_inbound": _ago("Customer last responded", "Customer has not responded yet"),
    "outbound_since_last_inbound": _template("Touches by us since the customer's last response", _count),
    "engagement_decayed": _template("Recent two-way engagement", _decimal, digits=2),
    "engagement_week": _template("Engagement this week", _decimal, digits=2),
    "engagement_prior_week_mean": _template("Weekly engagement before", _decimal, digits=2),
    "engagement_surge": _template("Engagement this week against before", _decimal, digits=2),
    "account_engagement_decayed": _template("Recent engagement of the whole account", _decimal, digits=2),
    "account_contacts_engaged_30d": _template("Contacts of the account engaged in 30 days", _count),
    "contacts_engaged_30d": _template("Contacts engaged in 30 days", _count),
    "contacts_total": _template("Contacts", _count),
    "active_contacts_30d": _template("Contacts active in 30 days", _count),
    "owners_distinct": _template("Owners so far", _count),
    "has_next_step": _template("Next step planned", _yes),
    "next_step_in_days": _template("Next step in", _days, "No next step planned", digits=1),
    "median_reply_hours": _template("Customer's usual reply time", _hours, "Customer has not replied yet"),
    "median_response_hours": _template("We usually answer within", _hours, "We have not answered yet"),
    "first_touch_hours": _template("First touch after", _hours, "Not touched yet", digits=1),
    "lead_age_at_open_days": _template("From lead to opportunity in", _days, "Opened without a lead", digits=1),
    "opened_hour": _template("Opened at", _clock),
    "opened_dow": _template("Opened on day of the week", _count),
    "created_hour": _template("Created at", _clock),
    "created_dow": _template("Created on day of the week", _count),
    "owner_decided_180d": _template("Owner's decided deals in 180 days", _count, "No owner"),
    "owner_won_180d": _template("Owner's won deals in 180 days", _count, "No owner"),
    "owner_win_rate_180d": _template("Owner's share won in 180 days", _share, "No owner", digits=2),
    "value_minor": _template("Amount", _money, "No amount"),
    "missing_fields": _template("Facts not known of the account", _count),
    "icp_distance": _template("Distance from accounts that were won", _share, "No account, or too few won", digits=2),
    "employee_count": _template("Employees", _count),
    "annual_revenue_minor": _template("Annual revenue", _money),
}

INCIDENTAL = frozenset(
    {"opened_hour", "opened_dow", "created_hour", "created_dow", "owner_decided_180d", "owner_won_180d"}
)
"""Features that a score reads, and that are no reason to do anything today: briefings leave them to the score."""


def template_of(feature: Feature) -> Template:
    """The feature's own template, or one made from its name."""
    if feature.name in TEMPLATES:
        return TEMPLATES[feature.name]
    words = feature.name.removeprefix(PREFIX).removeprefix(DOUBTFUL).replace("_", " ").strip()
    return _template(words[:1].upper() + words[1:], _decimal, digits=3)


def displayed(feature: Feature, values: np.ndarray) -> tuple[pl.Series, np.ndarray]:
    """(distinct texts, null for missing; for each of `values`, float64 (rows,), which of them it is)."""
    if feature.levels is not None:
        return pl.Series([None, "other"], dtype=pl.String).append(
            pl.Series(list(feature.levels), dtype=pl.String)
        ), np.nan_to_num(values + 1, nan=0.0).astype(np.int64)
    template = template_of(feature)
    distinct, places = np.unique(np.round(values, template.digits), return_inverse=True)
    return pl.Series(
        [None if np.isnan(value) else template.show(float(value)) for value in distinct], dtype=pl.String
    ), places

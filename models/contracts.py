"""Feature contracts: which mart columns a model may read, with their type and role, and which it must refuse.

Belongs here: column names, roles, the check of a frame against them, the contract's hash. How columns become numbers is
`encoding`; which roles a model reads is its recipe (`fit`, `intent`, `conversion`, `win`).
"""

import json
import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256

import polars as pl

from models.errors import LeakingColumns, MissingColumns


class Role(StrEnum):
    """What a column is to a model."""

    KEY = "key"  # identity: never a feature
    CREATION = "creation"  # known when the entity was created, or firmographic
    ENGAGEMENT = "engagement"  # what the buyer did, and what passed between both sides
    OUTREACH = "outreach"  # how much we sent: volume that is no intent of the buyer's
    PROGRESS = "progress"  # the seller's own process: stage, dates, owner
    CONTEXT = "context"  # age: interacts with everything, explains nothing alone
    ATTRIBUTES = "attributes"  # custom fields of the tenant, as JSON text


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: `levels` fixes the vocabulary of a text column that means the same in every tenant.

    `sign` is agreed where more of it is, all else equal, never worse (+1) or never better (-1) for the outcome.
    """

    name: str
    dtype: str  # "number" | "text" | "time"
    role: Role
    levels: tuple[str, ...] = ()
    sign: int = 0


@dataclass(frozen=True, kw_only=True)
class Contract:
    """The columns of one mart. `entity` is also the prefix of its id column."""

    entity: str
    created: str
    columns: tuple[Column, ...]

    @property
    def id_column(self) -> str:
        return f"{self.entity}_id"

    def of(self, *roles: Role) -> tuple[Column, ...]:
        """Columns with one of `roles`, in contract order."""
        return tuple(column for column in self.columns if column.role in roles)

    @property
    def digest(self) -> str:
        """A hash over names, types, roles, levels and signs: an artefact of another contract is refused."""
        text = "\n".join(f"{c.name}|{c.dtype}|{c.role}|{','.join(c.levels)}|{c.sign}" for c in self.columns)
        return sha256(f"{self.entity}\n{text}".encode()).hexdigest()


_BETTER = (
    *("inbound_total", "inbound_7d", "inbound_30d", "meetings_total", "meetings_30d", "forms_total"),
    *("proposals_replied", "engagement_decayed", "engagement_week", "contacts_engaged_30d", "active_contacts_30d"),
    *("account_engagement_decayed", "account_contacts_engaged_30d", "owner_win_rate_180d", "has_next_step"),
)
_WORSE = (
    *("icp_distance", "days_since_last_inbound", "median_reply_hours", "median_response_hours", "stage_time_ratio"),
    *("close_date_slips", "close_date_slip_days"),
)


def agreed_sign(name: str) -> int:
    """Whether more of the column `name` is never worse (1), never better (-1), or not agreed on (0)."""
    return (name in _BETTER) - (name in _WORSE)


def _columns(role: Role, dtype: str, names: str, levels: tuple[str, ...] = ()) -> tuple[Column, ...]:
    return tuple(
        Column(name=name, dtype=dtype, role=role, levels=levels, sign=agreed_sign(name)) for name in names.split()
    )


_LEAD_STATUSES = ("new", "working", "qualified", "converted")
_STAGES = ("prospecting", "qualification", "proposal", "negotiation")

LEAD = Contract(
    entity="lead",
    created="created_at",
    columns=(
        *_columns(Role.KEY, "text", "customer_id lead_id feature_hash"),
        *_columns(Role.KEY, "time", "as_of created_at"),
        *_columns(Role.CONTEXT, "number", "age_days"),
        *_columns(Role.CREATION, "text", "source industry country"),
        *_columns(
            Role.CREATION,
            "number",
            "value_minor created_hour created_dow employee_count annual_revenue_minor missing_fields icp_distance",
        ),
        *_columns(Role.PROGRESS, "text", "status", _LEAD_STATUSES),
        *_columns(Role.PROGRESS, "text", "opportunity_stage", _STAGES),
        *_columns(
            Role.PROGRESS,
            "number",
            "days_in_status days_since_opened status_changes notes_total notes_7d days_since_last_note "
            "owners_distinct first_touch_hours median_response_hours has_next_step next_step_in_days "
            "owner_decided_180d owner_won_180d owner_win_rate_180d",
        ),
        *_columns(
            Role.ENGAGEMENT,
            "number",
            "inbound_total inbound_7d call_seconds_total call_seconds_7d call_seconds_longest call_seconds_last "
            "meetings_total forms_total pages_total proposals_replied days_since_last_proposal_reply "
            "days_since_last_inbound engagement_decayed engagement_week engagement_prior_week_mean engagement_surge "
            "contacts_engaged_30d account_engagement_decayed account_contacts_engaged_30d median_reply_hours",
        ),
        *_columns(
            Role.OUTREACH,
            "number",
            "outbound_total outbound_7d calls_total calls_7d days_since_last_call emails_total proposals_sent "
            "days_since_last_proposal active_days days_since_last_activity days_since_last_outbound "
            "outbound_since_last_inbound calls_since_last_inbound",
        ),
        *_columns(Role.ATTRIBUTES, "text", "attributes"),
    ),
)

OPPORTUNITY = Contract(
    entity="opportunity",
    created="opened_at",
    columns=(
        *_columns(Role.KEY, "text", "customer_id opportunity_id feature_hash"),
        *_columns(Role.KEY, "time", "as_of opened_at"),
        *_columns(Role.CONTEXT, "number", "age_days"),
        *_columns(Role.CREATION, "text", "industry country"),
        *_columns(
            Role.CREATION,
            "number",
            "value_minor employee_count annual_revenue_minor missing_fields icp_distance lead_age_at_open_days "
            "lead_idle_days_at_open lead_outbound_total lead_inbound_total lead_calls_total lead_call_seconds_total "
            "lead_notes_total opened_hour opened_dow",
        ),
        *_columns(Role.PROGRESS, "text", "stage", _STAGES),
        *_columns(
            Role.PROGRESS,
            "number",
            "days_in_stage stage_time_ratio stage_changes close_date_slips close_date_slip_days days_to_close "
            "amount_changes amount_change_ratio notes_total notes_7d days_since_last_note owners_distinct "
            "median_response_hours has_next_step next_step_in_days owner_decided_180d owner_won_180d "
            "owner_win_rate_180d",
        ),
        *_columns(
            Role.ENGAGEMENT,
            "number",
            "inbound_total inbound_7d inbound_30d call_seconds_total call_seconds_7d call_seconds_longest "
            "call_seconds_last meetings_total meetings_30d proposals_replied days_since_last_proposal_reply "
            "days_since_last_inbound engagement_decayed engagement_week engagement_prior_week_mean engagement_surge "
            "contacts_engaged_30d contacts_total account_engagement_decayed account_contacts_engaged_30d "
            "median_reply_hours",
        ),
        *_columns(
            Role.OUTREACH,
            "number",
            "activities_total outbound_total outbound_7d outbound_30d calls_total calls_7d days_since_last_call "
            "emails_total proposals_sent days_since_last_proposal active_days days_since_last_activity "
            "days_since_last_outbound outbound_since_last_inbound calls_since_last_inbound",
        ),
        *_columns(Role.ATTRIBUTES, "text", "attributes"),
    ),
)

ACCOUNT = Contract(
    entity="account",
    created="as_of",
    columns=(
        *_columns(Role.KEY, "text", "customer_id account_id feature_hash"),
        *_columns(Role.KEY, "time", "as_of"),
        *_columns(Role.CREATION, "text", "industry country"),
        *_columns(Role.CREATION, "number", "employee_count annual_revenue_minor missing_fields icp_distance"),
        *_columns(
            Role.ENGAGEMENT,
            "number",
            "contacts_total open_opportunities engagement_decayed engagement_week engagement_prior_week_mean "
            "engagement_surge active_contacts_30d days_since_last_activity",
        ),
        *_columns(Role.ATTRIBUTES, "text", "attributes"),
    ),
)

CONTRACTS = {contract.entity: contract for contract in (LEAD, OPPORTUNITY, ACCOUNT)}

# Names are compared in lower case with every run of other characters as one underscore ("Lead Quality" = lead_quality).
_LEAKS = (
    # labels, and the actions that followed the snapshot
    *("outcome", "decided_at", "converted", "label", "won", "is_won", "deal_stage"),
    *("call_7d", "email_7d", "meeting_7d", "task_7d", "proposal_7d"),
    # X Education: written after sales contact
    *("tags", "lead_quality", "lead_profile"),
    # BPI 2012: whether there will be an offer, and the events that are the decision
    "offer_sent",
    *("a_approved", "a_registered", "a_activated", "a_declined", "a_cancelled", "o_accepted", "o_declined"),
    # Maven: known only once the deal is closed
    *("close_value", "close_date"),
)
_LEAK_PATTERN = "(?:" + "|".join(leak.replace("_", "[^a-z0-9]+") for leak in _LEAKS) + '|asymmetrique[^"]*)'
_LEAK_COLUMN = re.compile(f"^{_LEAK_PATTERN}$", re.IGNORECASE)
_LEAK_KEY = f'(?i)"({_LEAK_PATTERN})"\\s*:'


def check(frame: pl.DataFrame, contract: Contract) -> None:
    """Raise `LeakingColumns` or `MissingColumns` unless `frame` may reach a model under `contract`.

    Columns that the contract does not name (names, event ids) are allowed and ignored.
    """
    leaks = sorted(name for name in frame.columns if _LEAK_COLUMN.match(name))
    if not leaks and "attributes" in frame.columns:
        leaks = _leaking_keys(frame["attributes"])
    if leaks:
        raise LeakingColumns(
            f"{contract.entity} features carry columns known only afterwards: {', '.join(leaks)}",
            columns=leaks,
        )
    missing = sorted({column.name for column in contract.columns} - set(frame.columns))
    if missing:
        raise MissingColumns(f"{contract.entity} features lack: {', '.join(missing)}", columns=missing)


def without_leaking_fields(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` without custom fields that name a leak, so that what one tenant calls a field cannot stop all others."""
    if "attributes" not in frame.columns or not _leaking_keys(frame["attributes"]):
        return frame
    leaking = pl.col("attributes").cast(pl.String).str.contains(_LEAK_KEY)
    cleaned = pl.col("attributes").cast(pl.String).map_elements(_cleaned, return_dtype=pl.String)
    return frame.with_columns(attributes=pl.when(leaking).then(cleaned).otherwise(pl.col("attributes").cast(pl.String)))


def _cleaned(document: str) -> str:
    fields = json.loads(document)
    return json.dumps({key: value for key, value in fields.items() if not _LEAK_COLUMN.match(key)})


def _leaking_keys(attributes: pl.Series) -> list[str]:
    """Custom-field keys that name a leak, sorted."""
    found = attributes.cast(pl.String).str.extract(_LEAK_KEY, 1).drop_nulls().unique()
    return sorted(f"attributes.{key}" for key in found)

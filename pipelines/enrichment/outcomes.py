"""What an answer, or its absence, means for accounts: rows of `enrichments` and their events. Pure; time is given.

Each field carries where it came from: `{"industry": {"value", "provider", "fetched_at"}}`; `queried_domain` is always
there. Nothing is ever written over what a person entered.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bevyly.clock import FixedClock
from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id
from bevyly.integrations.apollo.answers import Organization, Organizations
from bevyly.integrations.apollo.errors import ApolloFailure
from pipelines.repositories.enrichments import DueDomain

SOURCE = "bevyly/pipelines/enrichment"
LONGEST_TEXT = 255
LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True)
class Lifetimes:
    """How long an outcome stands before the provider is asked again."""

    matched: timedelta = timedelta(days=90)
    not_found: timedelta = timedelta(days=30)
    failed: timedelta = timedelta(hours=1)


def answered(
    customer_id: str, batch: Sequence[DueDomain], answer: Organizations, *, at: datetime, lifetimes: Lifetimes
) -> list[dict[str, Any]]:
    """A row for each account of `batch`, matched or not; the rows of one answer cost together what the answer cost."""
    charged = _charged(batch, answer)
    rows = []
    for due in batch:
        organization = answer.by_domain.get(due.domain)
        status, lifetime = ("matched", lifetimes.matched) if organization else ("not_found", lifetimes.not_found)
        outcome = _Outcome(customer_id, answer.provider, status, at, at + lifetime)
        rows += _rows(outcome, due, facts=_facts(organization), cost=int(due.domain in charged))
    return rows


def failed(
    customer_id: str,
    batch: Sequence[DueDomain],
    error: ApolloFailure,
    *,
    provider: str,
    at: datetime,
    lifetimes: Lifetimes,
) -> list[dict[str, Any]]:
    """A row for each account of `batch`, none answered; where the charge is unknown, the full price is assumed."""
    reason = f"{error.code}: {error.detail}"[:500]
    outcome = _Outcome(customer_id, provider, "failed", at, at + lifetimes.failed, error=reason)
    return [row for due in batch for row in _rows(outcome, due, facts={}, cost=int(error.charge_unknown))]


def completed(row: dict[str, Any]) -> Event:
    """The event that announces `row`, its fields as plain values: the event itself says who answered, and when.

    Its subject is the enrichment: the account did not change.
    """
    data = {name: row[name] for name in ("entity_type", "entity_id", "provider", "status", "credits")}
    data["fields"] = {name: field["value"] for name, field in row["fields"].items()}
    return new_event(
        "enrichment.completed",
        tenant_id=row["customer_id"],
        subject=("enrichment", row["id"]),
        sequence=1,
        data=data,
        clock=FixedClock(row["fetched_at"]),
        source=SOURCE,
    )


@dataclass(frozen=True)
class _Outcome:
    customer_id: str
    provider: str
    status: str
    fetched_at: datetime
    expires_at: datetime
    error: str | None = None


def _rows(outcome: _Outcome, due: DueDomain, *, facts: dict[str, Any], cost: int) -> list[dict[str, Any]]:
    fields = _with_provenance({"queried_domain": due.domain} | facts, outcome)
    shared = vars(outcome) | {"entity_type": "account", "fields": fields}
    return [
        shared | {"id": new_id(), "entity_id": account_id, "credits": 0 if position else cost}
        for position, account_id in enumerate(due.account_ids)
    ]


def _charged(batch: Sequence[DueDomain], answer: Organizations) -> set[str]:
    matched_first = sorted((due.domain for due in batch), key=lambda domain: answer.by_domain.get(domain) is None)
    return set(matched_first[: answer.credits])


def _facts(organization: Organization | None) -> dict[str, Any]:
    if organization is None:
        return {}
    revenue = organization.revenue_usd
    return {
        "name": organization.name,
        "domain": organization.primary_domain,
        "industry": organization.industry,
        "employee_count": organization.estimated_num_employees,
        "annual_revenue_minor": revenue and revenue * 100,
        "currency": revenue and "USD",
        "country": organization.country,
        "city": organization.city,
        "founded_year": organization.founded_year,
        "linkedin_url": organization.linkedin_url,
    }


def _with_provenance(facts: dict[str, Any], outcome: _Outcome) -> dict[str, Any]:
    fetched_at = outcome.fetched_at.isoformat()
    return {
        name: {"value": value, "provider": outcome.provider, "fetched_at": fetched_at}
        for name, fact in facts.items()
        if (value := _kept(fact))
    }


def _kept(fact: str | int | None) -> str | int | None:
    """`fact` if it can be stored: a provider's text may be of any length and hold NUL, which PostgreSQL refuses."""
    if isinstance(fact, str):
        return fact.replace("\0", "").strip()[:LONGEST_TEXT]
    return fact if fact and 0 < fact <= LARGEST_NUMBER else None

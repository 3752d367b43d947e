"""Asks Apollo about accounts that are worth it, tenant by tenant, within each tenant's credits of the day (UTC).

Every batch is stored, with its events, in a transaction of its own before the next one is asked: what was paid for is
kept, and a second run has nothing left to ask. No transaction is open while the provider thinks.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import structlog
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from bevyly.clock import Clock
from bevyly.db.unit_of_work import tenant_session
from bevyly.integrations.apollo.answers import Organizations
from bevyly.integrations.apollo.client import BATCH_SIZE
from bevyly.integrations.apollo.errors import ApolloFailure
from bevyly.integrations.breaker import CircuitOpen
from pipelines.enrichment.outcomes import Lifetimes, answered, completed, failed
from pipelines.repositories.enrichments import DueDomain, EnrichmentRepository, sole_enrichment_run

_log = structlog.get_logger(__name__)


class OrganizationProvider(Protocol):
    """Who can be asked about companies; `bevyly.integrations.apollo.client.ApolloClient` is one."""

    @property
    def provider(self) -> str:
        """The name under which answers are stored."""
        ...

    def enrich_organizations(self, domains: Sequence[str]) -> Organizations:
        """What is known of the companies behind at most ten domains."""
        ...


@dataclass
class EnrichmentCounts:
    """What a run did. All but `tenants`, `busy_tenants`, `calls` and `credits` count accounts."""

    tenants: int = 0
    busy_tenants: int = 0
    """Left out, because another run was at work for them."""
    calls: int = 0
    asked: int = 0
    matched: int = 0
    not_found: int = 0
    failed: int = 0
    credits: int = 0
    deferred: int = 0
    """Chosen, but not asked about after the run was halted; the next run chooses them again."""
    halted: str | None = None
    """Why the run stopped early: the code of the error, or `rate_limit` when the last answer left no further call."""


def enrich_accounts(
    engine: Engine,
    *,
    apollo: OrganizationProvider,
    clock: Clock,
    daily_credits: int,
    customer_ids: Sequence[str] | None = None,
    lifetimes: Lifetimes | None = None,
) -> EnrichmentCounts:
    """Enrich the due accounts of all tenants, or of `customer_ids`, each within `daily_credits`.

    `engine` connects as the pipeline's role, with room for two connections. A failing batch is stored as failed and
    does not stop the others, unless its error says that no further call can succeed now. Raises only what the
    database raises.
    """
    run = _Run(engine, apollo, clock, daily_credits, lifetimes or Lifetimes())
    for customer_id in run.tenants(customer_ids):
        run.enrich_tenant(customer_id)
        if run.counts.halted:
            break
    _log.info("enrichment.done", provider=apollo.provider, **vars(run.counts))
    return run.counts


@dataclass
class _Run:
    engine: Engine
    apollo: OrganizationProvider
    clock: Clock
    daily_credits: int
    lifetimes: Lifetimes

    def __post_init__(self) -> None:
        self.counts = EnrichmentCounts()

    def tenants(self, only: Sequence[str] | None) -> Sequence[str]:
        with Session(self.engine) as session:
            return EnrichmentRepository(session).tenants_with_due_accounts(
                provider=self.apollo.provider, now=self.clock.now(), only=only
            )

    def enrich_tenant(self, customer_id: str) -> None:
        with sole_enrichment_run(self.engine, customer_id) as sole:
            if not sole:
                self.counts.busy_tenants += 1
                return
            self.counts.tenants += 1
            # Misses cost nothing: what they leave of the budget buys further accounts.
            while not self.counts.halted and (due := self._affordable(customer_id)):
                for batch in _batches(due):
                    self._enrich_batch(customer_id, batch)

    def _affordable(self, customer_id: str) -> list[DueDomain]:
        now, provider = self.clock.now(), self.apollo.provider
        midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
        with tenant_session(self.engine, customer_id) as session:
            repository = EnrichmentRepository(session)
            left = self.daily_credits - repository.credits_spent(customer_id, provider=provider, since=midnight)
            if left <= 0:
                return []
            return repository.due_domains(customer_id, provider=provider, now=now, limit=left)

    def _enrich_batch(self, customer_id: str, batch: list[DueDomain]) -> None:
        if self.counts.halted:
            self.counts.deferred += _accounts_in(batch)
            return
        try:
            answer = self.apollo.enrich_organizations([due.domain for due in batch])
        except CircuitOpen as error:
            self.counts.halted = error.code
            self.counts.deferred += _accounts_in(batch)
            return
        except ApolloFailure as error:
            rows = self._failed(customer_id, batch, error)
        else:
            if answer.limits.exhausted:
                self.counts.halted = "rate_limit"
            rows = answered(customer_id, batch, answer, at=self.clock.now(), lifetimes=self.lifetimes)
        self._store(customer_id, rows)

    def _failed(self, customer_id: str, batch: list[DueDomain], error: ApolloFailure) -> list[dict[str, Any]]:
        _log.warning("enrichment.batch_failed", customer_id=customer_id, domains=len(batch), error=str(error))
        if error.halts:
            self.counts.halted = error.code
        provider, at = self.apollo.provider, self.clock.now()
        return failed(customer_id, batch, error, provider=provider, at=at, lifetimes=self.lifetimes)

    def _store(self, customer_id: str, rows: list[dict[str, Any]]) -> None:
        with tenant_session(self.engine, customer_id) as session:
            EnrichmentRepository(session).add(rows, events=[completed(row) for row in rows])
        statuses = [row["status"] for row in rows]
        self.counts.calls += 1
        self.counts.asked += len(rows)
        self.counts.matched += statuses.count("matched")
        self.counts.not_found += statuses.count("not_found")
        self.counts.failed += statuses.count("failed")
        self.counts.credits += sum(row["credits"] for row in rows)


def _batches(due: list[DueDomain]) -> Iterator[list[DueDomain]]:
    return (due[start : start + BATCH_SIZE] for start in range(0, len(due), BATCH_SIZE))


def _accounts_in(batch: list[DueDomain]) -> int:
    return sum(len(due.account_ids) for due in batch)

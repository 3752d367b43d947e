"""Statements on `enrichments`: what is due, what was spent, new answers with their events, one run a tenant at a time.

Whether a domain is usable, and which accounts share one, is decided in the statement that chooses them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, insert, text
from sqlalchemy.orm import Session

from bevyly.db.schema import Enrichment, OutboxEvent
from bevyly.events.envelope import Event
from bevyly.events.outbox import outbox_rows

SHARED_MAIL_DOMAINS = (
    *("aol.com", "gmail.com", "gmx.de", "gmx.net", "googlemail.com", "hotmail.com", "icloud.com", "live.com"),
    *("mail.com", "me.com", "msn.com", "outlook.com", "proton.me", "protonmail.com", "web.de", "yahoo.com"),
)
"""Domains of everybody's mail: what a provider knows of them is not about the account."""

_DUE = r"""
    select account.customer_id, account.id, account.domain
    from (
        select customer_id, id,
               split_part(regexp_replace(lower(btrim(domain)), '^(https?://)?(www\.)?', ''), '/', 1) as domain
        from accounts
        where deleted_at is null and domain is not null
    ) account
    left join lateral (
        select expires_at, fields #>> '{queried_domain,value}' as queried_domain
        from enrichments
        where customer_id = account.customer_id and entity_type = 'account' and entity_id = account.id
          and provider = :provider
        order by fetched_at desc
        limit 1
    ) latest on true
    where account.domain ~ '^[a-z0-9-]+(\.[a-z0-9-]+)+$'
      and account.domain <> all(:shared)
      and (
        latest.expires_at is null or latest.expires_at <= :now or latest.queried_domain is distinct from account.domain
      )
"""

_TENANTS = text(f"""
    select id from customers
    where (cast(:only as text[]) is null or id = any(:only))
      and exists (select from ({_DUE}) due where due.customer_id = customers.id)
    order by id
""")

_DOMAINS = text(f"""
    select due.domain, array_agg(due.id order by due.id) as account_ids
    from ({_DUE}) due
    left join lateral (
        select sum(value) as open_value from opportunities
        where customer_id = due.customer_id and account_id = due.id and status = 'open' and deleted_at is null
    ) deals on true
    left join lateral (
        select occurred_at from activities
        where customer_id = due.customer_id and account_id = due.id and occurred_at <= :now and deleted_at is null
        order by occurred_at desc
        limit 1
    ) touch on true
    where due.customer_id = :customer_id
    group by due.domain
    order by sum(coalesce(deals.open_value, 0)) desc, max(touch.occurred_at) desc nulls last, due.domain
    limit :limit
""")

_SPENT = text("""
    select coalesce(sum(credits), 0) from enrichments
    where customer_id = :customer_id and provider = :provider and fetched_at >= :since
""")

_LOCK = text("select pg_try_advisory_lock(hashtextextended(:key, 0))")
_UNLOCK = text("select pg_advisory_unlock(hashtextextended(:key, 0))")


@dataclass(frozen=True)
class DueDomain:
    """A domain that is worth asking about, and the accounts of the tenant that have it."""

    domain: str
    account_ids: tuple[str, ...]


class EnrichmentRepository:
    """All statements name the tenant: the pipeline's role sees every tenant's rows."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def tenants_with_due_accounts(
        self, *, provider: str, now: datetime, only: Sequence[str] | None = None
    ) -> Sequence[str]:
        """Tenants (of `only`, if given) with an account that `provider` has not answered for, or not recently."""
        return self._session.scalars(
            _TENANTS, _due_parameters(provider, now) | {"only": None if only is None else list(only)}
        ).all()

    def due_domains(self, customer_id: str, *, provider: str, now: datetime, limit: int) -> list[DueDomain]:
        """The `limit` most valuable due domains: by open pipeline (minor units), then by the latest activity."""
        rows = self._session.execute(
            _DOMAINS, _due_parameters(provider, now) | {"customer_id": customer_id, "limit": limit}
        )
        return [DueDomain(row.domain, tuple(row.account_ids)) for row in rows]

    def credits_spent(self, customer_id: str, *, provider: str, since: datetime) -> int:
        """Credits that the tenant has spent with `provider` since `since`."""
        parameters = {"customer_id": customer_id, "provider": provider, "since": since}
        return int(self._session.execute(_SPENT, parameters).scalar_one())

    def add(self, rows: Sequence[Mapping[str, Any]], *, events: list[Event]) -> None:
        """Store answers and announce them; the outbox comes last, as everywhere."""
        self._session.execute(insert(Enrichment), rows)
        self._session.execute(insert(OutboxEvent), outbox_rows(events))


@contextmanager
def sole_enrichment_run(engine: Engine, customer_id: str) -> Iterator[bool]:
    """Whether this is the tenant's only run; two at once would buy the same answers twice.

    A lock of the session, not of a transaction: calls to the provider must not hold a transaction open.
    """
    key = {"key": f"enrichment:{customer_id}"}
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        held = bool(connection.execute(_LOCK, key).scalar_one())
        try:
            yield held
        finally:
            if held:
                connection.execute(_UNLOCK, key)


def _due_parameters(provider: str, now: datetime) -> dict[str, Any]:
    return {"provider": provider, "now": now, "shared": list(SHARED_MAIL_DOMAINS)}

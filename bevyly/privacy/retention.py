"""Retention: how long anything is kept, and the purge that keeps to it. One list: table, when a row is over.

What ends by itself is elsewhere: live events (a day) and the journal (`journal_days`) with the relay, mails and webhook
logs (`mail_log_days`, `webhook_log_days`) with their processes, Kafka with `retention_hours` of each topic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from bevyly.db.schema import Base
from bevyly.privacy.places import newer, references
from bevyly.settings import Settings

Connection = psycopg.Connection[Any]

BATCH = 1_000
_OF_IMPORT = """exists (
  select from imports i where (i.customer_id, i.id) = (t.customer_id, t.import_id)
    and i.status not in ('queued', 'running', 'reverting') and i.updated_at < %(kept)s
)"""
_OF_REQUEST = """exists (
  select from privacy_requests r where (r.customer_id, r.id) = (t.customer_id, t.request_id)
    and (r.expires_at < %(now)s or r.status = 'expired')
)"""
_OF_NO_CURRENT_SCORE = """t.kept_at < %(kept)s and not exists (
  select from scores s where s.customer_id = t.customer_id and s.entity_id = t.entity_id
    and s.feature_hash = t.feature_hash and s.entity_type = t.entity_type and s.is_current
)"""

_STORED = """t.recorded_at < %(kept)s or exists (
  select from raw.events e where (e.customer_id, e.event_id) = (t.customer_id, t.event_id)
)"""

# The last one of a day stays, so that what is missing was in force on that day only (see `api_briefing_thinned`).
_NOT_LAST_OF_DAY = """t.as_of < %(thinned)s and exists (
  select from briefings n where (n.customer_id, n.user_id) = (t.customer_id, t.user_id) and n.version > t.version
    and n.as_of < (date_trunc('day', t.as_of at time zone 'UTC') + interval '1 day') at time zone 'UTC'
) and not exists (
  select from briefing_seen s where (s.customer_id, s.user_id, s.version) = (t.customer_id, t.user_id, t.version)
)"""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When a row of a table is over; `becomes` is what it turns into where it is not deleted.

    Parameters: `now`, `kept`, `thinned` and `decided` (before it is longer than `retention_days`, `briefing_days` and
    `decision_days` ago).
    """

    table: str
    over: str
    becomes: Mapping[str, str] = field(default_factory=dict)


RULES = (
    Rule(table="idempotency_records", over="t.expires_at < %(now)s"),
    Rule(table="one_time_tokens", over="t.expires_at < %(now)s"),
    Rule(table="refresh_tokens", over="t.expires_at < %(now)s"),
    Rule(table="invitations", over="coalesce(t.accepted_at, t.revoked_at, t.expires_at) < %(kept)s"),
    Rule(table="import_chunks", over=_OF_IMPORT),
    Rule(table="import_errors", over=_OF_IMPORT),
    Rule(table="import_effects", over=_OF_IMPORT),
    Rule(table="inbound_events", over="t.received_at < %(kept)s"),
    Rule(table="raw.dead_letters", over="t.status <> 'open' and t.resolved_at < %(kept)s"),
    Rule(table="wordings", over="t.asked_at < %(kept)s"),
    Rule(table="recent_changes", over=_STORED),
    Rule(table="score_inputs", over=_OF_NO_CURRENT_SCORE),
    Rule(table="briefings", over=_NOT_LAST_OF_DAY),
    Rule(table="decision_details", over="t.noted_at < %(decided)s"),
    Rule(table="privacy_files", over=_OF_REQUEST),
    Rule(
        table="privacy_requests",
        over="t.kind = 'export' and t.status = 'done' and t.expires_at < %(now)s",
        becomes={"status": "'expired'", "version": "version + 1", "updated_at": "%(now)s"},
    ),
    Rule(
        table="privacy_requests",
        over="t.status = 'previewed' and t.updated_at < %(kept)s",
        becomes={
            "status": "'cancelled'",
            "subject": "null",
            "finished_at": "%(now)s",
            "version": "version + 1",
            "updated_at": "%(now)s",
        },
    ),
)

DELETED = ("activities", "opportunities", "leads", "contacts", "accounts")
"""Records that are deleted softly, those that refer to others first."""
_GO_ALONG = ("opportunity_history", "sequence_step_runs")
"""What is nothing without its record."""
_NOBODY_ELSE = {"sequence_enrolments": "num_nonnulls(contact_id, lead_id) = 1"}
"""What goes along with a person where it has no other one."""


def purge(connection: Connection, settings: Settings, now: datetime, *, batch: int = BATCH) -> dict[str, int]:
    """Remove what is over; how many rows, by table. `connection` is in autocommit: each batch is one transaction."""
    parameters = {
        "now": now,
        "kept": now - timedelta(days=settings.retention_days),
        "thinned": now - timedelta(days=settings.briefing_days),
        "decided": now - timedelta(days=settings.decision_days),
        "deleted": now - timedelta(days=settings.deleted_days),
        "batch": batch,
    }
    counts: dict[str, int] = {}
    for rule in RULES:
        _add(counts, rule.table, _until_done(connection, _statement(rule), parameters))
    for table in DELETED:
        while ids := connection.execute(_over(table).encode(), parameters).fetchall():
            gone = {"tenants": [row[0] for row in ids], "ids": [row[1] for row in ids]}
            with connection.transaction():
                changed = [connection.execute(one.encode(), gone).rowcount for one in purge_statements(table)][-1]
            _add(counts, table, changed)
            if not changed:
                break
    return counts


def purge_statements(table: str) -> list[str]:
    """Statements that remove records: what refers to them forgets them, the last one counts.

    Parameters: `tenants` and `ids`, which belong together. A record stays that another one cannot be without.
    """
    named = (
        f"select customer_id, id from {table} t "
        "join unnest(%(tenants)s::text[], %(ids)s::text[]) as named(customer_id, id) using (customer_id, id) "
        f"where t.deleted_at is not null and {_free(table)}"
    )
    referring = list(references(table))
    return [
        *(
            f"delete from {other} where (customer_id, {column}) in ({named}) and {_NOBODY_ELSE[other]}"
            for other, column, _ in referring
            if other in _NOBODY_ELSE and column in ("contact_id", "lead_id")
        ),
        *(
            f"update {other} set {column} = null{newer(other)} where (customer_id, {column}) in ({named})"
            if nullable
            else f"delete from {other} where (customer_id, {column}) in ({named})"
            for other, column, nullable in referring
            if nullable or other in _GO_ALONG
        ),
        f"delete from {table} where (customer_id, id) in ({named})",
    ]


def _over(table: str) -> str:
    """Deleted records whose time is over. The tombstone of a merge stays: it leads to the survivor."""
    tombstone = " and merged_into is null" if "merged_into" in Base.metadata.tables[table].c else ""
    return (
        f"select customer_id, id from {table} t where deleted_at < %(deleted)s{tombstone} and {_free(table)} "
        "limit %(batch)s for update skip locked"
    )


def _free(table: str) -> str:
    """That no other record needs this one."""
    needing = [
        f"not exists (select from {other} o where (o.customer_id, o.{column}) = (t.customer_id, t.id))"
        for other, column, nullable in references(table)
        if not nullable and other not in _GO_ALONG
    ]
    return " and ".join(needing) or "true"


def _statement(rule: Rule) -> str:
    some = f"array(select t.ctid from {rule.table} t where {rule.over} limit %(batch)s for update skip locked)"
    if not rule.becomes:
        return f"delete from {rule.table} where ctid = any({some})"
    values = ", ".join(f"{column} = {value}" for column, value in rule.becomes.items())
    return f"update {rule.table} set {values} where ctid = any({some})"


def _until_done(connection: Connection, statement: str, parameters: dict[str, Any]) -> int:
    total = 0
    while True:
        changed = connection.execute(statement.encode(), parameters).rowcount
        total += changed
        if changed < parameters["batch"]:
            return total


def _add(counts: dict[str, int], table: str, number: int) -> None:
    if number:
        counts[table] = counts.get(table, 0) + number

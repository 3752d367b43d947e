"""The verdict on a run under faults: what arrived and took effect, against the ledgers of what was committed.

Set-based, in the database that was under test; the effects of the signal detector are compared with those of its
handler over the same events, in order and without faults, in a database of its own.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from itertools import groupby, islice
from pathlib import Path
from typing import Any

import psycopg
from confluent_kafka import TopicPartition

from bevyly.clock import FixedClock
from bevyly.events.bus import make_consumer, partitions_of, watermarks
from bevyly.events.catalogue import topics
from bevyly.events.envelope import Event
from bevyly.settings import Settings
from pipelines.intake.ingest import GROUP
from pipelines.intake.lag import total_lag
from pipelines.reconciliation import reconcile
from pipelines.streams.signal_detector import NAME as DETECTOR
from pipelines.streams.signal_detector import SignalDetector
from tests.support import faults_tally
from tests.support.faults_writer import BEGINNING

GROUPS = (GROUP, DETECTOR, faults_tally.NAME)
ORACLE_BATCH = 2_000
_SENT = """
create table soak_sent (
  tenant varchar(36), event_id varchar(36), subject varchar(100), sequence bigint, envelope text
)
"""
_COPY = "copy soak_sent from stdin"
_INDEX = "create unique index on soak_sent (tenant, subject, sequence)"
_STORED = """
select count(*) filter (where stored.event_id is null), count(*) filter (where sent.event_id is null),
  count(*) filter (where stored.sequence is distinct from sent.sequence or stored.data <> sent.envelope::jsonb -> 'data'
    or stored.subject_type || '/' || stored.subject_id <> sent.subject)
    - count(*) filter (where stored.event_id is null or sent.event_id is null)
from soak_sent sent full join (select * from raw.events where subject_type = 'opportunity') stored
on stored.customer_id = sent.tenant and stored.event_id = sent.event_id
"""
_DOUBLED = "select count(*) - count(distinct (customer_id, event_id)) from raw.events"
_DISORDER = """
select count(*) filter (where before >= sequence),
  count(*) filter (where subject_type = 'opportunity' and sequence <> coalesce(before, 0) + 1)
from (
  select subject_type, sequence, lag(sequence) over history as before
  from raw.events window history as (partition by customer_id, subject_type, subject_id order by seq)
) as steps
"""
_VERSIONS = """
with sums as (select tenant, subject, count(*) as events from soak_sent group by 1, 2)
select count(*) from opportunities o
left join sums s on s.tenant = o.customer_id and s.subject = 'opportunity/' || o.id
where o.version <> coalesce(s.events, 0)
"""
_IN_ORDER = "select tenant, subject, event_id, envelope from soak_sent order by tenant, subject, sequence"
_TALLIES = "select tenant, subject, events, chain from soak_tally where subject like 'opportunity/%'"
_SIGNALS = """
select customer_id, dedupe_key, md5(row(entity_type, entity_id, signal_type, polarity, severity, strength, title, data,
  evidence, detector_version, found_by, first_seen_at, last_seen_at, expires_at, closed_at, close_reason)::text)
from signals
"""


_TOLD = """
select customer_id, type, sequence, (data - 'signal_id'::text)::text from raw.events where subject_type = 'signal'
"""
_TO_TELL = """
select customer_id, envelope::jsonb ->> 'type', (envelope::jsonb ->> 'sequence')::bigint,
  ((envelope::jsonb -> 'data') - 'signal_id'::text)::text
from outbox
"""


@dataclass(kw_only=True)
class Verdict:
    """Counts of what went wrong; `sent`, `stored`, `published`, `signals` and `told` say how much there was.

    Writers sent events; the signal detector told of signals in events of its own, which took the same way.
    """

    sent: int = 0
    stored: int = 0
    published: int = 0
    lost: int = 0
    strangers: int = 0
    doubled: int = 0
    altered: int = 0
    out_of_order: int = 0
    gaps: int = 0
    versions_wrong: int = 0
    effects_wrong: int = 0
    applied_wrong: int = 0
    signals: int = 0
    signals_wrong: int = 0
    told: int = 0
    told_wrong: int = 0
    dead_letters: int = 0
    halts: int = 0
    behind: int = 0
    unproven: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def violations(self) -> dict[str, int]:
        """What is not nought and should be."""
        sizes = ("sent", "stored", "published", "signals", "told", "notes")
        return {one.name: n for one in fields(self) if one.name not in sizes and (n := getattr(self, one.name))}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def judge(settings: Settings, ledgers: Sequence[Path], *, oracle_url: str | None) -> Verdict:
    """Compare everything with the ledgers; `oracle_url` is the database for the effects without faults."""
    verdict = Verdict()
    with psycopg.connect(settings.require_database(), autocommit=True) as connection:
        connection.execute("set work_mem = '128MB'")
        verdict.sent = _load(connection, ledgers)
        verdict.stored = _number(connection, "select count(*) from raw.events")
        told = Counter(connection.execute(_TOLD).fetchall())
        verdict.told = told.total()
        verdict.lost, verdict.strangers, verdict.altered = _row(connection, _STORED)
        verdict.doubled = _number(connection, _DOUBLED)
        verdict.out_of_order, verdict.gaps = _row(connection, _DISORDER)
        verdict.versions_wrong = _number(connection, _VERSIONS)
        verdict.effects_wrong = _effects_wrong(connection)
        verdict.halts = _rows_of(connection, "raw.consumer_halts")
        verdict.dead_letters = _rows_of(connection, "raw.dead_letters") + _messages(settings, dead_letters=True)
        verdict.published = _messages(settings, dead_letters=False)
        applied = _number(connection, "select coalesce(sum(messages), 0) from soak_tally")
        verdict.applied_wrong = abs(applied - verdict.published)
        verdict.behind = behind(settings)
        if oracle_url:
            verdict.signals, verdict.signals_wrong = _signals_wrong(connection, oracle_url)
            verdict.told_wrong = _told_wrong(told, oracle_url)
    verdict.unproven, verdict.notes = _reconciled(settings, verdict.sent + verdict.told)
    return verdict


def behind(settings: Settings) -> int:
    """How many events wait: in the outbox, or on Kafka for any of the consumers."""
    with psycopg.connect(settings.require_database(), connect_timeout=5) as connection:
        waiting = _number(connection, "select count(*) from outbox")
    return waiting + sum(total_lag(settings, group=group) for group in GROUPS)


def _load(connection: psycopg.Connection[Any], ledgers: Sequence[Path]) -> int:
    connection.execute(_SENT)
    with connection.cursor() as cursor:
        with cursor.copy(_COPY) as copy:
            for line in _lines(ledgers):
                event = Event.from_json(line)
                copy.write_row((event.tenant_id, event.id, event.subject, event.sequence, line))
        sent = cursor.rowcount
    connection.execute(_INDEX)
    connection.execute("analyze soak_sent, raw.events, signals")
    return sent


def _lines(ledgers: Sequence[Path]) -> Iterator[str]:
    for ledger in ledgers:
        with ledger.open() as lines:
            yield from (line.rstrip("\n") for line in lines)


def _effects_wrong(connection: psycopg.Connection[Any]) -> int:
    """Subjects whose tally is not that of their events in order, applied once each."""
    rows = connection.execute(_TALLIES).fetchall()
    found = {(tenant, subject): (events, chain) for tenant, subject, events, chain in rows}
    wanted = {}
    for subject, events in groupby(_in_order(connection), key=lambda row: (row[0], row[1])):
        number, chain = 0, ""
        for event in events:
            number, chain = number + 1, faults_tally.linked(chain, event[2])
        wanted[subject] = (number, chain)
    return sum(found.get(subject) != wanted.get(subject) for subject in found.keys() | wanted.keys())


def _signals_wrong(connection: psycopg.Connection[Any], oracle_url: str) -> tuple[int, int]:
    """How many signals there should be, and how many differ from what the handler alone makes of the events."""
    handler = SignalDetector(FixedClock(BEGINNING))
    with psycopg.connect(oracle_url, autocommit=True) as oracle:
        events = (Event.from_json(row[3]) for row in _in_order(connection))
        while batch := list(islice(events, ORACLE_BATCH)):
            with oracle.transaction():
                handler(oracle, batch)
        wanted = set(oracle.execute(_SIGNALS).fetchall())
    found = set(connection.execute(_SIGNALS).fetchall())
    return len(wanted), len({row[:2] for row in wanted ^ found})


def _told_wrong(told: Counter[tuple[Any, ...]], oracle_url: str) -> int:
    """How many events of the detector are missing, or are there too often; after `_signals_wrong`."""
    with psycopg.connect(oracle_url) as oracle:
        wanted = Counter(oracle.execute(_TO_TELL).fetchall())
    return ((wanted - told) + (told - wanted)).total()


def _in_order(connection: psycopg.Connection[Any]) -> Iterable[tuple[str, str, str, str]]:
    with connection.transaction(), connection.cursor("in_order") as cursor:
        cursor.itersize = ORACLE_BATCH
        yield from cursor.execute(_IN_ORDER)


def _messages(settings: Settings, *, dead_letters: bool) -> int:
    """How many messages the topics, or their dead-letter topics, hold."""
    names = [topic.dead_letters if dead_letters else topic.name for topic in topics().values()]
    consumer = make_consumer(settings, group="bevyly-verdict")
    try:
        partitions = [TopicPartition(one.topic, one.partition) for one in partitions_of(consumer, names)]
        return sum(high - low for low, high in (watermarks(consumer, one) for one in partitions))
    finally:
        consumer.close()


def _reconciled(settings: Settings, sent: int) -> tuple[int, list[str]]:
    """How many events the product's own reconciliation finds damaged, or does not find at all; and what it says."""
    now = datetime.now(UTC)
    found = reconcile(settings, since=now - timedelta(days=1), until=now + timedelta(minutes=1))
    damaged = sum(sum(row.damage.values()) for row in found.rows)
    elsewhere = [f"{found.total(name):,} of {sent:,} events in {name}" for name in ("journal", "kafka", "raw")
                 if found.total(name) != sent]  # fmt: skip
    proven = found.proven and found.complete and found.settled and not elsewhere
    notes = [*found.notes, *elsewhere, *(f"{one.kind}: {one.event_id}: {one.detail}" for one in found.findings[:5])]
    return (0, []) if proven else (max(1, damaged), notes)


def _rows_of(connection: psycopg.Connection[Any], table: str) -> int:
    exists = connection.execute("select to_regclass(%s) is not null", (table,)).fetchone()
    return _number(connection, f"select count(*) from {table}") if exists and exists[0] else 0


def _number(connection: psycopg.Connection[Any], query: str) -> int:
    return int(_row(connection, query)[0])


def _row(connection: psycopg.Connection[Any], query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)

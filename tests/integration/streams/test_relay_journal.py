"""The journal: exactly what was published, a partition a day, dropped when old, closed to everybody else."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from bevyly.events.bus import BrokerUnavailable, Publisher
from bevyly.events.keys import message_key
from bevyly.events.outbox import copy_to_outbox
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.streams.relay import Relay
from pipelines.streams.relay.journal import JournalKeeper
from tests.support.databases import Database
from tests.support.event_streams import call, count, fill_outbox, histories, leading, messages, relay_all, relay_dies

JOURNAL = "select count(*) from event_journal"
OUTBOX = "select count(*) from outbox"


def journal(settings: Settings) -> list[tuple[Any, ...]]:
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        return connection.execute(
            "select event_id, topic, key, envelope, customer_id from event_journal order by position"
        ).fetchall()


def test_it_holds_exactly_what_was_published(settings: Settings, tenants: list[str]) -> None:
    sent = list(histories(tenants, entities=3, events=50))
    fill_outbox(settings, sent)
    relay_all(settings, batch=7)

    kept = journal(settings)
    assert [row[0] for row in kept] == [event.id for event in sent]
    ours = [one for one in messages(settings, "bevyly.domain", partitions=6) if (one.key() or b"").decode() in tenants]
    assert {(one.key(), one.value()) for one in ours} == {(row[2].encode(), row[3].encode()) for row in kept}
    assert len(ours) == len(kept)
    assert all(row[2] == row[4] for row in kept)


def test_the_key_in_sql_is_the_key_in_python(settings: Settings, tenants: list[str]) -> None:
    events = [call(tenant, new_id()) for tenant in tenants]
    fill_outbox(settings, events)
    relay = Relay(Publisher(settings))
    relay.spread = [tenants[0]]
    with leading(settings) as connection:
        relay.publish_batch(connection)
    expected = [message_key(one.tenant_id, one.subject, one.tenant_id == tenants[0]) for one in events]
    assert [row[2] for row in journal(settings)] == expected


def test_without_acknowledgement_it_holds_nothing(settings: Settings, tenants: list[str]) -> None:
    fill_outbox(settings, histories(tenants, entities=1, events=10))

    class Deaf(Publisher):
        def flush(self, *, seconds: float = 10.0, while_waiting: object = None) -> None:
            raise BrokerUnavailable("no acknowledgement")

    with leading(settings) as connection, pytest.raises(BrokerUnavailable):
        Relay(Deaf(settings)).publish_batch(connection)
    assert (count(settings, JOURNAL), count(settings, OUTBOX)) == (0, 10)


@pytest.mark.parametrize("point", ["after_produce", "before_commit"])
def test_a_relay_that_dies_leaves_each_event_in_it_once(settings: Settings, tenants: list[str], point: str) -> None:
    sent = list(histories(tenants, entities=3, events=40))
    fill_outbox(settings, sent)
    assert relay_dies(settings, point)
    assert (count(settings, JOURNAL), count(settings, OUTBOX)) == (0, 40)
    relay_all(settings)
    assert [row[0] for row in journal(settings)] == [event.id for event in sent]


def test_a_row_that_commits_late_is_published(settings: Settings, tenants: list[str]) -> None:
    early, late = call(tenants[0], new_id()), call(tenants[1], new_id())
    with psycopg.connect(settings.require_pipeline_database()) as slow:
        copy_to_outbox(slow, [early])
        fill_outbox(settings, [late])
        assert relay_all(settings) == 1
        slow.commit()
    assert relay_all(settings) == 1
    kept = journal(settings)
    assert [row[0] for row in kept] == [early.id, late.id], "by position: the late one has the smaller"


def partitions(database: Database) -> list[str]:
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute(
            "select inhrelid::regclass::text from pg_inherits where inhparent = 'event_journal'::regclass order by 1"
        ).fetchall()
    return [name.removeprefix("journal.event_journal_") for (name,) in rows]


def maintain(database: Database, today: str, *, days: int = 14) -> tuple[Any, ...]:
    with psycopg.connect(database.pipeline_url, autocommit=True) as connection:
        row = connection.execute("select * from maintain_event_journal(%s, %s)", (days, today)).fetchone()
    assert row is not None
    return row


def keep_at(database: Database, moment: str, position: int) -> None:
    with psycopg.connect(database.pipeline_url) as connection:
        connection.execute(
            "insert into event_journal values (%s, %s, %s, %s, 't', 'k', '{}', now())",
            (moment, position, new_id(), new_id()),
        )


def where(database: Database, position: int) -> list[str]:
    with psycopg.connect(database.pipeline_url) as connection:
        rows = connection.execute(
            "select tableoid::regclass::text from event_journal where position = %s", (position,)
        ).fetchall()
    return [name for (name,) in rows]


def test_partitions_are_made_ahead_and_dropped_when_old(database: Database) -> None:
    assert maintain(database, "2030-01-01")[0] == 4
    assert {"2030_01_01", "2030_01_04"} <= set(partitions(database))
    keep_at(database, "2030-01-01T23:59:59.999Z", 1)
    keep_at(database, "2030-01-02T00:00:00Z", 2)
    assert where(database, 1) == ["journal.event_journal_2030_01_01"]
    assert where(database, 2) == ["journal.event_journal_2030_01_02"]

    assert maintain(database, "2030-01-01") == (0, 0, 0)
    maintain(database, "2030-01-15")
    assert where(database, 1), "kept for fourteen whole days"
    assert maintain(database, "2030-01-16")[1] == 1
    assert where(database, 1) == []
    assert where(database, 2)


def test_a_row_without_a_partition_waits_in_the_default_one_and_moves(database: Database) -> None:
    keep_at(database, "2031-06-01T12:00:00Z", 5)
    assert where(database, 5) == ["journal.event_journal_default"]
    assert maintain(database, "2031-06-01")[0] == 4
    assert where(database, 5) == ["journal.event_journal_2031_06_01"]


@contextmanager
def reading(database: Database) -> Iterator[None]:
    with psycopg.connect(database.pipeline_url) as connection:
        connection.execute("select count(*) from event_journal")
        yield


def test_a_reader_puts_maintenance_off_and_the_keeper_comes_back_sooner(database: Database) -> None:
    maintain(database, "2020-01-01")
    now = 0.0
    with psycopg.connect(database.pipeline_url, autocommit=True) as connection:
        keeper = JournalKeeper(14, clock=lambda: now)
        with reading(database):
            keeper.keep(connection)
        assert "2020_01_01" in partitions(database), "the reader was in the way"
        keeper.keep(connection)
        assert "2020_01_01" in partitions(database), "it is not due yet"
        now = 61.0
        keeper.keep(connection)
    assert "2020_01_01" not in partitions(database)


@pytest.mark.parametrize(
    "statement",
    [
        "delete from event_journal",
        "update event_journal set envelope = ''",
        "truncate event_journal",
        "select * from journal.event_journal_default",
        "select journal.make_partition('2030-01-01')",
    ],
)
def test_the_pipeline_may_only_read_and_append(database: Database, statement: str) -> None:
    with psycopg.connect(database.pipeline_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)


@pytest.mark.parametrize("statement", ["select * from event_journal", "select maintain_event_journal(1)"])
def test_the_app_may_do_nothing(database: Database, statement: str) -> None:
    with psycopg.connect(database.app_url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        connection.execute(statement)

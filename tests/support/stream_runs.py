"""Streams under test: one or several at work in threads, with effects that can be counted."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from bevyly.events.envelope import Event
from bevyly.settings import Settings
from pipelines.intake.lag import lag
from pipelines.streams.runner import Handler, Stream
from tests.support.event_streams import CLOCK

NAME = "probe"
TOPIC = "bevyly.domain"
EFFECTS = "select count(*) from effects"
DISTINCT_EFFECTS = "select count(distinct event_id) from effects"


def make_effects(settings: Settings) -> None:
    """The table that `record` writes to."""
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        connection.execute(
            "create table effects (n bigint generated always as identity, event_id text, customer_id text, "
            "subject text, sequence bigint)"
        )


def record(connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
    """A handler with one effect an event, and no guard against a repetition."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "insert into effects (event_id, customer_id, subject, sequence) values (%s, %s, %s, %s)",
            [(event.id, event.tenant_id, event.subject, event.sequence) for event in events],
        )


def make_stream(settings: Settings, handler: Handler, **options: Any) -> Stream:
    """A stream of domain events named `probe`."""
    return Stream(NAME, topics=[TOPIC], handler=handler, settings=settings, clock=CLOCK, **options)


@contextmanager
def at_work(stream: Stream) -> Iterator[None]:
    """`stream` runs in a thread until the block ends."""
    stop = threading.Event()
    thread = threading.Thread(target=stream.run, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def running(settings: Settings, handler: Handler, **options: Any) -> Iterator[None]:
    """A stream with `handler` runs until the block ends."""
    with at_work(make_stream(settings, handler, **options)):
        yield


def until(condition: Callable[[], bool], *, seconds: float = 40) -> None:
    """Wait for `condition`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)


def applied(settings: Settings, *, group: str = NAME, topic: str = TOPIC) -> Callable[[], bool]:
    """Whether `group` has passed everything on `topic`."""
    return lambda: sum(waiting for key, waiting in lag(settings, group=group).items() if key.topic == topic) == 0


def effect_order(settings: Settings) -> dict[tuple[str, str], list[int]]:
    """Sequences of each subject in the order of their effects."""
    found: dict[tuple[str, str], list[int]] = {}
    with psycopg.connect(settings.require_database()) as connection:
        for customer, subject, sequence in connection.execute(
            "select customer_id, subject, sequence from effects order by n"
        ):
            found.setdefault((customer, subject), []).append(sequence)
    return found


def open_letters(settings: Settings, columns: str = "code") -> list[tuple[Any, ...]]:
    """Open dead letters in their order."""
    with psycopg.connect(settings.require_database()) as connection:
        return connection.execute(
            f'select {columns} from raw.dead_letters where status = \'open\' order by topic, partition, "offset"'
        ).fetchall()

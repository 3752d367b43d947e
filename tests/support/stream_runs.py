"""Streams under test: one or several at work in threads, with effects that can be counted."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from confluent_kafka import Message

from bevyly.events.bus import Publisher
from bevyly.events.envelope import Event
from bevyly.settings import Settings
from pipelines.dead_letters.limit import StopLimit
from pipelines.intake.lag import lag
from pipelines.intake.messages import decode
from pipelines.intake.offsets import Partition, stored
from pipelines.streams.application import Application, Outcome
from pipelines.streams.runner import Handler, Stream
from tests.support.event_streams import CLOCK

NAME = "probe"
TOPIC = "bevyly.domain"
EFFECTS = "select count(*) from effects"
DISTINCT_EFFECTS = "select count(distinct event_id) from effects"


def make_effects(url: str) -> None:
    """The table that `record` writes to, made by the pipeline role's login `url`."""
    with psycopg.connect(url) as connection:
        connection.execute(
            "create table effects (n bigint generated always as identity, event_id text, customer_id text, "
            "subject text, sequence bigint, transaction xid8 default pg_current_xact_id())"
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


class Picky:
    """A handler that records events and fails on those whose ids are in `poison`; counts the events of each call."""

    def __init__(self, poison: Iterable[str], fail: Callable[[psycopg.Connection[Any]], object] | None = None) -> None:
        self.poison = set(poison)
        self.calls: list[int] = []
        self._fail = fail or self._raise

    def __call__(self, connection: psycopg.Connection[Any], events: Sequence[Event]) -> None:
        self.calls.append(len(events))
        record(connection, events)
        if any(event.id in self.poison for event in events):
            self._fail(connection)

    def _raise(self, _connection: psycopg.Connection[Any]) -> None:
        raise ValueError("poison")


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


def effect_order(url: str) -> dict[tuple[str, str], list[int]]:
    """Sequences of each subject in the order of their effects."""
    found: dict[tuple[str, str], list[int]] = {}
    with psycopg.connect(url) as connection:
        for customer, subject, sequence in connection.execute(
            "select customer_id, subject, sequence from effects order by n"
        ):
            found.setdefault((customer, subject), []).append(sequence)
    return found


def open_letters(url: str, columns: str = "code") -> list[tuple[Any, ...]]:
    """Open dead letters in their order."""
    with psycopg.connect(url) as connection:
        return connection.execute(
            f"select {columns} from raw.dead_letters where status = 'open' order by topic, partition, \"offset\""
        ).fetchall()


def message_of(
    event: Event | bytes, offset: int, *, partition: int = 0, topic: str = TOPIC, key: bytes = b"k"
) -> Message:
    """A message as Kafka would have given it."""
    payload = event if isinstance(event, bytes) else event.to_json()
    return Message(topic=topic, partition=partition, offset=offset, key=key, value=payload, headers=[])


class Batches:
    """One partition without Kafka: batches of events go straight into `Application`, offsets count up."""

    def __init__(
        self, connection: psycopg.Connection[Any], handler: Handler, *, limit: StopLimit | None = None
    ) -> None:
        self.published: list[str] = []
        self._connection = connection
        self._offset = stored(connection, NAME).get(Partition(TOPIC, 0), 0)
        if not self._offset:
            connection.execute("insert into raw.consumer_offsets values (%s, %s, 0, 0, now())", (NAME, TOPIC))
        self._application = Application(
            NAME,
            handler=handler,
            limit=limit or StopLimit(NAME),
            make_publisher=self._publisher,
            clock=CLOCK,
            database=connection,
        )

    def apply(self, *events: Event) -> Outcome:
        """Apply `events` as the next batch of the partition."""
        messages = [message_of(event, self._offset + number) for number, event in enumerate(events)]
        decoded = decode(messages)
        assert not decoded.letters
        upto = self._offset + len(events)
        outcome = self._application.apply(decoded.accepted, {Partition(TOPIC, 0): (self._offset, upto)})
        self._offset = upto
        return outcome

    def rewind(self) -> None:
        """Begin at the first offset again, as after a reset of the group."""
        self._connection.execute("update raw.consumer_offsets set next_offset = 0")
        self._offset = 0

    def _publisher(self) -> Publisher:
        return cast(Publisher, _Sent(self.published))


class _Sent:
    """Stands in for a publisher: notes the topics that were sent to."""

    def __init__(self, published: list[str]) -> None:
        self._published = published

    def send(self, topic: str, **_: object) -> None:
        self._published.append(topic)

    def flush(self, **_: object) -> None:
        pass

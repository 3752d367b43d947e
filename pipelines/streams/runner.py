"""The runner of every stream: a consumer group whose offsets move in the transaction of the effect.

A stream gives a handler: connection and events in, rows out. Kafka shares the partitions out; PostgreSQL knows how
far each one has taken effect. Whatever goes wrong, a session is given up and the next one starts from the stored
offsets, so an effect is neither lost nor repeated. Messages that are no events are left to the ingest, which reads the
same topics and dead-letters them once.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from functools import cached_property
from typing import Any

import psycopg
import structlog
from confluent_kafka import Consumer, Message, TopicPartition
from prometheus_client import Counter

from bevyly.clock import Clock, SystemClock
from bevyly.db.leadership import DATABASE_AWAY, limit_silence
from bevyly.errors import Conflict, Unavailable
from bevyly.events import dead_letters
from bevyly.events.bus import BrokerUnavailable, Publisher, make_consumer
from bevyly.events.dead_letters import DeadLetter
from bevyly.events.envelope import Event
from bevyly.events.failpoints import failpoint
from bevyly.settings import Settings
from pipelines.intake.messages import Incoming, decode
from pipelines.intake.offsets import Partition, move, partition_of, starting_points
from pipelines.process import Outage

Connection = psycopg.Connection[tuple[Any, ...]]
Handler = Callable[[Connection, Sequence[Event]], None]

BATCH = 500
POLL_SECONDS = 0.05
TRIES = 3
SILENCE_SECONDS = 30.0
# when this share of a batch of this size is poison, the fault is ours
STOP_RATIO, STOP_AT_LEAST = 0.5, 20

handled = Counter("bevyly_stream_events", "Events that a stream was given", ["stream", "outcome"])
_log = structlog.get_logger()


class TooManyDeadLetters(Unavailable):
    """So many events of one batch fail that the handler is at fault: wait for a person, lose nothing."""

    code = "too_many_dead_letters"


class Stream:
    """One consumer of events: its name is its consumer group."""

    def __init__(
        self,
        name: str,
        *,
        topics: Sequence[str],
        handler: Handler,
        settings: Settings,
        clock: Clock | None = None,
        batch: int = BATCH,
    ) -> None:
        self._name = name
        self._topics = list(topics)
        self._handler = handler
        self._settings = settings
        self._clock = clock or SystemClock()
        self._batch = batch

    @cached_property
    def _publisher(self) -> Publisher:
        return Publisher(self._settings)

    def run(self, stop: threading.Event) -> None:
        """Handle events until `stop` is set; outages are waited out."""
        outage = Outage(self._name)
        while not stop.is_set():
            try:
                self._session(stop, outage)
            except (*DATABASE_AWAY, Unavailable, Conflict) as error:
                outage.failed(error, stop)

    def _session(self, stop: threading.Event, outage: Outage) -> None:
        url = self._settings.require_pipeline_database()
        with (
            psycopg.connect(
                url, autocommit=True, connect_timeout=5, application_name=f"bevyly-{self._name}"
            ) as database,
            closing(make_consumer(self._settings, group=f"bevyly-{self._name}")) as consumer,
        ):
            limit_silence(database, seconds=SILENCE_SECONDS)
            session = _Session(self._name, database, consumer)
            consumer.subscribe(self._topics, on_assign=session.assign, on_revoke=session.revoke, on_lost=session.revoke)
            while not stop.is_set():
                messages = session.keep(consumer.consume(self._batch, POLL_SECONDS))
                if messages:
                    self._apply(session, messages)
                    outage.over()

    def _apply(self, session: "_Session", messages: list[Message]) -> None:
        batch = decode(messages)
        moves = session.moves(messages)
        events = [incoming.event for incoming in batch.accepted]
        failed: list[DeadLetter] = []
        try:
            with session.database.transaction():
                move(session.database, self._name, moves)
                self._handler(session.database, events)
                failpoint("before_commit")
        except (*DATABASE_AWAY, Unavailable, Conflict):
            raise
        except Exception as error:  # noqa: BLE001 - a handler may fail in any way; the batch is tried event by event
            _log.warning("batch failed", stream=self._name, events=len(events), error=repr(error)[:300])
            failed = self._apply_singly(session, batch.accepted, moves)
        failpoint("after_commit")
        session.moved(moves)
        for outcome, number in {
            "applied": len(events) - len(failed),
            "dead_lettered": len(failed),
            "unreadable": len(batch.letters),
        }.items():
            handled.labels(stream=self._name, outcome=outcome).inc(number)

    def _apply_singly(
        self, session: "_Session", batch: list[Incoming], moves: Mapping[Partition, tuple[int, int]]
    ) -> list[DeadLetter]:
        """Apply each event in a savepoint of its own; those that fail `TRIES` times become dead letters."""
        with session.database.transaction():
            move(session.database, self._name, moves)
            failed = [letter for one in batch if (letter := self._try(session.database, one)) is not None]
            if len(failed) >= STOP_AT_LEAST and len(failed) > STOP_RATIO * len(batch):
                raise TooManyDeadLetters(f"{len(failed)} of {len(batch)} events fail: {failed[0].reason}")
            if failed:
                dead_letters.publish(self._publisher, failed, consumer=self._name, at=self._clock.now())
        return failed

    def _try(self, database: Connection, incoming: Incoming) -> DeadLetter | None:
        reason = ""
        for _ in range(TRIES):
            try:
                with database.transaction():
                    self._handler(database, [incoming.event])
            except (*DATABASE_AWAY, Unavailable, Conflict):
                raise
            except Exception as error:  # noqa: BLE001 - whatever the handler raises is the reason of the dead letter
                reason = f"{type(error).__name__}: {error}"
            else:
                return None
        return DeadLetter(message=incoming.message, code="handler_failed", reason=reason, tries=TRIES)


class _Session:
    """Where one consumer stands in the partitions that it was given."""

    def __init__(self, group: str, database: Connection, consumer: Consumer) -> None:
        self.database = database
        self._group = group
        self._consumer = consumer
        self._positions: dict[Partition, int] = {}

    def assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._positions = starting_points(self.database, consumer, self._group, partitions)
        consumer.assign([TopicPartition(*key, offset) for key, offset in self._positions.items()])

    def revoke(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._positions = {}

    def keep(self, messages: list[Message]) -> list[Message]:
        """Messages of partitions that are ours, from where we stand on."""
        kept = []
        for message in messages:
            error = message.error()
            if error is not None:
                raise BrokerUnavailable(f"Kafka: {error.str()}")
            position = self._positions.get(partition_of(message))
            if position is not None and (message.offset() or 0) >= position:
                kept.append(message)
        return kept

    def moves(self, messages: list[Message]) -> dict[Partition, tuple[int, int]]:
        """From and to which offset each partition moves once `messages` have taken effect."""
        last = {partition_of(message): message.offset() or 0 for message in messages}
        return {key: (self._positions[key], offset + 1) for key, offset in last.items()}

    def moved(self, moves: Mapping[Partition, tuple[int, int]]) -> None:
        self._positions.update({key: upto for key, (_, upto) in moves.items()})

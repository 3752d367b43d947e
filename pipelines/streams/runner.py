"""The runner of every stream: a consumer group whose offsets move in the transaction of the effect.

A stream gives a handler: connection and events in, rows out. Kafka shares the partitions out; PostgreSQL knows how
far each one has taken effect. Whatever goes wrong, a session is given up and the next one starts from the stored
offsets, so that the effect of a message is neither lost nor repeated. An event that the relay published twice is two
messages: handlers must take an event id that they have dealt with as nothing new. Messages that are no events are left
to the ingest, which reads the same topics and dead-letters them once.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property

import structlog
from prometheus_client import Counter

from bevyly.clock import Clock, SystemClock
from bevyly.db.leadership import connect_for_long, limit_silence
from bevyly.events.bus import Publisher, make_consumer
from bevyly.settings import Settings
from pipelines.dead_letters.limit import StopLimit, TooManyDeadLetters, halt, standing_halt
from pipelines.intake.messages import decode
from pipelines.process import Outage
from pipelines.streams.application import Application, Connection, Halted, Handler, is_outage
from pipelines.streams.assignment import Assignment

__all__ = ["Connection", "Handler", "Stream"]

BATCH = 500
# how long a stop waits for a stream that has nothing to do
POLL_SECONDS = 0.2
HALT_POLL_SECONDS = 1.0
BETWEEN_SECONDS = 1.0
SILENCE_SECONDS = 30.0

handled = Counter("bevyly_stream_events", "Events that a stream was given", ["stream", "outcome"])
_log = structlog.get_logger()


class Stream:
    """One consumer of events: its name is its consumer group.

    A batch begins `pace` seconds after the one before it, so that batches are larger and fewer, unless that one was
    full; what comes after a pause is handled at once. `between` is called once a second, outside of batches.
    """

    def __init__(
        self,
        name: str,
        *,
        topics: Sequence[str],
        handler: Handler,
        settings: Settings,
        clock: Clock | None = None,
        batch: int = BATCH,
        limit: StopLimit | None = None,
        pace: float = 0.0,
        between: Callable[[Connection], None] | None = None,
        **consumer_options: str | float | bool,
    ) -> None:
        self.name = name
        self.topics = tuple(topics)
        self.handler = handler
        self._settings = settings
        self._clock = clock or SystemClock()
        self._batch = batch
        self._limit = limit
        self._pace = pace
        self._between = between
        self._consumer_options = consumer_options
        self._tripped: str | None = None

    @cached_property
    def _publisher(self) -> Publisher:
        return Publisher(self._settings)

    def run(self, stop: threading.Event) -> None:
        """Handle events until `stop` is set; outages are waited out, and a halt until a person releases it.

        A batch under way is finished before it ends.
        """
        outage = Outage(self.name)
        while not stop.is_set():
            try:
                self._session(stop, outage)
            except TooManyDeadLetters as error:
                self._tripped = error.detail
            except Halted:
                continue
            except Exception as error:  # outages come in many classes; anything else is raised
                if not is_outage(error):
                    raise
                outage.failed(error, stop)

    def _session(self, stop: threading.Event, outage: Outage) -> None:
        url, name = self._settings.require_pipeline_database(), f"bevyly-{self.name}"
        with connect_for_long(url, name=name) as database:
            limit_silence(database, seconds=SILENCE_SECONDS)
            self._wait_for_release(database, stop, outage)
            if stop.is_set():
                return
            with closing(make_consumer(self._settings, group=name, **self._consumer_options)) as consumer:
                assignment = Assignment(self.name, topics=self.topics, database=database, consumer=consumer)
                application = self._application(database)
                looked = -BETWEEN_SECONDS
                while not stop.is_set():
                    began = time.monotonic()
                    if self._between is not None and began - looked >= BETWEEN_SECONDS:
                        self._between(database)
                        looked = began
                    if number := self._step(assignment, application):
                        outage.over()
                        if number < self._batch:
                            stop.wait(max(0.0, began + self._pace - time.monotonic()))

    def _step(self, assignment: Assignment, application: Application) -> int:
        """Handle what is there; how many messages."""
        messages = assignment.read(self._batch, seconds=POLL_SECONDS)
        if not messages:
            return 0
        batch, moves = decode(messages), assignment.moves(messages)
        outcome = application.apply(batch.accepted, moves)
        assignment.moved(moves)
        for label, number in {
            "applied": outcome.applied,
            "dead_lettered": len(outcome.failed),
            "parked": len(outcome.parked),
            "unreadable": len(batch.letters),
        }.items():
            handled.labels(stream=self.name, outcome=label).inc(number)
        return len(messages)

    def _application(self, database: Connection) -> Application:
        if self._limit is None:
            self._limit = StopLimit(self.name)
            self._limit.remember(database)
        return Application(
            self.name,
            handler=self.handler,
            limit=self._limit,
            make_publisher=lambda: self._publisher,
            clock=self._clock,
            database=database,
        )

    def _wait_for_release(self, database: Connection, stop: threading.Event, outage: Outage) -> None:
        """Return when no halt stands; one that this process is to make is made first."""
        if self._tripped is not None:
            halt(database, self.name, self._tripped)
            self._tripped = None
        reason = standing_halt(database, self.name)
        if reason is None:
            return
        _log.error("halted", stream=self.name, reason=reason, release=f"bevyly streams release {self.name}")
        outage.over()
        while not stop.wait(HALT_POLL_SECONDS):
            if standing_halt(database, self.name) is None:
                _log.info("released", stream=self.name)
                return

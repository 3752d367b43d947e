"""`python -m pipelines.streams.signal_detector`: signals from single events, within a second of their publication.

The batch pass finds the same rows again with history (`models.signals`); what is decided already raises nothing.
"""

from collections.abc import Sequence
from typing import Any

import psycopg
import typer

from bevyly.clock import Clock, SystemClock
from bevyly.events.envelope import Event
from bevyly.settings import Settings
from pipelines.process import serve
from pipelines.repositories.detectors import Ear, ears
from pipelines.repositories.signals import close_signals, undecided, upsert_signals
from pipelines.streams.rules import SHOW_SOMETHING, close, find
from pipelines.streams.runner import Stream

NAME = "signal-detector"
TOPICS = ("bevyly.domain",)


class SignalDetector:
    """Handler of the stream: events in, rows of `signals` out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, connection: psycopg.Connection[tuple[Any, ...]], events: Sequence[Event]) -> None:
        known = ears(connection, {event.tenant_id for event in events if event.type in SHOW_SOMETHING})
        found = [finding for event in events for finding in find(event, known.get(event.tenant_id, Ear()))]
        entities = {(one["customer_id"], one["entity_type"], one["entity_id"]) for one in found}
        still_open = undecided(connection, entities)
        current = [one for one in found if (one["customer_id"], one["entity_type"], one["entity_id"]) in still_open]
        upsert_signals(connection, current, found_by="stream", at=self._clock.now())
        close_signals(connection, [closing for event in events for closing in close(event)], found=current)


def make_stream(settings: Settings, clock: Clock | None = None) -> Stream:
    """The signal detector as a stream."""
    clock = clock or SystemClock()
    return Stream(NAME, topics=TOPICS, handler=SignalDetector(clock), settings=settings, clock=clock)


def main(metrics_port: int | None = None) -> None:
    """Raise and close signals as events arrive, until told to stop."""
    serve(lambda settings, stop: make_stream(settings).run(stop), metrics_port)


if __name__ == "__main__":
    typer.run(main)

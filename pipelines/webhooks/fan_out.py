"""`python -m pipelines.webhooks.fan_out`: events become deliveries to the endpoints that want them, each once.

One look-up a batch finds the endpoints of its tenants; where there are none, nothing else happens. A repeated event
meets its delivery and changes nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import psycopg
import typer

from bevyly.clock import Clock, SystemClock
from bevyly.events.envelope import Event
from bevyly.settings import Settings
from bevyly.webhooks.subscriptions import TOPICS, wants
from pipelines.process import serve
from pipelines.repositories.webhooks import add_deliveries, endpoints_of
from pipelines.streams.runner import Stream

NAME = "webhook-fan-out"
Endpoint = tuple[str, list[str], list[Any]]


class FanOut:
    """Handler of the stream: events in, rows of `webhook_deliveries` out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, connection: psycopg.Connection[tuple[Any, ...]], events: Sequence[Event]) -> None:
        endpoints: dict[str, list[Endpoint]] = defaultdict(list)
        for customer_id, endpoint_id, types, filters in endpoints_of(connection, {one.tenant_id for one in events}):
            endpoints[customer_id].append((endpoint_id, types, filters))
        if not endpoints:
            return
        wanted = [
            (event, endpoint_id)
            for event in events
            for endpoint_id, types, filters in endpoints.get(event.tenant_id, ())
            if wants(types, filters, event)
        ]
        add_deliveries(connection, wanted, at=self._clock.now())


def make_stream(settings: Settings, clock: Clock | None = None) -> Stream:
    """The fan-out as a stream."""
    clock = clock or SystemClock()
    return Stream(NAME, topics=TOPICS, handler=FanOut(clock), settings=settings, clock=clock)


def main(metrics_port: int | None = None) -> None:
    """Turn events into deliveries until told to stop."""
    serve(lambda settings, stop: make_stream(settings).run(stop), metrics_port)


if __name__ == "__main__":
    typer.run(main)

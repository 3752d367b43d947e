"""`python -m pipelines.streams.briefing_keeper`: briefings follow events within seconds, without a refresh.

What an event makes moot is ended as a refresh would end it, then the briefings that read of it are composed anew from
what is stored. New recommendations, scores and ranks are a refresh's.
"""

from collections.abc import Sequence
from typing import Any

import polars as pl
import psycopg
import typer

from bevyly.clock import Clock, SystemClock
from bevyly.events.envelope import Event
from bevyly.settings import Settings
from models.ranking.findings import called_for, findings
from models.ranking.noticed import noticed
from pipelines.briefing.live import recompose
from pipelines.process import serve
from pipelines.repositories.open_items import Entity, hold_open_items, spread
from pipelines.repositories.patterns import open_patterns, pattern_members
from pipelines.repositories.readers import readers_of
from pipelines.repositories.recommendations import complete_done, expire_moot
from pipelines.repositories.signal_passes import open_signals
from pipelines.streams.runner import Stream
from pipelines.streams.touches import cleared, examined, growth, people, told_of

NAME = "briefing-keeper"
TOPICS = ("bevyly.domain",)
Connection = psycopg.Connection[tuple[Any, ...]]
_KEY = ["customer_id", "entity_type", "entity_id", "action_type"]


class BriefingKeeper:
    """Handler of the stream: events in, ended recommendations and new versions of briefings out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, connection: Connection, events: Sequence[Event]) -> None:
        told = {entity for event in events for entity in told_of(event)}
        users = {person for event in events for person in people(event)} | self._end(connection, events)
        if told or users:
            recompose(connection, readers_of(connection, told, users), at=self._clock.now())

    def _end(self, connection: Connection, events: Sequence[Event]) -> set[tuple[str, str]]:
        """End what the events make moot; whose it was, None for what nobody owns."""
        now = self._clock.now()
        grown = spread(connection, (one for event in events for one in growth(event, now=now)))
        entities = {entity for event in events for entity in examined(event)}
        entities |= {Entity(*row) for row in grown.select(Entity._fields).iter_rows()}
        items = hold_open_items(connection, entities, now=now)
        if items.is_empty():
            return set()
        done = noticed(items, grown)
        complete_done(connection, done, at=now)
        calling = self._uncalled(connection, items, {entity for event in events for entity in cleared(event)})
        moot = pl.concat([items.filter("is_over"), calling]).unique(["customer_id", "dedupe_key"])
        moot = moot.join(done, on=["customer_id", "dedupe_key"], how="anti")
        expire_moot(connection, moot, at=now)
        ended = pl.concat([done, moot.select("customer_id", "dedupe_key")])
        owned = items.join(ended, on=["customer_id", "dedupe_key"], how="semi").select("customer_id", "owner_id")
        return {(customer, owner) for customer, owner in owned.iter_rows()}

    def _uncalled(self, connection: Connection, items: pl.DataFrame, entities: set[Entity]) -> pl.DataFrame:
        """Those of `items` on `entities` whose action no open finding calls for, by the rule of ranking."""
        asked = pl.DataFrame(list(entities), schema=list(Entity._fields), orient="row", infer_schema_length=None)
        own = items.join(asked.cast(pl.String), on=_KEY[:3], how="semi")
        if own.is_empty():
            return own
        customers, ids = own["customer_id"].unique().to_list(), own["entity_id"].unique().to_list()
        found = findings(
            open_signals(connection, customers, ids),
            open_patterns(connection, customers, ids),
            pattern_members(connection, customers, ids),
        )
        return own.join(called_for(found), on=_KEY, how="anti")


def make_stream(settings: Settings, clock: Clock | None = None) -> Stream:
    """The briefing keeper as a stream."""
    clock = clock or SystemClock()
    return Stream(NAME, topics=TOPICS, handler=BriefingKeeper(clock), settings=settings, clock=clock)


def main(metrics_port: int | None = None) -> None:
    """Keep briefings in step with events, until told to stop."""
    serve(lambda settings, stop: make_stream(settings).run(stop), metrics_port)


if __name__ == "__main__":
    typer.run(main)

"""`python -m pipelines.streams.briefing_keeper`: briefings follow events within seconds, without a refresh.

What an event makes moot is ended as a refresh would end it, then the briefings that read of it are composed anew from
what is stored. New recommendations, scores and ranks are a refresh's.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import polars as pl
import psycopg
import structlog
import typer

from bevyly.clock import Clock, SystemClock
from bevyly.events.envelope import Event
from bevyly.events.failpoints import failpoint
from bevyly.settings import Settings
from models.ranking.findings import called_for, findings
from models.ranking.noticed import noticed
from pipelines.briefing.live import recompose
from pipelines.process import serve
from pipelines.repositories.briefing_backlog import PutOff, postpone, put_off, settle, take_up
from pipelines.repositories.briefings import try_lock_briefings
from pipelines.repositories.open_items import Entity, hold_open_items, spread
from pipelines.repositories.patterns import open_patterns, pattern_members
from pipelines.repositories.readers import readers_of
from pipelines.repositories.recommendations import complete_done, expire_moot
from pipelines.repositories.signal_passes import open_signals
from pipelines.streams.application import is_outage
from pipelines.streams.runner import Stream
from pipelines.streams.touches import Touched, together, touched

NAME = "briefing-keeper"
TOPICS = ("bevyly.domain",)
PACE_SECONDS = 1.0
"""Least time between two live versions of one person's briefing, as far as one keeper writes them."""
BACKLOG = 100
"""Put-off batches of one tenant that are taken up at once."""
DELAY = timedelta(minutes=1)
Connection = psycopg.Connection[tuple[Any, ...]]
_log = structlog.get_logger()
_KEY = ["customer_id", "entity_type", "entity_id", "action_type"]


class BriefingKeeper:
    """Handler of the stream: events in, ended recommendations and new versions of briefings out.

    Where a refresh or another keeper is at work on a tenant, what was touched there is put off (`catch_up`); the other
    tenants are dealt with. Nothing is waited for.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self, connection: Connection, events: Sequence[Event]) -> None:
        given = touched(events, now=self._clock.now())
        late = given.of(self._keep(connection, given))
        put_off(connection, {one: msgspec.json.encode(late.of({one})).decode() for one in sorted(late.customers)})

    def catch_up(self, connection: Connection) -> None:
        """Take up what was put off, in a transaction of its own; a tenant that cannot be kept does not stop others."""
        with connection.transaction():
            rows = take_up(connection, limit=BACKLOG)
            try:
                with connection.transaction():
                    self._settle(connection, rows)
            except Exception as error:  # one tenant may fail in any way: then each is tried alone
                if is_outage(error):
                    raise
                for one in sorted({row.customer_id for row in rows}):
                    self._settle_alone(connection, [row for row in rows if row.customer_id == one])

    def _settle(self, connection: Connection, rows: Sequence[PutOff]) -> None:
        if rows:
            late = self._keep(connection, together(msgspec.json.decode(row.touched, type=Touched) for row in rows))
            settle(connection, [row for row in rows if row.customer_id not in late])

    def _settle_alone(self, connection: Connection, rows: Sequence[PutOff]) -> None:
        try:
            with connection.transaction():
                self._settle(connection, rows)
        except Exception as error:  # logged, and tried again later
            if is_outage(error):
                raise
            _log.error("briefings cannot be kept", tenant=rows[0].customer_id, error=repr(error)[:300])
            postpone(connection, rows, delay=DELAY)

    def _keep(self, connection: Connection, given: Touched) -> set[str]:
        """End what is moot and publish what reads otherwise; the tenants at which somebody else is at work."""
        customers = given.customers
        free = given.of(try_lock_briefings(connection, customers)) if customers else given
        grown = spread(connection, free.growth)
        entities = free.examined | {Entity(*row) for row in grown.select(Entity._fields).iter_rows()}
        items = hold_open_items(connection, entities, now=self._clock.now())
        taken = set(items.filter(~pl.col("is_held"))["customer_id"])
        free, items = free.of(customers - taken), items.filter(~pl.col("customer_id").is_in(taken))
        users = free.people | self._end(connection, items, grown, free.cleared)
        failpoint("briefing_ended")
        if free.told or users:
            recompose(connection, readers_of(connection, free.told, users), at=self._clock.now())
        return customers - free.customers

    def _end(
        self, connection: Connection, items: pl.DataFrame, grown: pl.DataFrame, cleared: Collection[Entity]
    ) -> set[tuple[str, str]]:
        """End those of `items` that are moot; whose they were, None for what nobody owns."""
        if items.is_empty():
            return set()
        now = self._clock.now()
        done = noticed(items, grown)
        complete_done(connection, done, at=now)
        calling = self._uncalled(connection, items, cleared)
        moot = pl.concat([items.filter("is_over"), calling]).unique(["customer_id", "dedupe_key"])
        moot = moot.join(done, on=["customer_id", "dedupe_key"], how="anti")
        expire_moot(connection, moot, at=now)
        ended = pl.concat([done, moot.select("customer_id", "dedupe_key")])
        owned = items.join(ended, on=["customer_id", "dedupe_key"], how="semi").select("customer_id", "owner_id")
        return {(customer, owner) for customer, owner in owned.iter_rows()}

    def _uncalled(self, connection: Connection, items: pl.DataFrame, entities: Collection[Entity]) -> pl.DataFrame:
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
    keeper = BriefingKeeper(clock)
    return Stream(
        NAME, topics=TOPICS, handler=keeper, between=keeper.catch_up, pace=PACE_SECONDS, settings=settings, clock=clock
    )


def main(metrics_port: int | None = None) -> None:
    """Keep briefings in step with events, until told to stop."""
    serve(lambda settings, stop: make_stream(settings).run(stop), metrics_port)


if __name__ == "__main__":
    typer.run(main)

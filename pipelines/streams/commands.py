"""`bevyly streams`: how far consumers are, which stand still and why, letting one go on, spreading a tenant."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any

import psycopg
import typer
from rich.table import Table

from bevyly.errors import NotFound
from bevyly.events.bus import BrokerUnavailable
from bevyly.events.catalogue import topics
from bevyly.settings import Settings, get_settings
from pipelines.console import make_console
from pipelines.dead_letters.limit import release as release_consumer
from pipelines.intake.lag import lag
from pipelines.intake.offsets import Partition, stored
from pipelines.intake.rows import known_tenants
from pipelines.streams.registry import STREAMS, make_named
from pipelines.streams.spreads import request_spread

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

INGEST = "raw"
KAFKA_SECONDS = 3.0
_OPEN = "select consumer, count(*) from raw.dead_letters where status = 'open' group by consumer"
_HALTS = "select consumer, since, reason from raw.consumer_halts where released_at is null"


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a consumer stands in one partition; `lag` is None where Kafka does not answer."""

    consumer: str
    topic: str
    partition: int
    position: int
    lag: int | None


@dataclass(frozen=True, kw_only=True)
class Health:
    """What a consumer has set aside, and whether it waits for a person."""

    consumer: str
    open_letters: int
    halted_since: datetime | None
    halted_because: str | None


@app.command("list")
def list_streams(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each partition and consumer.")
    ] = False,
) -> None:
    """Consumers, their partitions, positions and lag; who is halted since when and why."""
    settings = get_settings()
    with psycopg.connect(settings.require_pipeline_database(), connect_timeout=5) as connection:
        states, healths = positions(settings, connection), health(connection)
    if as_json:
        for line in (*map(asdict, states), *map(asdict, healths)):
            print(json.dumps(line, default=str))
        return
    console = make_console()
    console.print(_table(states))
    for one in healths:
        if one.halted_because is not None:
            console.print(f"{one.consumer} is halted since {one.halted_since:%Y-%m-%d %H:%M:%S}: {one.halted_because}")
            console.print(f"  when it is repaired: bevyly streams release {one.consumer}")
        if one.open_letters:
            console.print(
                f"{one.consumer} has {one.open_letters} open letters: bevyly dlq list --consumer {one.consumer}"
            )


@app.command()
def release(consumer: Annotated[str, typer.Argument(help="Name of the consumer.")]) -> None:
    """Let a halted consumer go on from where it stopped."""
    if consumer not in _consumers():
        raise NotFound(f"There is no consumer {consumer!r}. Consumers: {', '.join(_consumers())}.")
    url = get_settings().require_pipeline_database()
    with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
        released = release_consumer(connection, consumer)
    print(f"{consumer} goes on." if released else f"{consumer} was not halted.")


@app.command()
def spread(tenant: Annotated[str, typer.Argument(help="Id of the tenant.")]) -> None:
    """Spread a tenant over all partitions by entity; the leading relay switches once no order is at risk."""
    url = get_settings().require_pipeline_database()
    with psycopg.connect(url, connect_timeout=5) as connection:
        if not known_tenants(connection, [tenant]):
            raise NotFound(f"There is no tenant {tenant}.")
        new = request_spread(connection, tenant)
    print(f"{tenant} will be spread." if new else f"{tenant} is spread already, or will be.")


def positions(settings: Settings, connection: psycopg.Connection[Any]) -> list[State]:
    """Every partition of every consumer that it has a position in, or that holds messages for it."""
    lags = _lags(settings)
    found = []
    for consumer in _consumers():
        known, waiting = stored(connection, consumer), lags.get(consumer, {})
        mine = _topics(settings, consumer)
        found += [
            State(
                consumer=consumer,
                topic=key.topic,
                partition=key.number,
                position=known.get(key, 0),
                lag=waiting.get(key),
            )
            for key in sorted({*known, *waiting})
            if key.topic in mine
        ]
    return found


def health(connection: psycopg.Connection[Any]) -> list[Health]:
    """Open letters and halts of every consumer, also of those whose code is gone."""
    waiting: dict[str, int] = dict(connection.execute(_OPEN).fetchall())
    halts = {consumer: (since, reason) for consumer, since, reason in connection.execute(_HALTS).fetchall()}
    return [
        Health(
            consumer=consumer,
            open_letters=waiting.get(consumer, 0),
            halted_since=halts.get(consumer, (None, None))[0],
            halted_because=halts.get(consumer, (None, None))[1],
        )
        for consumer in sorted({*_consumers(), *waiting, *halts})
    ]


def _consumers() -> list[str]:
    return [INGEST, *sorted(STREAMS)]


def _topics(settings: Settings, consumer: str) -> Iterable[str]:
    return topics() if consumer == INGEST else make_named(consumer, settings).topics


def _lags(settings: Settings) -> Mapping[str, dict[Partition, int]]:
    """By consumer; empty where Kafka does not answer."""
    try:
        return {consumer: lag(settings, group=consumer, timeout=KAFKA_SECONDS) for consumer in _consumers()}
    except BrokerUnavailable:
        return {}


def _table(states: Iterable[State]) -> Table:
    table = Table("consumer", "topic", "partition", "position", "lag", box=None, pad_edge=False)
    for one in states:
        left = "?" if one.lag is None else str(one.lag)
        table.add_row(one.consumer, one.topic, str(one.partition), str(one.position), left)
    return table

"""Briefings follow events: after any history, what is stored is what composing everything from all rows would write."""

import random
from datetime import timedelta
from typing import Any

import orjson
import polars as pl
import psycopg
import pytest

from bevyly.clock import FixedClock
from bevyly.events.envelope import Event
from pipelines.briefing.compose import compose
from pipelines.repositories.briefing_inputs import read_inputs
from pipelines.repositories.briefings import latest_briefings, publish
from pipelines.repositories.rankings import keep_ranking, left_out_of, mark_published
from pipelines.streams.briefing_keeper import BriefingKeeper
from tests.support.databases import Database
from tests.support.event_streams import NOW
from tests.support.live_world import BEFORE, World

VOLATILE = ("version", "as_of", "generated_at")
Documents = dict[tuple[str, str], dict[str, Any]]
LATER = NOW + timedelta(seconds=1)


def furnished(database: Database, seed: int) -> list[World]:
    """Two teams after a refresh that published their briefings."""
    worlds = [
        World(psycopg.connect(database.owner_url, autocommit=True), database.add_tenant(name), random.Random(seed))
        for name in ("ours", "theirs")
    ]
    for world in worlds:
        world.furnish()
    customers = [world.customer_id for world in worlds]
    with psycopg.connect(database.pipeline_url) as connection:
        left = [(world.customer_id, world.users[2], "not worth the effort", 3) for world in worlds]
        keep_ranking(connection, _left_out(left), customers=customers, at=BEFORE)
        publish(connection, whole(connection, customers), at=BEFORE)
        mark_published(connection, customers, at=BEFORE, now=BEFORE)
    return worlds


def _left_out(rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["customer_id", "owner_id", "reason", "count"], orient="row")


def whole(connection: psycopg.Connection[Any], customers: list[str]) -> pl.DataFrame:
    """What a refresh would write of what is stored now."""
    left_out = left_out_of(connection, customers)
    return compose(read_inputs(connection, customers, left_out), as_of=LATER, generated_at=LATER)


def keep(database: Database, *events: Event) -> None:
    with psycopg.connect(database.pipeline_url) as connection:
        BriefingKeeper(FixedClock(LATER))(connection, events)


def read(documents: pl.DataFrame) -> Documents:
    return {
        (row["customer_id"], row["user_id"]): {
            name: value for name, value in orjson.loads(row["document"]).items() if name not in VOLATILE
        }
        for row in documents.iter_rows(named=True)
    }


def stored_and_expected(database: Database, worlds: list[World]) -> tuple[Documents, Documents]:
    customers = [world.customer_id for world in worlds]
    with psycopg.connect(database.pipeline_url) as connection:
        return read(latest_briefings(connection, customers)), read(whole(connection, customers))


def close(worlds: list[World]) -> None:
    for world in worlds:
        world.connection.close()


@pytest.mark.parametrize("seed", range(20))
def test_after_any_history_briefings_are_those_of_a_refresh(database: Database, seed: int) -> None:
    worlds = furnished(database, seed)
    seeded = random.Random(seed)
    for _ in range(12):
        happened = [event for _ in range(seeded.randint(1, 4)) for event in seeded.choice(worlds).something()]
        keep(database, *happened)
        stored, expected = stored_and_expected(database, worlds)
        assert stored == expected, [event.type for event in happened]
    close(worlds)

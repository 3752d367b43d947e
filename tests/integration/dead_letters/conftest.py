"""Letters of the ingest, as it would have made them."""

from collections.abc import Callable, Iterator
from itertools import count as counting
from typing import Any

import psycopg
import pytest

from bevyly.events.dead_letters import DeadLetter
from bevyly.events.envelope import Event
from pipelines.dead_letters.store import record
from tests.support.databases import Database
from tests.support.stream_runs import message_of

Refuse = Callable[..., None]


@pytest.fixture
def tenants(database: Database) -> list[str]:
    """Two tenants."""
    return [database.add_tenant("ours"), database.add_tenant("theirs")]


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """As the pipeline, in autocommit."""
    with psycopg.connect(database.pipeline_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def refuse(connection: psycopg.Connection[Any]) -> Refuse:
    """Make letters of the ingest from events or payloads, which it takes for broken."""
    offsets = counting()

    def make(*events: Event | bytes, code: str = "contract_violation") -> None:
        messages = [message_of(event, next(offsets)) for event in events]
        record(connection, [DeadLetter(message=one, code=code, reason="not yet") for one in messages], consumer="raw")

    return make

"""Positive controls: with a guard taken away, a death does lose or repeat. So the other tests can fail."""

from collections.abc import Iterable, Mapping
from typing import Any

import psycopg
import pytest

from bevyly.events.envelope import Event
from bevyly.settings import Settings
from pipelines.intake import drain, offsets, rows, writing
from pipelines.intake.messages import Incoming
from pipelines.intake.offsets import Partition
from tests.support.event_streams import count, fill_outbox, histories, relay_all

pytestmark = pytest.mark.faults
RAW = "select count(*) from raw.events"


class Death(Exception):
    """The process would be dead now."""


@pytest.fixture
def sent(settings: Settings, tenants: list[str]) -> list[Event]:
    events = list(histories(tenants, entities=5, events=300))
    fill_outbox(settings, events)
    relay_all(settings)
    return events


def _die_once(monkeypatch: pytest.MonkeyPatch, *, after: bool) -> None:
    """Die before or after the rows of the first batch are written, inside its transaction."""
    append = rows.append
    deaths: list[bool] = []

    def mortal(connection: Any, events: Iterable[Incoming]) -> int:
        new = append(connection, events) if after or deaths else 0
        if not deaths:
            deaths.append(True)
            raise Death
        return new

    monkeypatch.setattr(rows, "append", mortal)


def _move_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Move offsets in a transaction of their own and die before the rows commit: what a consumer does that commits to
    Kafka first."""
    deaths: list[bool] = []

    def move(connection: Any, group: str, moves: Mapping[Partition, tuple[int, int]]) -> None:
        with psycopg.connect(connection.info.dsn, password=connection.info.password, autocommit=True) as other:
            offsets.move(other, group, moves)
        if not deaths:
            deaths.append(True)
            raise Death

    monkeypatch.setattr(writing, "move", move)


@pytest.mark.parametrize("after", [False, True])
def test_with_the_guard_nothing_is_lost(
    settings: Settings, sent: list[Event], monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    _die_once(monkeypatch, after=after)
    with pytest.raises(Death):
        drain(settings)
    drain(settings)
    assert count(settings, RAW) == len(sent)


def test_without_offsets_in_the_transaction_events_are_lost(
    settings: Settings, sent: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    _move_elsewhere(monkeypatch)
    with pytest.raises(Death):
        drain(settings)
    drain(settings)
    assert count(settings, RAW) < len(sent)


def test_without_dedupe_repeats_are_stored(settings: Settings, sent: list[Event]) -> None:
    with psycopg.connect(settings.require_database()) as connection:
        connection.execute("alter table raw.events drop constraint pk_events")
    fill_outbox(settings, sent)
    relay_all(settings)
    drain(settings)
    assert count(settings, RAW) == 2 * len(sent)

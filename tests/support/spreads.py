"""Builders for tests of spreads: a relay driven step by step, and processes of a group that take effect in a log."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from confluent_kafka import Consumer, TopicPartition

from bevyly.events.bus import Publisher, make_consumer
from bevyly.events.envelope import Event
from bevyly.events.keys import message_key, partition_for
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.intake import GROUP as INGEST
from pipelines.intake.offsets import Partition, move, stored
from pipelines.streams.relay import Relay
from pipelines.streams.spreads import Spreads, request_spread

DOMAIN = "bevyly.domain"
PARTITIONS = 6


class Member:
    """One process of the ingest's group: has some partitions, takes effect by appending to the group's log."""

    def __init__(self, settings: Settings, partitions: set[int], log: list[Event]) -> None:
        self._log = log
        self._connection = psycopg.connect(settings.require_pipeline_database(), autocommit=True)
        self._consumer: Consumer = make_consumer(settings, group=f"bevyly-{INGEST}")
        found = stored(self._connection, INGEST)
        self._positions = {key: upto for key, upto in found.items() if key.topic == DOMAIN and key.number in partitions}
        self._consumer.assign([TopicPartition(*key, upto) for key, upto in self._positions.items()])

    def apply(self, most: int = 100) -> int:
        """Take effect of up to `most` messages; how many."""
        messages = [one for one in self._consumer.consume(most, 0.1) if one.error() is None]
        last = {Partition(DOMAIN, one.partition() or 0): one.offset() or 0 for one in messages}
        with self._connection.transaction():
            move(self._connection, INGEST, {key: (self._positions[key], upto + 1) for key, upto in last.items()})
        self._positions |= {key: upto + 1 for key, upto in last.items()}
        self._log += [Event.from_json(one.value() or b"") for one in messages]
        return len(messages)

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()
        self._connection.close()


@contextmanager
def members(settings: Settings, log: list[Event], *partitions: set[int]) -> Iterator[list[Member]]:
    """A process for each set of `partitions`."""
    made = [Member(settings, some, log) for some in partitions]
    try:
        yield made
    finally:
        for member in made:
            member.close()


class Clock:
    """Time that passes by a second a look, so that every look of the relay is due."""

    def __init__(self) -> None:
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 1.0
        return self._now


class Publication:
    """A relay that is driven step by step."""

    def __init__(self, settings: Settings, leader: psycopg.Connection[Any], *, batch: int = 100) -> None:
        self.spreads = Spreads(settings, clock=Clock())
        self.relay = Relay(Publisher(settings), batch=batch, on_published=self.spreads.note)
        self._leader = leader

    def step(self) -> int:
        """What the leader does in one turn."""
        self.spreads.step(self._leader)
        self.relay.held, self.relay.spread = self.spreads.held, self.spreads.active
        return self.relay.publish_batch(self._leader)


def execute(settings: Settings, statement: str, *parameters: object) -> None:
    """Run `statement` as the pipeline."""
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        connection.execute(statement, parameters)


def request(settings: Settings, tenant: str) -> bool:
    """Ask for the spread of `tenant`; whether that is new."""
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        return request_spread(connection, tenant)


def home(tenant: str) -> int:
    """The partition of a tenant that is not spread."""
    return partition_for(tenant, PARTITIONS)


def entity_elsewhere(tenant: str) -> str:
    """An opportunity whose own partition is not its tenant's."""
    while True:
        entity = new_id()
        if partition_for(message_key(tenant, f"opportunity/{entity}", True), PARTITIONS) != home(tenant):
            return entity


def sequences(log: list[Event]) -> dict[str, list[int]]:
    """The versions of each entity in the order in which they took effect."""
    found: dict[str, list[int]] = defaultdict(list)
    for event in log:
        found[event.subject].append(event.sequence)
    return found

"""Messages that no consumer can use, at the limits and beyond: set aside with a reason, and nobody waits for them."""

import random
from collections.abc import Callable

import psycopg
import pytest
from confluent_kafka import KafkaError, Producer

from bevyly.errors import Invalid
from bevyly.events.bus import BrokerUnavailable, Publisher
from bevyly.events.envelope import MAX_EVENT_BYTES
from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.intake import drain
from tests.faults.conftest import BROKERS
from tests.support.databases import Database
from tests.support.event_streams import call, count, fill_outbox, messages, send

pytestmark = pytest.mark.faults

TOPIC = "bevyly.domain"
MEGABYTE = 1_000_000
DEPTH = 10_000
_TOGETHER = """
select count(distinct xmin::text) from (select xmin from raw.events union all select xmin from raw.dead_letters) as rows
"""
_LETTERS = """
select code, reason <> '' and topic = 'bevyly.domain' and octet_length(payload) is not null from raw.dead_letters
"""


def _swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def swap(payload: bytes) -> bytes:
        assert old in payload
        return payload.replace(old, new)

    return swap


_CUSTOM = b'"data":{'
POISON: list[tuple[str, Callable[[bytes], bytes]]] = [
    ("bad_json", lambda payload: payload[:-1]),
    ("bad_json", lambda _: b"\x00\x00\x00"),
    ("bad_json", lambda _: b"\xff\xfe{}"),
    ("bad_json", _swap(b'"kind":"call"', b'"kind":"\\ud800"')),
    ("empty", lambda _: b""),
    ("bad_envelope", lambda _: b"[]"),
    ("bad_envelope", _swap(b'"sequence":1', b'"sequence":-1')),
    ("nul_character", _swap(_CUSTOM, _CUSTOM + b'"custom":{"k":"\\u0000"},')),
    ("too_large", lambda payload: payload + b" " * (950_000 - len(payload))),
    ("too_deep", _swap(_CUSTOM, _CUSTOM + b'"custom":{"k":' + b"[" * DEPTH + b"]" * DEPTH + b"},")),
    ("unknown_event_type", _swap(b'"call.completed"', b'"call.imagined"')),
    ("unknown_schema_version", _swap(b'"schemaversion":1', b'"schemaversion":99')),
    ("contract_violation", _swap(b'"kind":"call"', b'"kind":7')),
]


@pytest.mark.parametrize("broker", BROKERS, indirect=True)
def test_poison_between_healthy_events_is_set_aside_and_delays_none(
    settings: Settings, tenants: list[str], seed: random.Random
) -> None:
    healthy = [call(tenant, new_id()) for tenant in tenants for _ in range(20)]
    stranger = call(new_id(), new_id())
    poison = [(code, spoil(call(tenants[0], new_id()).to_json())) for code, spoil in POISON]
    poison.append(("unknown_tenant", stranger.to_json()))
    seed.shuffle(poison)
    for event, (_, payload) in zip(healthy, poison, strict=False):
        send(settings, TOPIC, event.to_json(), payload, key=event.tenant_id)
    send(settings, TOPIC, *(event.to_json() for event in healthy[len(poison) :]))

    result = drain(settings)

    assert (result.rows, result.dead_letters) == (len(healthy), len(poison))
    # one batch, one transaction: those behind a poisoned message did not even wait for the next batch
    assert count(settings, _TOGETHER) == 1
    with psycopg.connect(settings.require_database()) as connection:
        letters = connection.execute(_LETTERS).fetchall()
    assert sorted(letters) == sorted((code, True) for code, _ in poison)
    assert len(messages(settings, f"{TOPIC}.dlq")) == len(poison)
    assert drain(settings).rows == 0


@pytest.mark.parametrize("broker", BROKERS, indirect=True)
def test_a_message_beyond_the_limit_is_refused_and_the_producer_is_told(settings: Settings, tenants: list[str]) -> None:
    publisher = Publisher(settings)
    with pytest.raises(BrokerUnavailable, match="large"):
        publisher.send(TOPIC, key=tenants[0], value=b"x" * 5 * MEGABYTE)

    errors: list[KafkaError | None] = []
    careless = Producer({"bootstrap.servers": settings.require_kafka(), "message.max.bytes": 10 * MEGABYTE})
    careless.produce(TOPIC, b"x" * 5 * MEGABYTE, on_delivery=lambda error, _: errors.append(error))
    assert careless.flush(20) == 0
    assert [error.code() for error in errors if error] == [KafkaError.MSG_SIZE_TOO_LARGE]

    event = call(tenants[0], new_id())
    send(settings, TOPIC, event.to_json())
    assert drain(settings).rows == 1


def test_the_outbox_never_holds_what_nobody_can_read(database: Database) -> None:
    settings, tenant = Settings(database_url=database.owner_url), database.add_tenant("one")
    for value in ("\x00", "\ud800", "x" * MAX_EVENT_BYTES, "x" * 5 * MEGABYTE):
        bad = call(tenant, new_id(), custom={"note": value})
        with pytest.raises((Invalid, UnicodeEncodeError)):
            fill_outbox(settings, [call(tenant, new_id()), bad])
        assert count(settings, "select count(*) from outbox") == 0

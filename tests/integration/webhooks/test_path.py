"""The whole way: outbox, relay, Kafka, fan-out, deliverer, receiver."""

import asyncio
import threading
from datetime import UTC, datetime

from bevyly.ids import new_id
from bevyly.settings import Settings
from pipelines.webhooks.fan_out import make_stream
from tests.integration.streams.conftest import brokers  # noqa: F401 - a fixture
from tests.integration.webhooks.conftest import World
from tests.integration.webhooks.receiver import Receiver
from tests.support.event_streams import call, fill_outbox, relay_all

PUBLISHED = "select envelope from outbox order by position"
MADE = "select count(*) from webhook_deliveries"


async def test_what_is_committed_arrives_byte_for_byte(world: World, receiver: Receiver, brokers: str) -> None:  # noqa: F811 - the fixture
    settings = Settings(database_url=world.database.owner_url, kafka_brokers=brokers)
    world.endpoint(receiver.url("/ours"), "call.*")
    world.endpoint(receiver.url("/theirs"), tenant=world.theirs)
    deal = new_id()
    fill_outbox(settings, [call(world.ours, deal, 1), call(world.ours, deal, 2), call(world.theirs, new_id())])
    envelopes = [row[0].encode() for row in world.rows(PUBLISHED)]
    relay_all(settings)
    stop = threading.Event()
    fan_out = threading.Thread(target=make_stream(settings).run, args=(stop,))
    fan_out.start()
    try:
        async with asyncio.timeout(60):
            while world.rows(MADE) != [(3,)]:
                await asyncio.sleep(0.05)
    finally:
        stop.set()
        await asyncio.to_thread(fan_out.join)
    world.clock.instant = datetime.now(UTC)
    async with world.delivering() as deliverer:
        assert await deliverer.pass_() == 3
    assert sorted(got.body for got in receiver.at("/ours")) == sorted(envelopes[:2])
    assert [got.body for got in receiver.at("/theirs")] == envelopes[2:]
    for got in receiver.got:
        got.verify(world.secret)

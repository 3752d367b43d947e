"""The broker's chores: a disk that does not keep what was acknowledged ends it, one that does not clean up does not."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bevyly.runtime.broker.broker import Broker, BrokerConfig
from bevyly.runtime.broker.server import BrokerServer
from bevyly.runtime.ports import free_port
from tests.support.kafka_batches import BIRTH_MS

SECONDS = 10.0


@pytest.fixture
def broker(tmp_path: Path) -> Broker:
    config = BrokerConfig(data_dir=tmp_path, port=free_port(), fsync_seconds=0.01, upkeep_seconds=0.01)
    return Broker(config, now=lambda: BIRTH_MS)


def failing(times: list[int]) -> Callable[[], object]:
    async def chore() -> None:
        times.append(1)
        raise OSError("no space left on device")

    return chore


async def test_a_disk_that_loses_what_was_acknowledged_ends_the_broker(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker, "sync", failing([]))
    async with asyncio.timeout(SECONDS):
        with pytest.raises(OSError, match="no space"):
            await BrokerServer(broker).run(asyncio.Event())


async def test_what_cannot_be_cleaned_up_is_tried_again(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[int] = []
    monkeypatch.setattr(broker, "upkeep", failing(tries))
    stop = asyncio.Event()
    running = asyncio.create_task(BrokerServer(broker).run(stop))
    async with asyncio.timeout(SECONDS):
        while len(tries) < 3:
            await asyncio.sleep(0.01)
        stop.set()
        await running

"""The deliverer as a process: it dies in the middle of a delivery, it is asked to stop, it is woken."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bevyly.encryption import Vault, new_key
from bevyly.runtime.children import ChildProcess, ProcessSpec
from tests.integration.webhooks.conftest import World
from tests.integration.webhooks.receiver import Receiver, Reply

pytestmark = pytest.mark.timeout(120)
STATES = "select status, tries, last_error from webhook_deliveries order by id"
Start = Callable[..., ChildProcess]


@pytest.fixture
def key(world: World) -> str:
    """The key under which the world's secrets are sealed."""
    made = new_key()
    world.vault = Vault([made])
    return made


@pytest.fixture
def start(world: World, key: str, tmp_path: Path) -> Iterator[Start]:
    """Start a deliverer; what still runs at the end is stopped."""
    started: list[ChildProcess] = []

    def run(**environment: str) -> ChildProcess:
        given = {
            "DATABASE_URL": world.database.owner_url,
            "ENCRYPTION_KEYS": key,
            "WEBHOOK_ALLOW_PRIVATE_ADDRESSES": "true",
            **environment,
        }
        log = tmp_path / f"{len(started)}.log"
        argv = (sys.executable, "-m", "pipelines.webhooks")
        child = ChildProcess(ProcessSpec(name="webhooks", argv=argv, log=log, environment=given))
        child.start()
        started.append(child)
        return child

    yield run
    for child in started:
        child.stop()


async def test_a_delivery_survives_the_death_of_its_deliverer(world: World, receiver: Receiver, start: Start) -> None:
    released = asyncio.Event()
    receiver.replies["/hook"] = lambda n: Reply(until=released) if n == 1 else Reply()
    world.endpoint(receiver.url())
    world.happen(world.event())
    child = start()
    await receiver.arrived(1, seconds=40)
    child.kill()
    assert world.rows(STATES) == [("pending", 0, None)]
    [(world.clock.instant,)] = world.rows("select leased_until from webhook_deliveries")
    async with world.delivering() as successor:
        assert await successor.pass_() == 1
    released.set()
    assert world.rows(STATES) == [("delivered", 1, None)]
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    for got in receiver.got:
        got.verify(world.secret)


async def test_one_that_is_asked_to_stop_finishes_what_it_does(world: World, receiver: Receiver, start: Start) -> None:
    released = asyncio.Event()
    receiver.replies["/hook"] = lambda _: Reply(until=released)
    world.endpoint(receiver.url())
    world.happen(*(world.event() for _ in range(10)))
    child = start()
    await receiver.arrived(4, seconds=40)
    assert child.identity is not None
    os.kill(child.identity.pid, signal.SIGTERM)
    asyncio.get_running_loop().call_later(1.5, released.set)
    await _ended(child)
    assert sorted(row[0] for row in world.rows(STATES)) == ["delivered"] * 4 + ["pending"] * 6
    assert world.rows("select count(*) from webhook_deliveries where lease is not null") == [(0,)]


async def test_the_fan_out_wakes_it(world: World, receiver: Receiver, start: Start) -> None:
    world.endpoint(receiver.url())
    start()
    world.happen(world.event())
    await receiver.arrived(1, seconds=40)
    waits = []
    for number in range(2, 12):
        world.clock.instant += timedelta(milliseconds=1)
        loop = asyncio.get_running_loop()
        began = loop.time()
        world.happen(world.event())
        await receiver.arrived(number)
        waits.append(loop.time() - began)
    assert sorted(waits)[5] < 0.5, waits


async def test_a_missing_key_is_said_in_one_sentence(start: Start, tmp_path: Path) -> None:
    child = start(ENCRYPTION_KEYS="")
    await _ended(child)
    log = (tmp_path / "0.log").read_text()
    assert "The key that encrypts stored secrets is not configured: run `bevyly up`, or set ENCRYPTION_KEYS." in log


async def _ended(child: ChildProcess) -> None:
    async with asyncio.timeout(40):
        while child.running():
            await asyncio.sleep(0.02)

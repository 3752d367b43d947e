"""The deliverer as a process: it dies in the middle of a delivery, it is asked to stop, it is woken."""

import asyncio
import os
import random
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from bevyly.encryption import Vault, new_key
from bevyly.runtime.children import ChildProcess, ProcessSpec
from pipelines.repositories.webhooks import Room
from tests.integration.webhooks.conftest import World
from tests.integration.webhooks.receiver import Receiver, Reply

pytestmark = pytest.mark.timeout(120)
SESSIONS = (
    "select count(*) from pg_stat_activity where application_name = 'bevyly-webhooks' and datname = current_database()"
)
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


@pytest.mark.faults
async def test_whenever_it_dies_every_delivery_arrives(world: World, receiver: Receiver, start: Start) -> None:
    """Killed three times on the way: nothing is lost, and what comes twice comes under the same id."""
    seed = int(os.environ.get("FAULT_SEED") or random.SystemRandom().randrange(2**32))
    sys.stdout.write(f"FAULT_SEED={seed}\n")
    chance = random.Random(seed)
    receiver.replies["/hook"] = lambda _: Reply(status=chance.choice([200, 200, 200, 204]))
    for _ in range(6):
        world.endpoint(receiver.url())
    world.happen(*(world.event() for _ in range(50)))
    for death in range(3):
        child = start()
        await receiver.arrived(60 * (death + 1) + chance.randrange(40), seconds=60)
        child.kill()
        while world.rows(SESSIONS) != [(0,)]:
            await asyncio.sleep(0.02)
        # time passes: the leases of the dead end
        world.rows("update webhook_deliveries set leased_until = now() - interval '1 second' where lease is not null")
    start()
    async with asyncio.timeout(50):
        while world.rows("select count(*) from webhook_deliveries where status = 'delivered'") != [(300,)]:
            await asyncio.sleep(0.05)
    ids = [got.headers["webhook-id"] for got in receiver.got]
    assert len(set(ids)) == 300, f"seed {seed}"
    # at each death: what was under way, and what had come back and was being written down
    assert len(ids) - 300 <= 3 * 6 * 2 * Room().per_endpoint, f"seed {seed}"
    assert world.rows("select count(*) from webhook_attempts") == [(300,)]

"""A network that fails between our processes and their servers: nothing is lost, and nobody has to be restarted."""

import random
from concurrent.futures import ThreadPoolExecutor
from time import monotonic, sleep

import pytest

from bevyly.runtime.waiting import wait_until
from tests.support.faults import Stage
from tests.support.faults_path import EventPath
from tests.support.faults_writer import Pace
from tests.support.tcp_proxy import TcpProxy

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

EVENTS = 12_000
SECONDS = 16.0
# longer than the lease of a leader
SILENCE = 6.5


def _disturb(proxy: TcpProxy, chance: random.Random) -> None:
    """Every way in which a connection fails, one after the other, for about `SECONDS`."""
    for _ in range(3):
        sleep(chance.uniform(0.2, 0.8))
        proxy.cut()
    proxy.cut_after(chance.randrange(20_000, 80_000))
    sleep(2)
    proxy.heal()
    proxy.swallow()
    sleep(SILENCE)
    proxy.heal()
    proxy.slow(0.05)
    sleep(2)
    proxy.heal()


def test_a_failing_network(seed: random.Random) -> None:
    """Both networks at once, each at its own times."""
    with Stage(durable=False, proxied=True) as stage:
        proxies = [proxy for proxy in (stage.kafka_proxy, stage.postgres_proxy) if proxy]
        path = EventPath(stage)
        processes = path.start()
        identities = [one.child.identity for one in processes]
        assert wait_until(lambda: all(proxy.connections for proxy in proxies), seconds=30)
        path.write(Pace(EVENTS, rate=EVENTS / SECONDS))
        before = [proxy.connections for proxy in proxies]
        chances = [random.Random(seed.random()) for _ in proxies]
        with ThreadPoolExecutor(len(proxies)) as pool:
            list(pool.map(_disturb, proxies, chances))
        healed = monotonic()
        verdict = path.finish()
        assert verdict.violations == {}, verdict
        assert monotonic() - healed < 60
        assert [one.child.identity for one in processes] == identities
        assert all(one.child.running() for one in processes)
        assert path.failed_commits().total() == 0
        # the faults were felt: everybody had to connect again
        assert all(now > then for now, then in zip([proxy.connections for proxy in proxies], before, strict=True))

"""A network that fails between our processes and their servers: nothing is lost, and nobody has to be restarted."""

import random
from time import monotonic, sleep

import pytest

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


@pytest.mark.parametrize("server", ["kafka", "postgres"])
def test_a_failing_network(server: str, seed: random.Random) -> None:
    with Stage(durable=False, proxied=True) as stage:
        path = EventPath(stage)
        processes = path.start()
        identities = [one.child.identity for one in processes]
        path.write(Pace(EVENTS, rate=EVENTS / SECONDS))
        proxy = stage.kafka_proxy if server == "kafka" else stage.postgres_proxy
        assert proxy is not None
        _disturb(proxy, seed)
        healed = monotonic()
        verdict = path.finish()
        assert verdict.violations == {}, verdict
        assert monotonic() - healed < 60
        assert [one.child.identity for one in processes] == identities
        assert all(one.child.running() for one in processes)
        assert path.failed_commits().total() == 0

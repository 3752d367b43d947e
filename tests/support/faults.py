"""What is put under fault: PostgreSQL, a broker, and the processes of the event path, in a folder of their own.

Here: starting, killing, stopping for a while, restarting. When and what to kill is the killer's choice
(`faults_killer`), what must hold is in `faults_verdict`.
"""

import os
import random
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import psycopg

from bevyly.events.failpoints import VARIABLE
from bevyly.runtime.children import ChildProcess, ProcessSpec
from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.runtime.ports import LOOPBACK
from bevyly.runtime.postgres import EmbeddedPostgres
from bevyly.settings import Settings
from tests.support.kafka_reference import ApacheKafka
from tests.support.tcp_proxy import TcpProxy

BROKERS: dict[str, type[EmbeddedKafka]] = {"embedded": EmbeddedKafka, "apache": ApacheKafka}
_PORTS = range(15_000, 32_000)
_OF_THE_MACHINE = ("DATABASE_URL", "DATABASE_APP_URL", "DATABASE_PIPELINE_URL", "KAFKA_BROKERS", "KAFKA_USERNAME")


def quiet_port() -> int:
    """A free port outside the range of outgoing connections: while a server is down, no client becomes its port."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((LOOPBACK, port))
            return port


class Victim:
    """Something that may die and comes back. `kill` returns once it is dead, `revive` once it works again."""

    def __init__(self, name: str, *, weight: float) -> None:
        self.name = name
        self.weight = weight
        self.busy = threading.Lock()
        """Held by whoever kills, stops or restarts it."""

    @property
    def kind(self) -> str:
        """Its name without the number that tells it from its like."""
        return self.name.rstrip("0123456789-")

    def kill(self) -> None:
        raise NotImplementedError

    def revive(self) -> None:
        raise NotImplementedError

    def pause(self) -> Callable[[], None] | None:
        """Stop it without its noticing; returns what lets it go on, None where nothing runs."""
        raise NotImplementedError


class ServerVictim(Victim):
    """PostgreSQL or the broker."""

    def __init__(self, server: EmbeddedPostgres | EmbeddedKafka, name: str, *, weight: float) -> None:
        super().__init__(name, weight=weight)
        self.server = server

    def kill(self) -> None:
        self.server.kill()

    def revive(self) -> None:
        # started, it looks for its database, which is there; a backend that dies just then cuts it off
        with suppress(psycopg.OperationalError):
            self.server.start()

    def pause(self) -> Callable[[], None] | None:
        return paused(self.server.child)


class BackendVictim(Victim):
    """One server process of PostgreSQL, whose death makes all the others start again."""

    def __init__(self, postgres: EmbeddedPostgres, *, weight: float, chance: random.Random) -> None:
        super().__init__("postgres-backend", weight=weight)
        self._postgres = postgres
        self._chance = chance

    def kill(self) -> None:
        with psycopg.connect(self._postgres.url, connect_timeout=5) as connection:
            rows = connection.execute(
                "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid()"
            ).fetchall()
        with suppress(ProcessLookupError, IndexError):
            os.kill(self._chance.choice(rows)[0], signal.SIGKILL)

    def revive(self) -> None:
        """Its postmaster does that."""

    def pause(self) -> Callable[[], None] | None:
        return None


class ProcessVictim(Victim):
    """A process of ours; sometimes started with a failpoint at which it kills itself."""

    def __init__(
        self,
        name: str,
        spec: Callable[[str], ProcessSpec],
        *,
        weight: float,
        chance: random.Random,
        failpoints: tuple[str, ...],
    ) -> None:
        super().__init__(name, weight=weight)
        self._spec = spec
        self._chance = chance
        self._failpoints = failpoints
        self.child = ChildProcess(spec(""))

    def kill(self) -> None:
        self.child.kill()

    def revive(self, *, harmless: bool = False) -> None:
        """Start it, once in three times with a failpoint; `harmless` without."""
        self.child.stop()
        point = ""
        if self._failpoints and not harmless and self._chance.random() < 1 / 3:
            point = f"{self._chance.choice(self._failpoints)}:{self._chance.randrange(1, 30)}"
        self.child = ChildProcess(self._spec(point))
        self.child.start()

    def pause(self) -> Callable[[], None] | None:
        return paused(self.child)

    def died_by_itself(self) -> bool:
        """Whether it ended at its failpoint."""
        return self.child.exit_code == -signal.SIGKILL

    def gave_up(self) -> bool:
        """Whether it ended though nobody killed it: outages are to be waited out."""
        return self.child.exit_code not in (None, -signal.SIGKILL)


def paused(child: ChildProcess | None) -> Callable[[], None] | None:
    """Send SIGSTOP; returns what sends SIGCONT."""
    process = child.identity.process() if child and child.identity else None
    if process is None:
        return None

    def go_on() -> None:
        with suppress(Exception):  # gone in the meantime is as good
            process.resume()

    process.suspend()
    return go_on


class Stage:
    """PostgreSQL and a broker in a folder that vanishes, and the processes that were started on them.

    With `proxied`, the processes reach both servers through `postgres_proxy` and `kafka_proxy` only. `durable=False`
    is for tests that kill no server.
    """

    def __init__(
        self,
        broker: str = "embedded",
        *,
        seed: int = 0,
        durable: bool = True,
        proxied: bool = False,
        broker_folder: Path | None = None,
    ) -> None:
        self._broker_kind = BROKERS[broker]
        self._durable = durable
        self._seed = seed
        self._broker_folder = broker_folder
        kafka_port, postgres_port = quiet_port(), quiet_port()
        self._ports = postgres_port, kafka_port
        self.postgres_proxy = TcpProxy(postgres_port) if proxied else None
        self.kafka_proxy = TcpProxy(kafka_port, port=quiet_port()) if proxied else None
        self.processes: list[ProcessVictim] = []
        self._exit = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as exits:
            self.folder = Path(exits.enter_context(TemporaryDirectory(prefix="bevyly-faults-")))
            cluster = Path(exits.enter_context(TemporaryDirectory(prefix="bevyly-faults-postgres-")))
            for proxy in filter(None, (self.postgres_proxy, self.kafka_proxy)):
                exits.enter_context(proxy)
            advertised = self.kafka_proxy.port if self.kafka_proxy else None
            postgres_port, kafka_port = self._ports
            self.postgres = EmbeddedPostgres(cluster, postgres_port, durable=self._durable)
            self.broker = self._broker_kind(
                self._broker_folder or self.folder / "kafka",
                kafka_port,
                durable=self._durable,
                advertised_port=advertised,
            )
            for server in (self.postgres, self.broker):
                exits.callback(server.stop)
                server.start()
            exits.callback(self._stop_processes)
            self._exit = exits.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    @property
    def settings(self) -> Settings:
        """Settings that lead to both servers, for the test itself."""
        return Settings(database_url=self.postgres.url, kafka_brokers=self.broker.url)

    @property
    def _settings_of_processes(self) -> Settings:
        if self.postgres_proxy is None or self.kafka_proxy is None:
            return self.settings
        real, proxied = f":{self.postgres.port}/", f":{self.postgres_proxy.port}/"
        return Settings(
            database_url=self.postgres.url.replace(real, proxied), kafka_brokers=f"{LOOPBACK}:{self.kafka_proxy.port}"
        )

    def spec(
        self, name: str, module: str, *arguments: str, failpoint: str = "", environment: dict[str, str] | None = None
    ) -> ProcessSpec:
        """How to start `module` on these servers."""
        settings = self._settings_of_processes
        return ProcessSpec(
            name=name,
            argv=(sys.executable, "-m", module, *arguments),
            log=self.folder / f"{name}.log",
            environment=dict.fromkeys(_OF_THE_MACHINE, "")
            | {
                "DATABASE_URL": settings.require_database(),
                "KAFKA_BROKERS": settings.require_kafka(),
                "BEVYLY_HOME": str(self.folder / "home"),
                VARIABLE: failpoint,
            }
            | (environment or {}),
        )

    def add(
        self,
        name: str,
        module: str,
        *arguments: str,
        weight: float = 1.0,
        failpoints: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> ProcessVictim:
        """Start `module` as a process that may be killed."""
        victim = ProcessVictim(
            name,
            lambda point: self.spec(name, module, *arguments, failpoint=point, environment=environment),
            weight=weight,
            chance=random.Random(f"{self._seed}/{name}"),
            failpoints=failpoints,
        )
        self.processes.append(victim)
        victim.revive(harmless=True)
        return victim

    def _stop_processes(self) -> None:
        for victim in self.processes:
            if victim.child.identity and (process := victim.child.identity.process()):
                process.resume()
            victim.child.kill()

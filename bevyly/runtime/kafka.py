"""The embedded Kafka broker as a process of its own; what it does is in `bevyly.runtime.broker`.

Tests use it as `with throwaway_kafka() as server: server.url`.
"""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from bevyly.runtime.children import ProcessSpec
from bevyly.runtime.ports import LOOPBACK, accepts_connections, free_port
from bevyly.runtime.server import EmbeddedServer


class EmbeddedKafka(EmbeddedServer):
    """`durable=False` leaves fsync to the operating system; a killed process loses nothing either way.

    `upkeep_seconds` is how often retention is enforced; `advertised_port` is what clients are told to use, where
    something stands between them and `port`.
    """

    name = "kafka"
    port_variable = "KAFKA_PORT"
    url_variable = "KAFKA_BROKERS"

    def __init__(
        self,
        data_dir: Path,
        port: int,
        *,
        log: Path | None = None,
        durable: bool = True,
        upkeep_seconds: float = 60.0,
        advertised_port: int | None = None,
    ) -> None:
        super().__init__(data_dir, port, log=log)
        self.durable = durable
        self.upkeep_seconds = upkeep_seconds
        self.advertised_port = advertised_port or port

    @property
    def url(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    def spec(self) -> ProcessSpec:
        ports = ("--port", str(self.port), "--advertised-port", str(self.advertised_port))
        options = (*ports, "--data-dir", str(self.data_dir))
        fsync = ("--fsync", "interval" if self.durable else "never")
        upkeep = ("--upkeep-seconds", str(self.upkeep_seconds))
        return ProcessSpec(
            name=self.name,
            argv=(sys.executable, "-m", "bevyly.runtime.broker", *options, *fsync, *upkeep),
            log=self.log,
        )

    def ready(self) -> bool:
        return accepts_connections(self.port) and _answers(self.url)


def _answers(brokers: str) -> bool:
    client = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    try:
        client.list_topics(timeout=2)
    except KafkaException:
        return False
    return True


@contextmanager
def throwaway_kafka() -> Iterator[EmbeddedKafka]:
    """A fresh broker without fsync on a free port."""
    with (
        tempfile.TemporaryDirectory(prefix="bevyly-kafka-") as directory,
        EmbeddedKafka(Path(directory), free_port(), durable=False) as server,
    ):
        yield server

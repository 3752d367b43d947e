"""Apache Kafka 4.3.1 on loopback, the broker that the embedded one is measured by. Only tests start it.

The jars come from Maven Central through `kafka_reference.pom.xml` and stay in ~/.cache/bevyly. Needs `java` and `mvn`.
"""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

from bevyly.runtime.children import ProcessSpec
from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.runtime.ports import LOOPBACK, free_port

VERSION = "4.3.1"
POM = Path(__file__).with_suffix(".pom.xml")
HEAP = ("-Xmx512m", "-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")
COMMAND_SECONDS = 600
CLUSTER = "bevyly-of-tests-alone0"
"""A cluster's identity: 16 bytes in base64. Each server is a cluster of its own, so one does for all."""


def missing_tools() -> list[str]:
    """The commands without which Apache Kafka cannot run here."""
    return [tool for tool in ("java", "mvn") if shutil.which(tool) is None]


def libraries() -> Path:
    """The folder with the broker's jars, fetched once per machine, by whichever test process comes first."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "bevyly" / f"kafka-{VERSION}"
    cache.mkdir(parents=True, exist_ok=True)
    done = cache / POM.name
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists() or done.read_bytes() != POM.read_bytes():
            _run(
                *("mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies"),
                *("-DincludeScope=runtime", f"-DoutputDirectory={cache / 'libs'}"),
            )
            done.write_bytes(POM.read_bytes())
    return cache / "libs"


class ApacheKafka(EmbeddedKafka):
    """Broker and controller in one process (KRaft), with the interface of the embedded broker."""

    name = "apache-kafka"
    start_seconds = 120.0  # six seconds of a processor's time, which it may have to share

    def prepare(self) -> None:
        super().prepare()
        if not self._properties.exists():
            self._format(controller_port=free_port())

    def spec(self) -> ProcessSpec:
        return ProcessSpec(
            name=self.name,
            argv=_java("kafka.Kafka", str(self._properties)),
            log=self.log,
            environment={"LOG_DIR": str(self.data_dir)},
            cwd=self.data_dir,
            grace_seconds=20.0,
        )

    @property
    def _properties(self) -> Path:
        return self.data_dir / "server.properties"

    def _format(self, *, controller_port: int) -> None:
        settings = self._settings(controller_port)
        draft = self._properties.with_suffix(".draft")
        draft.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        command = ("format", "--standalone", "--ignore-formatted", "-t", CLUSTER, "-c", str(draft))
        _run(*_java("kafka.tools.StorageTool", *command))
        draft.rename(self._properties)

    def _settings(self, controller_port: int) -> dict[str, str]:
        broker, controller = f"PLAINTEXT://{self.url}", f"CONTROLLER://{LOOPBACK}:{controller_port}"
        advertised = f"PLAINTEXT://{LOOPBACK}:{self.advertised_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"{LOOPBACK}:{controller_port}",
            "listeners": f"{broker},{controller}",
            "advertised.listeners": f"{advertised},{controller}",
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "log.dirs": str(self.data_dir / "data"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "auto.create.topics.enable": "false",
            "log.initial.task.delay.ms": "500",
            "log.retention.check.interval.ms": f"{self.upkeep_seconds * 1000:.0f}",
        }


def _java(main_class: str, *arguments: str) -> tuple[str, ...]:
    return ("java", *HEAP, "-cp", f"{libraries()}/*", main_class, *arguments)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False)
    assert done.returncode == 0, f"{' '.join(command[:3])} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout

"""The broker's state in one place, as handlers see it, and its regular upkeep. Sockets are the server's matter."""

import fcntl
import os
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bevyly.runtime.broker.groups import Groups
from bevyly.runtime.broker.identities import ProducerIds
from bevyly.runtime.broker.offsets import OffsetStore
from bevyly.runtime.broker.topics import TopicStore
from bevyly.runtime.errors import CannotStart
from bevyly.runtime.files import replace_file

NODE_ID = 1
DAY_MS = 86_400_000


class Fsync(StrEnum):
    """When data is forced to the disk. It survives the end of the process in every case, a power cut only as told."""

    ALWAYS = "always"
    """before each acknowledgement"""
    INTERVAL = "interval"
    """every `fsync_seconds`"""
    NEVER = "never"
    """when the operating system likes"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerConfig:
    data_dir: Path
    port: int
    host: str = "127.0.0.1"
    advertised_port: int | None = None
    """The port that clients are told to use, where something stands between them and `port`."""
    fsync: Fsync = Fsync.INTERVAL
    fsync_seconds: float = 1.0
    upkeep_seconds: float = 60.0
    offsets_retention_ms: int = 7 * DAY_MS
    producer_retention_ms: int = DAY_MS


class Broker:
    """`now` gives milliseconds since 1970."""

    def __init__(self, config: BrokerConfig, *, now: Callable[[], int]) -> None:
        self.config = config
        self.now = now
        config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _locked(config.data_dir / "lock")
        self.cluster_id = _cluster_id(config.data_dir / "cluster-id")
        self.topics = TopicStore(config.data_dir / "topics", now=now)
        self.offsets = OffsetStore(config.data_dir / "offsets.journal")
        self.groups = Groups(self.offsets.groups)
        self.producer_ids = ProducerIds(config.data_dir / "producer-ids")

    async def upkeep(self) -> None:
        now = self.now()
        await self.topics.enforce_retention()
        for log in self.topics.logs():
            log.forget_producers_before(now - self.config.producer_retention_ms)
        self.offsets.remove_idle(self.groups.active(), before=now - self.config.offsets_retention_ms)
        self.groups.forget_unused()

    async def sync(self) -> None:
        await self.topics.sync()
        self.offsets.sync()

    def close(self) -> None:
        self.topics.close()
        self.offsets.close()
        os.close(self._lock)


def _locked(path: Path) -> int:
    """The lock lives as long as the process, so a kill releases it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as held:
        os.close(descriptor)
        raise CannotStart(f"Another broker already uses {path.parent}: stop it first.") from held
    return descriptor


def _cluster_id(path: Path) -> str:
    if not path.exists():
        replace_file(path, uuid.uuid4().hex.encode())
    return path.read_text()

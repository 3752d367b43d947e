"""Topics: their names, ids, settings and partitions, kept as one folder each. Creation and deletion survive a kill.

A topic exists from the moment its `topic.json` does, and is gone from the moment its folder is renamed.
"""

import asyncio
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson
from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.log import PartitionLog
from bevyly.runtime.files import replace_file

NAME = re.compile(r"[a-zA-Z0-9._-]{1,249}")
DELETED_SUFFIX = "~deleted"
MAX_PARTITIONS = 1_000
DEFAULTS = {
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "max.message.bytes": "1048588",
    "message.timestamp.type": "CreateTime",
    "min.insync.replicas": "1",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "67108864",
}
FIXED = {"cleanup.policy", "compression.type", "message.timestamp.type", "min.insync.replicas"}


@dataclass(slots=True)
class Topic:
    name: str
    id: uuid.UUID
    settings: dict[str, str]
    partitions: list[PartitionLog]

    def setting(self, name: str) -> int:
        return int(self.settings.get(name, DEFAULTS[name]))

    def append(self, partition: int, records: bytes | None) -> int:
        return self.log(partition).append(
            records, max_bytes=self.setting("max.message.bytes"), segment_bytes=self.setting("segment.bytes")
        )

    def log(self, partition: int) -> PartitionLog:
        if not 0 <= partition < len(self.partitions):
            raise Refused(ErrorCode.unknown_topic_or_partition)
        return self.partitions[partition]


class TopicStore:
    def __init__(self, directory: Path, *, now: Callable[[], int]) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory = directory
        self._now = now
        self._topics: dict[str, Topic] = {}
        self._files = asyncio.Lock()
        for folder in sorted(directory.iterdir()):
            if (folder / "topic.json").exists() and not folder.name.endswith(DELETED_SUFFIX):
                self._open(folder)
            else:
                shutil.rmtree(folder)

    def all(self) -> list[Topic]:
        return list(self._topics.values())

    def get(self, name: str) -> Topic:
        if name not in self._topics:
            raise Refused(ErrorCode.unknown_topic_or_partition)
        return self._topics[name]

    def by_id(self, identity: uuid.UUID | None) -> Topic:
        found = next((topic for topic in self._topics.values() if topic.id == identity), None)
        if found is None:
            raise Refused(ErrorCode.unknown_topic_id)
        return found

    def check_new(self, name: str, *, partitions: int, settings: Mapping[str, str]) -> None:
        """Raise Refused when such a topic cannot be created."""
        if not NAME.fullmatch(name) or name in (".", ".."):
            raise Refused(ErrorCode.invalid_topic_exception, f"{name!r} is not a topic name")
        if name in self._topics:
            raise Refused(ErrorCode.topic_already_exists, f"Topic '{name}' already exists.")
        if not 1 <= partitions <= MAX_PARTITIONS:
            raise Refused(ErrorCode.invalid_partitions, f"1 to {MAX_PARTITIONS} partitions, not {partitions}")
        for key, value in settings.items():
            _check_setting(key, value)

    def create(self, name: str, *, partitions: int, settings: Mapping[str, str]) -> Topic:
        self.check_new(name, partitions=partitions, settings=settings)
        folder = self._directory / name
        folder.mkdir(mode=0o700)
        self._save(folder, uuid.uuid4(), partitions, settings)
        return self._open(folder)

    def check_growth(self, name: str, count: int) -> Topic:
        """The topic; raises Refused when it cannot get `count` partitions."""
        topic = self.get(name)
        if not len(topic.partitions) < count <= MAX_PARTITIONS:
            raise Refused(ErrorCode.invalid_partitions, f"the topic has {len(topic.partitions)} partitions")
        return topic

    def add_partitions(self, name: str, count: int) -> None:
        topic = self.check_growth(name, count)
        folder = self._directory / name
        self._save(folder, topic.id, count, topic.settings)
        topic.partitions.extend(
            PartitionLog(folder / str(n), now=self._now) for n in range(len(topic.partitions), count)
        )

    async def delete(self, name: str) -> None:
        async with self._files:
            topic = self.get(name)
            del self._topics[name]
            for log in topic.partitions:
                log.close()
            doomed = self._directory / f"{topic.id}{DELETED_SUFFIX}"
            (self._directory / name).rename(doomed)
            shutil.rmtree(doomed)

    async def enforce_retention(self) -> None:
        now = self._now()
        async with self._files:
            for topic in self.all():
                age, size = topic.setting("retention.ms"), topic.setting("retention.bytes")
                for log in topic.partitions:
                    log.enforce_retention(oldest=now - age if age >= 0 else None, max_bytes=size if size >= 0 else None)

    def logs(self) -> list[PartitionLog]:
        return [log for topic in self._topics.values() for log in topic.partitions]

    async def sync(self) -> None:
        """fsync off the event loop; the lock keeps files from being closed meanwhile."""
        async with self._files:
            for log in self.logs():
                await asyncio.to_thread(log.sync)

    def close(self) -> None:
        for log in self.logs():
            log.close()

    def _open(self, folder: Path) -> Topic:
        description = orjson.loads((folder / "topic.json").read_bytes())
        logs = [PartitionLog(folder / str(number), now=self._now) for number in range(description["partitions"])]
        topic = Topic(folder.name, uuid.UUID(description["id"]), description["settings"], logs)
        self._topics[topic.name] = topic
        return topic

    @staticmethod
    def _save(folder: Path, identity: uuid.UUID, partitions: int, settings: Mapping[str, str]) -> None:
        description = {"id": str(identity), "partitions": partitions, "settings": dict(settings)}
        replace_file(folder / "topic.json", orjson.dumps(description))


def _check_setting(name: str, value: str) -> None:
    if name not in DEFAULTS:
        raise Refused(ErrorCode.invalid_config, f"Unknown topic config name: {name}")
    if name in FIXED:
        if value != DEFAULTS[name]:
            raise Refused(ErrorCode.invalid_config, f"{name} can only be {DEFAULTS[name]} on this broker")
        return
    if not re.fullmatch(r"-?\d{1,18}", value):
        raise Refused(ErrorCode.invalid_config, f"{name} is a whole number, not {value!r}")

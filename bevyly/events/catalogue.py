"""The catalogue: which event types exist, on which topic each goes. Read from the files in `topics/` once."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from bevyly.errors import Invalid

_TOPICS = Path(__file__).parent / "topics"
DEAD_LETTER_SUFFIX = ".dlq"


class UnknownEventType(Invalid):
    """No topic file names this event type."""

    code = "unknown_event_type"


@dataclass(frozen=True)
class Topic:
    """A topic as its file describes it."""

    name: str
    owner: str
    description: str
    key: str
    partitions: int
    retention_hours: int
    types: dict[str, list[int]]
    producers: dict[str, list[str]]

    def producers_of(self, type_: str) -> list[str]:
        """Who publishes events of `type_`."""
        return [producer for producer, types in self.producers.items() if type_ in types]

    @property
    def dead_letters(self) -> str:
        """Name of the topic for events of this one that could not be applied."""
        return self.name + DEAD_LETTER_SUFFIX


@lru_cache(maxsize=1)
def topics() -> dict[str, Topic]:
    """All topics by name."""
    found = (_parse(yaml.safe_load(path.read_text())) for path in sorted(_TOPICS.glob("*.yaml")))
    return {topic.name: topic for topic in found}


@lru_cache(maxsize=1)
def _topic_by_type() -> dict[str, str]:
    return {type_: topic.name for topic in topics().values() for type_ in topic.types}


def topic_of(type_: str) -> str:
    """Name of the topic that carries events of `type_`; raises `UnknownEventType`."""
    try:
        return _topic_by_type()[type_]
    except KeyError:
        raise UnknownEventType(f"no topic carries events of type {type_!r}") from None


def _parse(raw: dict[str, Any]) -> Topic:
    return Topic(**{name: raw[name] for name in Topic.__dataclass_fields__})


@lru_cache
def newest_version(type_: str) -> int:
    """The schema version under which we write events of `type_`: the newest that consumers accept."""
    return max((version for topic in topics().values() for version in topic.types.get(type_, [])), default=1)

"""Who wants which events: patterns of types, and conditions on fields of `data` that must all hold.

A type is named exactly (`opportunity.updated`), by its first word (`opportunity.*`) or not at all (`*`). Only facts
are offered: commands to agents stay inside.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from bevyly.events.catalogue import topics
from bevyly.events.envelope import Event

TOPICS = ("bevyly.domain", "bevyly.integration")
PING = "webhook.ping"
"""The type of a test message: it goes to one endpoint and never over Kafka."""
EVERYTHING = "*"
CHANNEL = "bevyly_webhooks"
"""PostgreSQL notifies the deliverers here when something is due."""
_MISSING = object()


@lru_cache(maxsize=1)
def offered_types() -> frozenset[str]:
    """Every event type that an endpoint may ask for."""
    return frozenset(type_ for name, topic in topics().items() if name in TOPICS for type_ in topic.types)


def is_offered(pattern: str) -> bool:
    """Whether `pattern` can match anything."""
    return any(_type_matches(pattern, type_) for type_ in offered_types())


def wants(event_types: Sequence[str], filters: Sequence[Mapping[str, Any]], event: Event) -> bool:
    """Whether an endpoint with these patterns and filters is to get `event`."""
    return any(_type_matches(pattern, event.type) for pattern in event_types) and all(
        _holds(one, event.data) for one in filters
    )


def _type_matches(pattern: str, type_: str) -> bool:
    if pattern.endswith(".*"):
        return type_.startswith(pattern[:-1])
    return pattern in (EVERYTHING, type_)


def _holds(condition: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    field = condition["field"]
    if condition["op"] == "changed":
        after = _at(data.get("after"), field)
        return after is not _MISSING and not _same(after, _at(data.get("before"), field))
    value = _at(data, field)
    wanted = condition["values"] if condition["op"] == "in" else [condition["value"]]
    return value is not _MISSING and any(_same(value, one) for one in wanted)


def _at(value: Any, path: str) -> Any:
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return _MISSING
        value = value[name]
    return value


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: `true` is no 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)

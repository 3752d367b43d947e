"""`python -m bevyly.events.reference > docs/guides/event-catalogue.md`: the catalogue as a page for people.

Everything on it comes from the files of topics, schemas and examples; a test keeps the page current.
"""

import json
import sys
from collections.abc import Iterator

from bevyly.events.catalogue import Topic, topics
from bevyly.events.contracts import EXAMPLES, SCHEMAS
from bevyly.events.envelope import Event

_ROOT = "../../bevyly/events"
_HEAD = """# Event catalogue

Made by `python -m bevyly.events.reference` from `bevyly/events/{topics,schemas,examples}`: change those, not this page.

Every event is a CloudEvents 1.0 envelope in JSON. `subject` names what it is about, `sequence` is the version of
that subject: it grows with every event about it and may leave gaps. `time` is when it happened, `recordedtime` when it
became known. Delivery is at least once and in order for each subject: drop an `id` that you have seen.

What is deleted keeps its identity: `….deleted` says what it was, `….restored` carries the whole record again. A merge
is told of the record that stays (`….merged`), and of each one that goes as `….deleted` with `merged_into`.
"""


def render() -> str:
    """The page."""
    return "\n".join([_HEAD, *(line for topic in topics().values() for line in _topic(topic))]) + "\n"


def subject_of(type_: str) -> str:
    """Kinds of subject that events of `type_` have, as the examples show."""
    found = {Event.from_json(path.read_bytes()).subject_type for path in (EXAMPLES / type_).glob("*/*.json")}
    return ", ".join(sorted(found))


def _topic(topic: Topic) -> Iterator[str]:
    yield f"## `{topic.name}`\n"
    yield f"{topic.description} Key: {topic.key}. Kept {topic.retention_hours // 24} days.\n"
    yield "| type | what happened | subject | published by | versions |"
    yield "|---|---|---|---|---|"
    for type_, versions in topic.types.items():
        links = ", ".join(
            f"[{version}]({_ROOT}/schemas/{type_}/{version}.json) ([examples]({_ROOT}/examples/{type_}/{version}))"
            for version in versions
        )
        producers = ", ".join(topic.producers_of(type_))
        yield f"| `{type_}` | {_description(type_, versions[-1])} | {subject_of(type_)} | {producers} | {links} |"
    yield ""


def _description(type_: str, version: int) -> str:
    schema = json.loads((SCHEMAS / type_ / f"{version}.json").read_bytes())
    return str(schema["description"])


if __name__ == "__main__":
    sys.stdout.write(render())

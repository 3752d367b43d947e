"""Compatibility: whether what was written under one version of a schema can still be read, and what may follow it.

A new version may add optional fields and nothing else. Descriptions may change; everything that accepts or refuses
a value may not. `landed.json` remembers what was once accepted: events of it lie in Kafka and in `raw.events`, so it
can neither change nor go. `python -m bevyly.events.compatibility` compares; `--accept` adds what is new.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bevyly.errors import Conflict
from bevyly.events.catalogue import topics
from bevyly.events.contracts import PROSE, rules

LANDED = Path(__file__).parent / "landed.json"
COMMAND = "python -m bevyly.events.compatibility --accept"
_MEMBERS = {"properties", "required"}

Version = tuple[str, int]
Entry = dict[str, Any]
"""Topic and rules of one version of one type."""


class Incompatible(Conflict):
    """What has landed changed or is gone, or a new version cannot follow the one before it."""

    code = "incompatible_schema"


def incompatibilities(old: dict[str, Any], new: dict[str, Any], *, path: str = "data") -> list[str]:
    """What stands in the way of `new` as the next version of `old`, in words; empty when nothing does."""
    return sorted(_differences(old, new, path, may_add=True))


def differences(old: dict[str, Any], new: dict[str, Any], *, path: str = "data") -> list[str]:
    """Which rules of `new` are not those of `old`, in words; descriptions do not count."""
    return sorted(_differences(old, new, path, may_add=False))


def landed(path: Path = LANDED) -> dict[Version, Entry]:
    """What was accepted so far."""
    document = json.loads(path.read_text()) if path.exists() else {}
    return {(type_, int(version)): entry for type_, found in document.items() for version, entry in found.items()}


def offered() -> dict[Version, Entry]:
    """What catalogue and schemas say now."""
    return {
        (type_, version): {"topic": topic.name, "rules": rules(type_, version)}
        for topic in topics().values()
        for type_, versions in topic.types.items()
        for version in versions
    }


def violations(known: dict[Version, Entry], now: dict[Version, Entry]) -> list[str]:
    """What must not be accepted, each with what to do instead."""
    return sorted([*_taken_back(known, now), *_cannot_follow(known, now)])


def not_landed(known: dict[Version, Entry], now: dict[Version, Entry]) -> list[str]:
    """What is new and only has to be accepted."""
    return [f"{type_} {version} is new: run `{COMMAND}`" for type_, version in sorted(now.keys() - known.keys())]


def accept(known: dict[Version, Entry], now: dict[Version, Entry], path: Path = LANDED) -> int:
    """Remember what is new; how many versions. Raises `Incompatible` where anything must not be accepted."""
    found = violations(known, now)
    if found:
        raise Incompatible("\n".join(found))
    path.write_text(_render(known | now))
    return len(now.keys() - known.keys())


def _taken_back(known: dict[Version, Entry], now: dict[Version, Entry]) -> Iterator[str]:
    for (type_, version), entry in known.items():
        if (type_, version) not in now:
            yield f"{type_} {version} has landed and is gone: put it back, for its events are in Kafka and raw.events"
            continue
        offer = now[type_, version]
        if offer["topic"] != entry["topic"]:
            yield f"{type_} {version} has landed on {entry['topic']}: leave it there, since its order is kept there"
        for difference in differences(entry["rules"], offer["rules"]):
            yield f"{type_} {version} has landed, and {difference}: take that back, and make version {version + 1}"


def _cannot_follow(known: dict[Version, Entry], now: dict[Version, Entry]) -> Iterator[str]:
    for type_, version in sorted(now.keys() - known.keys()):
        before = now.get((type_, version - 1))
        if before is None and version > 1:
            yield f"{type_} {version} leaves a gap: versions follow one another"
        if before is not None:
            for problem in incompatibilities(before["rules"], now[type_, version]["rules"]):
                yield f"{type_} {version} cannot follow {version - 1}, since {problem}: make a new type instead"


def _differences(old: dict[str, Any], new: dict[str, Any], path: str, *, may_add: bool) -> list[str]:
    found = [f"{path}: {name} is newly required" for name in _required(new) - _required(old)]
    found += [f"{path}: {name} is no longer required" for name in _required(old) - _required(new)]
    found += [f"{path}: {word} changed" for word in sorted(_rules(old) | _rules(new)) if old.get(word) != new.get(word)]
    before, after = old.get("properties", {}), new.get("properties", {})
    found += [f"{path}/{name}: is gone" for name in before.keys() - after.keys()]
    if not may_add:
        found += [f"{path}/{name}: is new" for name in after.keys() - before.keys()]
    for name in before.keys() & after.keys():
        found += _differences(before[name], after[name], f"{path}/{name}", may_add=may_add)
    return found


def _required(schema: dict[str, Any]) -> set[str]:
    return set(schema.get("required", ()))


def _rules(schema: dict[str, Any]) -> set[str]:
    return schema.keys() - PROSE - _MEMBERS


def _render(entries: dict[Version, Entry]) -> str:
    """One line a version, so that a review shows what was added."""
    types = sorted({type_ for type_, _ in entries})
    lines = [
        f' "{type_}": {{\n'
        + ",\n".join(
            f'  "{version}": {json.dumps(entries[known, version], sort_keys=True)}'
            for known, version in sorted(entries)
            if known == type_
        )
        + "\n }"
        for type_ in types
    ]
    return "{\n" + ",\n".join(lines) + "\n}\n"


def main(arguments: list[str]) -> int:
    """Exit code 0 when all that is offered has landed unchanged; otherwise what to do, and 1."""
    known, now = landed(), offered()
    try:
        if "--accept" in arguments:
            sys.stdout.write(f"accepted: {accept(known, now)} new\n")
            return 0
    except Incompatible as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    found = violations(known, now) + not_landed(known, now)
    sys.stderr.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

"""Compatibility: whether consumers of one version of a schema can read events of the next.

A new version may add optional fields and nothing else. Descriptions may change; everything that accepts or refuses
a value may not.
"""

from typing import Any

_PROSE = {"$schema", "$id", "title", "description", "examples", "$comment"}
_MEMBERS = {"properties", "required"}


def incompatibilities(old: dict[str, Any], new: dict[str, Any], *, path: str = "data") -> list[str]:
    """What stands in the way of `new` as the next version of `old`, in words; empty when nothing does."""
    found = [f"{path}: {name} is newly required" for name in _required(new) - _required(old)]
    found += [f"{path}: {name} is no longer required" for name in _required(old) - _required(new)]
    found += [f"{path}: {word} changed" for word in sorted(_rules(old) | _rules(new)) if old.get(word) != new.get(word)]
    known, offered = old.get("properties", {}), new.get("properties", {})
    found += [f"{path}/{name}: is gone" for name in known.keys() - offered.keys()]
    for name in known.keys() & offered.keys():
        found += incompatibilities(known[name], offered[name], path=f"{path}/{name}")
    return sorted(found)


def _required(schema: dict[str, Any]) -> set[str]:
    return set(schema.get("required", ()))


def _rules(schema: dict[str, Any]) -> set[str]:
    return schema.keys() - _PROSE - _MEMBERS

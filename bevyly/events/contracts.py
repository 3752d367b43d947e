"""Contracts: the JSON Schema that the `data` of an event must follow, one file for each type and version.

Belongs here: finding, compiling and applying the files in `schemas/`. What the envelope must look like is `envelope`;
whether a new version of a schema may replace an old one is `compatibility`.
"""

import json
import re
from collections.abc import Callable
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import msgspec
from jsonschema_rs import Draft202012Validator, RegexOptions, Registry, dereference

from bevyly.errors import Invalid
from bevyly.events.catalogue import UnknownEventType, topics
from bevyly.events.envelope import Event

SCHEMAS = Path(__file__).parent / "schemas"
EXAMPLES = Path(__file__).parent / "examples"
SHARED = "shared"
PROSE = frozenset({"$schema", "$id", "title", "description", "examples", "$comment"})
"""Words of a schema that accept or refuse nothing."""
_UNORDERED = frozenset({"required", "enum", "type"})
_BASE = "https://schemas.bevyly.com/events"
# `\u0000` behind an even number of backslashes: a NUL, and not the six characters that spell one
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_BACKSLASH = ord("\\")
_UUID = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# id, tenant and subject in a row, the first two of 36 characters each: one match instead of one per field
_ADDRESS = re.compile(rf"{_UUID}{_UUID}[a-z_]{{1,50}}/[0-9A-Za-z_.-]{{1,36}}")
_encode = msgspec.json.Encoder().encode


class UnknownSchemaVersion(Invalid):
    """The catalogue does not accept this version of the event type."""

    code = "unknown_schema_version"


class ContractViolation(Invalid):
    """`data` does not follow the schema of its type and version; `context["path"]` says where."""

    code = "contract_violation"


class NulCharacter(Invalid):
    """A string holds U+0000, which PostgreSQL cannot store."""

    code = "nul_character"


def validate(event: Event) -> bytes:
    """The JSON of `event.data`, if envelope and data keep the contract of their type and version.

    Raises `UnknownEventType`, `UnknownSchemaVersion`, `ContractViolation` or `NulCharacter`.
    """
    if not _ADDRESS.fullmatch(f"{event.id}{event.tenant_id}{event.subject}") or _holds_nul(event):
        raise ContractViolation(f"{event.type}: id, tenant, subject or source is not as the envelope asks", path="")
    check = _checker(event.type, event.schema_version)
    encoded = _encode(event.data)
    if _BACKSLASH in encoded and _NUL.search(encoded):
        raise NulCharacter(f"the data of {event.type} holds a NUL character")
    if not check(event.data):
        raise _violation(event)
    return encoded


def _holds_nul(event: Event) -> bool:
    return (
        "\0" in event.source
        or (event.causation_id is not None and "\0" in event.causation_id)
        or (event.correlation_id is not None and "\0" in event.correlation_id)
    )


@cache
def validator(type_: str, version: int) -> Draft202012Validator:
    """The compiled schema of `type_` in `version`."""
    accepted = _accepted_versions().get(type_)
    if accepted is None:
        raise UnknownEventType(f"no topic carries events of type {type_!r}")
    if version not in accepted:
        raise UnknownSchemaVersion(f"version {version} of {type_} is not accepted; accepted: {accepted}")
    path = SCHEMAS / type_ / f"{version}.json"
    return Draft202012Validator(
        json.loads(path.read_bytes()), registry=_registry(), pattern_options=RegexOptions(), validate_formats=True
    )


def rules(type_: str, version: int) -> dict[str, Any]:
    """What the schema of `type_` in `version` asks for: its references resolved, its prose left out."""
    schema = json.loads((SCHEMAS / type_ / f"{version}.json").read_bytes())
    found: dict[str, Any] = _without_prose(dereference(schema, registry=_registry()))
    return found


def _without_prose(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_without_prose(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    bare = {word: value for word, value in schema.items() if word not in PROSE}
    return {
        word: {name: _without_prose(one) for name, one in value.items()}
        if word == "properties"
        else sorted(value, key=str)
        if word in _UNORDERED and isinstance(value, list)
        else _without_prose(value)
        for word, value in bare.items()
    }


@cache
def _checker(type_: str, version: int) -> Callable[[Any], bool]:
    return validator(type_, version).is_valid


@lru_cache(maxsize=1)
def _accepted_versions() -> dict[str, list[int]]:
    return {type_: versions for topic in topics().values() for type_, versions in topic.types.items()}


@lru_cache(maxsize=1)
def _registry() -> Registry:
    shared = sorted((SCHEMAS / SHARED).glob("*.json"))
    return Registry([(f"{_BASE}/{SHARED}/{path.name}", json.loads(path.read_bytes())) for path in shared])


def _violation(event: Event) -> ContractViolation:
    error = next(iter(validator(event.type, event.schema_version).iter_errors(event.data)))
    path = "/".join(["data", *map(str, error.instance_path)])
    return ContractViolation(f"{event.type}: {path}: {' '.join(error.message.split())[:300]}", path=path)

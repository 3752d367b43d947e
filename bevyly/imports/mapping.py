"""Mappings: which file of an export holds which object, and which events its rows become. One YAML file an object.

Names of columns and files are compared without case, blanks, underscores and the prefix `property_`, so that an
export from the screen, from the API and from a replication tool are one shape.
"""

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bevyly.imports.errors import BadMapping

MAPPINGS = Path(__file__).parent / "mappings"
SYSTEMS = ("hubspot", "salesforce")
Form = Literal["text", "integer", "minor", "currency", "instant", "day", "domain", "email", "milliseconds", "minutes"]


@cache
def plain(name: str) -> str:
    """A name as names are compared."""
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^property_", "", name.strip().lower()))


def _names(value: Any) -> Any:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise ValueError("names are texts: put quotes around one that YAML takes for something else")
    return [plain(one) for one in names]


def _value(value: Any) -> Any:
    return {"from": value} if isinstance(value, str | list) else value


Names = Annotated[list[str], BeforeValidator(_names)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ValueRule(_Part):
    """Where a value comes from: the first filled of some columns, then another file, then a table, then its form."""

    columns: Names = Field(default_factory=list, alias="from")
    join: Names = Field(default_factory=list, description="columns that make the value together, where those are empty")
    form: Form = Field(default="text", alias="as")
    table: dict[str, str] | None = None
    other: str | None = Field(
        default=None, description="what a value that the table lacks becomes; else it is an error"
    )
    lookup: str | None = None
    or_itself: bool = Field(default=False, description="a value that the lookup lacks stays what it is")
    default: str | None = Field(default=None, description="what an empty value becomes")


class Condition(_Part):
    """Whether a rule concerns a row: its value is one of some, is there at all, or is an instant that has passed."""

    columns: Names = Field(alias="column")
    among: list[str] | None = Field(default=None, alias="in")
    past: bool = False
    found_in: str | None = None


class LookupRule(_Part):
    """Another file of the export, as a table from `key` to the first filled of `value`; the earliest row by `order`."""

    files: Names
    key: Names
    value: Names
    order: Names = Field(default_factory=list)


class EventRule(_Part):
    """One event that a row becomes."""

    type: Annotated[ValueRule, BeforeValidator(lambda value: {"default": value} if isinstance(value, str) else value)]
    time: Names
    fields: dict[str, Annotated[ValueRule, BeforeValidator(_value)]] = Field(default_factory=dict)
    custom: bool = False
    when: list[Condition] = Field(default_factory=list)
    unless: list[Condition] = Field(default_factory=list)


class Mapping(_Part):
    """One object of a system."""

    object: str
    kind: Literal["account", "contact", "lead", "opportunity", "activity"]
    files: Names
    id: Names
    skip: list[Condition] = Field(default_factory=list, description="rows that are no records any more")
    lookups: dict[str, LookupRule] = Field(default_factory=dict)
    ignore: Names = Field(default_factory=list, description="columns that say nothing about the record")
    ignore_prefixes: Names = Field(default_factory=list)
    events: list[EventRule]
    shared: Any = Field(default=None, description="anchors of YAML that events have in common")


def mappings_of(system: str, own: Path | None = None) -> list[Mapping]:
    """All mappings of a system; one in `own` stands for ours of that object. Raises `BadMapping` with file and key."""
    folders = [MAPPINGS / system, *([own] if own else [])]
    loaded = [load(path) for folder in folders for path in sorted(folder.glob("*.yaml"))]
    return list({mapping.object: mapping for mapping in loaded}.values())


def load(path: Path) -> Mapping:
    """The mapping in one file."""
    try:
        mapping = Mapping.model_validate(yaml.safe_load(path.read_text()))
    except (ValidationError, yaml.YAMLError) as error:
        raise BadMapping(f"{path.name}: {error}") from None
    known = mapping.lookups.keys()
    asked = [rule.lookup for event in mapping.events for rule in event.fields.values() if rule.lookup]
    asked += [one.found_in for event in mapping.events for one in (*event.when, *event.unless) if one.found_in]
    missing = sorted(set(asked) - known)
    if missing:
        raise BadMapping(f"{path.name}: no lookup is named {', '.join(missing)}")
    return mapping

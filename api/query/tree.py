"""A filter as a tree: what was written, typed, and printed again in one form. Nothing here knows any list.

Every node knows its depth and every name and literal its position in the text; positions do not count for equality.
"""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TypeAlias

import orjson

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
SEARCHES = ("contains", "starts", "ends")
MOMENTS = ("now", "start_of_day", "start_of_week", "start_of_month", "start_of_quarter", "start_of_year")
UNITS = ("h", "d", "w", "mo", "y")
PERIODS = (
    "yesterday", "today", "tomorrow",
    *(f"{which}_{unit}" for unit in ("week", "month", "quarter", "year") for which in ("last", "this", "next")),
)  # fmt: skip


@dataclass(frozen=True)
class Text:
    """A text in double quotes."""

    value: str
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return orjson.dumps(self.value).decode()


@dataclass(frozen=True)
class Number:
    """A whole or decimal number."""

    value: Decimal
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.value:f}"


@dataclass(frozen=True)
class Boolean:
    """`true` or `false`."""

    value: bool
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True)
class Day:
    """A day of the calendar: a span of time, from its midnight to the next."""

    value: date
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.value.isoformat()


@dataclass(frozen=True)
class Instant:
    """A moment, in UTC."""

    value: datetime
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.value.isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Offset:
    """A moment so many hours, days, weeks, months or years from now."""

    count: int
    unit: str
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return f"{self.count:+d}{self.unit}"


@dataclass(frozen=True)
class Named:
    """A moment or period that has a name, or `me`: the one who asks."""

    name: str
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.name


Literal: TypeAlias = Text | Number | Boolean | Day | Instant | Offset | Named


@dataclass(frozen=True)
class Path:
    """The name of a field: its own, of a relation (`account.industry`), or of the tenant (`custom.tier`)."""

    parts: tuple[str, ...]
    position: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return ".".join(part if _is_plain(part) else orjson.dumps(part).decode() for part in self.parts)


@dataclass(frozen=True)
class Condition:
    """One field compared with some literals; `is null` takes none, `between` two, lists one or more."""

    path: Path
    operator: str
    values: tuple[Literal, ...] = ()
    depth: int = field(default=1, compare=False, init=False)

    def __str__(self) -> str:
        values = [str(value) for value in self.values]
        if self.operator in ("in", "has any"):
            return f"{self.path} {self.operator} ({', '.join(values)})"
        return " ".join([str(self.path), self.operator, " and ".join(values)]).rstrip()


@dataclass(frozen=True)
class Not:
    """The opposite."""

    part: "Expression"
    depth: int = field(default=0, compare=False, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", self.part.depth + 1)

    def __str__(self) -> str:
        return f"not {_grouped(self.part, And, Or)}"


@dataclass(frozen=True)
class And:
    """All of them."""

    parts: tuple["Expression", ...]
    depth: int = field(default=0, compare=False, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", 1 + max(part.depth for part in self.parts))

    def __str__(self) -> str:
        return " and ".join(_grouped(part, And, Or) for part in self.parts)


@dataclass(frozen=True)
class Or:
    """At least one of them."""

    parts: tuple["Expression", ...]
    depth: int = field(default=0, compare=False, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", 1 + max(part.depth for part in self.parts))

    def __str__(self) -> str:
        return " or ".join(_grouped(part, Or) for part in self.parts)


Expression: TypeAlias = Condition | Not | And | Or


def conditions(expression: Expression) -> list[Condition]:
    """All conditions, from left to right."""
    if isinstance(expression, Condition):
        return [expression]
    parts = (expression.part,) if isinstance(expression, Not) else expression.parts
    return [one for part in parts for one in conditions(part)]


def _grouped(part: Expression, *kinds: type) -> str:
    return f"({part})" if isinstance(part, kinds) else str(part)


def _is_plain(name: str) -> bool:
    return name.isascii() and name.isidentifier() and name not in RESERVED


RESERVED = frozenset({"and", "or", "not", "is", "null", "any", *COMPARISONS, *SEARCHES, "in", "between", "has"})
"""Words of the grammar: a field of a tenant with such a name is written in quotes."""

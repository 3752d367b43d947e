"""Shapes that more than one area speaks: field types with their bounds, the base of all inputs, problems, pages.

Every text and number is bounded by the column that keeps it, so that the database never has to refuse.
"""

from datetime import UTC, date, datetime
from typing import Annotated, Any
from unicodedata import normalize
from zoneinfo import available_timezones

import orjson
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    EmailStr,
    Field,
    JsonValue,
    StringConstraints,
)

from bevyly.db.pagination import DEFAULT_LIMIT, MAX_LIMIT

_MAX_CUSTOM_BYTES = 32 * 1024
_LONGEST_TAG = 50
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)


def _instant(value: datetime) -> datetime:
    if not _EARLIEST <= value < _LATEST:
        raise ValueError("must lie between 1970 and 2200")
    return value.astimezone(UTC)


def _day(value: date) -> date:
    if not _EARLIEST.date() <= value < _LATEST.date():
        raise ValueError("must lie between 1970 and 2200")
    return value


def _written(value: Any) -> Any:
    """A time is written as text: pydantic would take a number, also in quotes, for seconds since 1970."""
    if isinstance(value, int | float) or (isinstance(value, str) and _is_number(value)):
        raise ValueError("must be written as in RFC 3339")
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _no_truth(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def small(value: dict[str, Any]) -> dict[str, Any]:
    """`value`, if it is no more than what one field may hold."""
    if len(orjson.dumps(value)) > _MAX_CUSTOM_BYTES:
        raise ValueError("at most 32 KiB")
    return value


def _tag(value: str) -> str:
    tag = " ".join(normalize("NFC", value).lower().split())
    if not 1 <= len(tag) <= _LONGEST_TAG:
        raise ValueError(f"has 1 to {_LONGEST_TAG} characters")
    return tag


def _each_once(value: list[str]) -> list[str]:
    return sorted(set(value))


def _text(longest: int) -> Any:
    return StringConstraints(min_length=1, max_length=longest, strip_whitespace=True)


Id = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Name = Annotated[str, _text(255)]
Text100 = Annotated[str, _text(100)]
Text50 = Annotated[str, _text(50)]
Subject = Annotated[str, _text(500)]
LongText = Annotated[str, StringConstraints(max_length=100_000)]
Comment = Annotated[str, StringConstraints(max_length=10_000)]
Email = Annotated[EmailStr, Field(max_length=255)]
Domain = Annotated[
    str, StringConstraints(max_length=255, pattern=r"^[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}$", to_lower=True)
]
Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Minor = Annotated[int, BeforeValidator(_no_truth), Field(ge=0, le=2**53 - 1, description="an amount in minor units")]
Count = Annotated[int, BeforeValidator(_no_truth), Field(ge=0, le=2**31 - 1)]
Instant = Annotated[AwareDatetime, BeforeValidator(_written), AfterValidator(_instant)]
Day = Annotated[date, BeforeValidator(_written), AfterValidator(_day)]
Scalar = (
    Annotated[str, StringConstraints(max_length=10_000)]
    | bool
    | Annotated[int, Field(ge=-(2**63), lt=2**63)]
    | Annotated[float, Field(ge=-(2**63), lt=2**63, allow_inf_nan=False)]
    | None
)
Custom = Annotated[
    dict[Text100, Scalar | Annotated[list[Scalar], Field(max_length=100)]],
    Field(
        max_length=200,
        description="fields of the tenant's own: scalars or lists of scalars, of their type where one is defined; "
        "null takes one away",
    ),
    AfterValidator(small),
]


Tag = Annotated[str, StringConstraints(max_length=200), AfterValidator(_tag)]
Tags = Annotated[
    list[Tag],
    Field(max_length=50, description="labels of up to 50 characters; kept in lower case, each once, in order"),
    AfterValidator(_each_once),
]


def _zone(value: str) -> str:
    if value not in available_timezones():
        raise ValueError("must be a time zone of the IANA database, such as Europe/Berlin")
    return value


Timezone = Annotated[str, StringConstraints(max_length=64), AfterValidator(_zone)]
AttentionBudget = Annotated[int, Field(ge=1, le=50, description="how many items a briefing shows")]
TimeOfDay = Annotated[str, StringConstraints(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Input(BaseModel):
    """Base of everything that comes in: an unknown field is an error, so that nobody assigns what is ours."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=False)


class WorkingHours(Input):
    """When somebody works: days of the week (1 is Monday), and from when to when, in their time zone."""

    days: list[Annotated[int, Field(ge=1, le=7)]] = Field(max_length=7)
    start: TimeOfDay
    end: TimeOfDay


class Output(BaseModel):
    """Base of everything that goes out; documentation and tests only, never in the way of a read."""

    model_config = ConfigDict(extra="forbid")


class PageQuery(Input):
    """What every list takes."""

    limit: int = Field(default=DEFAULT_LIMIT, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(default=None, max_length=500, description="`next_cursor` of the page before")


class PageInfo(Output):
    """Where a page ends."""

    next_cursor: str | None
    limit: int


class FieldProblem(BaseModel):
    """What is wrong with one field."""

    field: str
    code: str
    message: str | None = None


class Problem(BaseModel):
    """An error (RFC 9457). `code` is stable."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str | None
    errors: list[FieldProblem] | None = None


class VersionedOutput(Output):
    """What every record of the CRM carries."""

    id: Id
    version: int
    external_id: str | None
    custom: dict[str, JsonValue]
    created_at: datetime
    updated_at: datetime


class TaggedOutput(VersionedOutput):
    """What every record that can be tagged carries."""

    tags: list[str]

"""What a value of each type of a tenant's own fields may be, and the one form in which it is stored. Pure.

Each value has one form, so that equal values are equal as JSON, and filters compare what is stored. Amounts of money
are no type: without the currency of the row they could be neither compared nor added.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import HttpUrl, TypeAdapter, ValidationError

from api.schemas import Day, Email, Instant

Object = Literal["account", "contact", "lead", "opportunity", "activity"]
Type = Literal["text", "number", "boolean", "date", "datetime", "select", "multi_select", "url", "email"]
CHOSEN = ("select", "multi_select")
UNKNOWN, ARCHIVED, MISFIT = "unknown_custom_field", "archived_custom_field", "invalid_custom_value"
MAX_TEXT = 10_000

_DAY: TypeAdapter[Any] = TypeAdapter(Day)
_INSTANT: TypeAdapter[Any] = TypeAdapter(Instant)
_EMAIL: TypeAdapter[Any] = TypeAdapter(Email)
_URL = TypeAdapter(HttpUrl)


class Refused(Exception):
    """A value that may not be stored; `code` is stable, the text is for a person."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Definition:
    """What a field is, as far as its values are concerned."""

    key: str
    type: str
    options: Sequence[dict[str, Any]] = ()
    max_length: int | None = None
    minimum: float | None = None
    maximum: float | None = None
    archived: bool = False

    def normal(self, value: Any, *, settled: bool) -> Any:
        """`value` as it is stored, None for nothing; raises `Refused`.

        One that is `settled` was stored before: it may be an option, or of a field, that is not offered any more.
        """
        if self.archived and not settled:
            raise Refused(ARCHIVED, "the field takes no new values")
        try:
            return _PLAIN[self.type](value) if self.type in _PLAIN else self._bounded(value, settled=settled)
        except ValidationError as error:
            raise Refused(MISFIT, error.errors()[0]["msg"]) from None
        except ValueError as error:
            raise Refused(MISFIT, str(error)) from None

    def _bounded(self, value: Any, *, settled: bool) -> Any:
        if self.type == "text":
            return _short(value, self.max_length or MAX_TEXT)
        if self.type == "number":
            return _number(value, self.minimum, self.maximum)
        offered = [str(one["value"]) for one in self.options if settled or not one["archived"]]
        return (_one_of if self.type == "select" else _some_of)(value, offered)

    def option(self, text: str) -> str:
        """The option that a person calls `text`, by its value or else by its label; `text` where there is none."""
        if any(one["value"] == text for one in self.options):
            return text
        return next((str(one["value"]) for one in self.options if one["label"].lower() == text.lower()), text)


@dataclass(frozen=True, slots=True)
class Rules:
    """All fields of the records of one kind; where they are `strict`, there are no others."""

    strict: bool = False
    definitions: dict[str, Definition] = field(default_factory=dict)

    def normal(self, key: str, value: Any, *, settled: bool = False) -> Any:
        """`value` as it is stored under `key`, None for nothing; raises `Refused`."""
        definition = self.definitions.get(key)
        if definition is not None:
            return definition.normal(value, settled=settled)
        if self.strict:
            raise Refused(UNKNOWN, "there is no such custom field")
        return value

    def fits(self, key: str, value: Any) -> bool:
        """Whether a value that was stored before may be stored again, elsewhere."""
        try:
            self.normal(key, value, settled=True)
        except Refused:
            return False
        return True


def _text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a text")
    return value.strip()


def _short(value: Any, longest: int) -> str | None:
    text = _text_of(value)
    if len(text) > longest:
        raise ValueError(f"has at most {longest} characters")
    return text or None


def _number(value: Any, minimum: float | None, maximum: float | None) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")
    if minimum is not None and value < minimum:
        raise ValueError(f"must be at least {minimum:g}")
    if maximum is not None and value > maximum:
        raise ValueError(f"must be at most {maximum:g}")
    return int(value) if value == int(value) else value


def _one_of(value: Any, offered: Sequence[str]) -> str:
    if value not in offered:
        raise ValueError(f"must be one of {', '.join(offered[:20])}{', …' if len(offered) > 20 else ''}")
    return str(value)


def _some_of(value: Any, offered: Sequence[str]) -> list[str] | None:
    """Each once, in the order of the options: the same choice is the same list."""
    if not isinstance(value, list):
        raise ValueError("must be a list of options")
    chosen = {_one_of(one, offered) for one in value}
    return [one for one in offered if one in chosen] or None


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be true or false")
    return value


def _date(value: Any) -> str:
    return str(_DAY.validate_python(_text_of(value)).isoformat())


def _datetime(value: Any) -> str:
    return str(_INSTANT.validate_python(_text_of(value)).isoformat().replace("+00:00", "Z"))


def _url(value: Any) -> str:
    return str(_URL.validate_python(_text_of(value)))


def _email(value: Any) -> str:
    return str(_EMAIL.validate_python(_text_of(value)))


_PLAIN: dict[str, Callable[[Any], Any]] = {
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
    "url": _url,
    "email": _email,
}
"""Types that have no bounds of their own."""

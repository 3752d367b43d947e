"""Text to tree: the grammar is in `filter.lark`; what is too long, too deep or too much is refused while it is read.

The transformer works while the parser reads, so that no depth of parentheses or `not` can exhaust the stack.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path as File
from typing import Any

import orjson
from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args

from api.query.errors import InvalidFilter, QueryTooExpensive
from api.query.tree import (
    MOMENTS,
    PERIODS,
    RESERVED,
    And,
    Boolean,
    Condition,
    Day,
    Expression,
    Instant,
    Literal,
    Named,
    Not,
    Number,
    Offset,
    Or,
    Path,
    Text,
    conditions,
)

MAX_LENGTH = 4000
MAX_DEPTH = 10
MAX_CONDITIONS = 30
MAX_LITERALS = 250
_MAX_DIGITS = 30
_MAX_COUNT = 9999
_WORDS = {"true": True, "false": False}
_NAMED = {*MOMENTS, *PERIODS, "me"}
_EXPECTED = {
    "NAME": "a field or a word",
    "STRING": 'a text in "quotes"',
    "NUMBER": "a number",
    "DAY": "a date",
    "COMPARISON": "eq, ne, lt, le, gt, ge",
    "SEARCH": "contains, starts, ends",
    "LPAR": "(",
    "RPAR": ")",
    "COMMA": ",",
    "DOT": ".",
    "$END": "the end",
}
_UNSAID = {"INSTANT", "OFFSET"}


class _Builder(Transformer[Token, Expression]):
    """Rules of the grammar to nodes of the tree."""

    def either(self, parts: list[Expression]) -> Expression:
        return _shallow(Or(tuple(parts)))

    def both(self, parts: list[Expression]) -> Expression:
        return _shallow(And(tuple(parts)))

    def negated(self, parts: list[Expression]) -> Expression:
        return _shallow(Not(parts[0]))

    def path(self, tokens: list[Token]) -> Path:
        if tokens[0] in RESERVED:
            raise InvalidFilter(f"A field is expected, not the word {tokens[0]}.", position=_position(tokens[0]))
        parts = [_decoded(token).value if token.type == "STRING" else str(token) for token in tokens]
        return Path(tuple(parts), _position(tokens[0]))

    @v_args(inline=True)
    def compared(self, path: Path, operator: Token, value: Literal) -> Condition:
        return Condition(path, str(operator), (value,))

    def within(self, parts: list[Any]) -> Condition:
        return Condition(parts[0], "in", tuple(parts[1:]))

    def between(self, parts: list[Any]) -> Condition:
        return Condition(parts[0], "between", tuple(parts[1:]))

    def has(self, parts: list[Any]) -> Condition:
        return Condition(parts[0], "has", tuple(parts[1:]))

    def has_any(self, parts: list[Any]) -> Condition:
        return Condition(parts[0], "has any", tuple(parts[1:]))

    def empty(self, parts: list[Any]) -> Condition:
        return Condition(parts[0], "is null")

    def filled(self, parts: list[Any]) -> Expression:
        return _shallow(Not(Condition(parts[0], "is null")))

    def text(self, tokens: list[Token]) -> Literal:
        return _decoded(tokens[0])

    def number(self, tokens: list[Token]) -> Literal:
        if len(tokens[0]) > _MAX_DIGITS:
            raise InvalidFilter(f"A number has at most {_MAX_DIGITS} digits.", position=_position(tokens[0]))
        return Number(Decimal(str(tokens[0])), _position(tokens[0]))

    def day(self, tokens: list[Token]) -> Literal:
        return Day(_instant(tokens[0]).date(), _position(tokens[0]))

    def instant(self, tokens: list[Token]) -> Literal:
        return Instant(_instant(tokens[0]), _position(tokens[0]))

    def offset(self, tokens: list[Token]) -> Literal:
        unit = tokens[0].lstrip("+-0123456789")
        digits = tokens[0].removesuffix(unit)
        if len(digits) > 6 or abs(int(digits)) > _MAX_COUNT:
            raise InvalidFilter(f"An offset is at most {_MAX_COUNT}.", position=_position(tokens[0]))
        return Offset(int(digits), unit, _position(tokens[0]))

    def word(self, tokens: list[Token]) -> Literal:
        name, position = str(tokens[0]), _position(tokens[0])
        if name in _WORDS:
            return Boolean(_WORDS[name], position)
        if name in _NAMED:
            return Named(name, position)
        hint = "Use `is null`." if name == "null" else 'A text stands in "double quotes".'
        raise InvalidFilter(f"{name[:50]} is no value. {hint}", position=position)


_PARSER = Lark(
    File(__file__).with_name("filter.lark").read_text(encoding="utf-8"), parser="lalr", transformer=_Builder()
)


@lru_cache(maxsize=1024)
def parse(text: str) -> Expression:
    """The tree of a filter; raises `InvalidFilter` or `QueryTooExpensive`."""
    if len(text) > MAX_LENGTH:
        raise QueryTooExpensive(f"A filter has at most {MAX_LENGTH} characters.", parameter="filter")
    try:
        # the transformer has replaced the tree of tokens by ours
        tree: Any = _PARSER.parse(text)
    except UnexpectedInput as error:
        raise _unexpected(error, text) from None
    expression: Expression = tree
    found = conditions(expression)
    if len(found) > MAX_CONDITIONS:
        raise QueryTooExpensive(f"A filter has at most {MAX_CONDITIONS} conditions.", parameter="filter")
    if sum(len(one.values) for one in found) > MAX_LITERALS:
        raise QueryTooExpensive(f"A filter has at most {MAX_LITERALS} values.", parameter="filter")
    return expression


def _shallow(expression: Expression) -> Expression:
    if expression.depth > MAX_DEPTH:
        raise QueryTooExpensive(f"A filter is nested at most {MAX_DEPTH} deep.", parameter="filter")
    return expression


def _unexpected(error: UnexpectedInput, text: str) -> InvalidFilter:
    ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
    position = len(text) if ended or error.pos_in_stream is None else error.pos_in_stream
    found = "the end" if position >= len(text) else f"`{text[position : position + 20]}`"
    expected: Sequence[str] = ()
    if isinstance(error, UnexpectedToken | UnexpectedCharacters):
        expected = sorted((error.accepts if isinstance(error, UnexpectedToken) else error.allowed) or ())
    said = ", ".join(_EXPECTED.get(name, name.lower()) for name in expected if name not in _UNSAID)
    return InvalidFilter(f"Not understood at {found}; expected: {said or 'something else'}.", position=position)


def _decoded(token: Token) -> Text:
    try:
        value = orjson.loads(str(token))
    except orjson.JSONDecodeError:
        raise InvalidFilter("A text is written as in JSON.", position=_position(token)) from None
    if "\x00" in value:
        raise InvalidFilter("A text cannot contain NUL.", position=_position(token))
    return Text(value, _position(token))


def _instant(token: Token) -> datetime:
    try:
        if token.type == "DAY":
            day = date.fromisoformat(token)
            return datetime(day.year, day.month, day.day, tzinfo=UTC)
        return datetime.fromisoformat(token).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidFilter(f"{token} is no date or time.", position=_position(token)) from None


def _position(token: Token) -> int:
    return token.start_pos or 0

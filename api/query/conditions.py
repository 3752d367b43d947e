"""A filter's tree to SQL: whitelisted expressions, our operators, and numbered arguments. Nothing of the text is SQL.

Logic has two values: a row without a value fulfils no condition but `is null` and `ne`, and `not` is the opposite of
what it stands before. Texts are searched with `strpos`, so that no character is a wildcard.
"""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

import orjson

from api.query.errors import InvalidFilter, QueryTooExpensive
from api.query.listing import Field, Listing, Relation, Type
from api.query.own import OwnFields
from api.query.times import Asker, Span, span
from api.query.tree import SEARCHES, And, Boolean, Condition, Expression, Literal, Named, Not, Number, Or, Path, Text
from bevyly.errors import Forbidden

MAX_SEARCHES = 5
ROW = "r"
_SIGNS = {"eq": "=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
_ISO_DAY = r"^\d{4}-\d{2}-\d{2}"


class Arguments:
    """Values that travel beside the statement, as the text array that is its second parameter."""

    def __init__(self) -> None:
        self.values: list[str | None] = []

    def bind(self, value: str, cast: str) -> str:
        """The expression that stands for `value`."""
        self.values.append(value)
        return f"$2[{len(self.values)}]::{cast}"


@dataclass(frozen=True)
class Target:
    """What a path names: a field, the alias of the row that has it, the key of a tenant's own field."""

    field: Field
    row: str = ROW
    key: str | None = None

    @property
    def sql(self) -> str:
        """The field as an expression."""
        return self.field.sql.format(row=self.row)


@dataclass
class Names:
    """Looks names up in a list and its relations, and remembers which relations a statement needs."""

    listing: Listing
    permissions: AbstractSet[str]
    own: OwnFields = field(default_factory=dict)
    used: dict[str, Relation] = field(default_factory=dict)

    def relation(self, name: str) -> Relation:
        """The relation of that name, whose sight its permission grants; raises `KeyError` or `Forbidden`."""
        relation = self.listing.related[name]
        if relation.target.permission not in self.permissions:
            raise Forbidden(f"`{name}` takes the permission {relation.target.permission}.")
        self.used[name] = relation
        return relation

    def target(self, path: Path) -> Target:
        """The field that `path` names; raises `InvalidFilter`."""
        parts, row, listing = path.parts, ROW, self.listing
        if len(parts) > 1 and parts[0] in listing.related:
            listing, row, parts = self.relation(parts[0]).target, alias(parts[0]), parts[1:]
        found = listing.by_name.get(parts[0])
        own = found is not None and found.type is Type.CUSTOM
        if found is None or len(parts) != (2 if own else 1):
            raise InvalidFilter(f"{self.listing.name} have no field {path} to filter by.", position=path.position)
        if own and (defined := self.own.get((listing.name, parts[1]))) is not None:
            return Target(defined, row)
        return Target(found, row, parts[1] if own else None)

    def named(self, name: str) -> Field | None:
        """The field of the list's own rows with this name, `custom.<key>` where that is defined."""
        own, _, key = name.partition(".")
        found = self.listing.by_name.get(own)
        if key and found is not None and found.type is Type.CUSTOM:
            return self.own.get((self.listing.name, key))
        return None if key else found


def alias(relation: str) -> str:
    """The name that the row of a relation has in a statement."""
    return f"the_{relation}"


class Conditions:
    """Turns expressions into SQL over one list."""

    def __init__(self, names: Names, asker: Asker, arguments: Arguments) -> None:
        self._names = names
        self._asker = asker
        self._arguments = arguments
        self._searches = 0

    def sql(self, expression: Expression) -> str:
        """The condition; raises `InvalidFilter`, `QueryTooExpensive` or `Forbidden`."""
        if isinstance(expression, Not):
            return f"({self.sql(expression.part)}) is not true"
        if isinstance(expression, And | Or):
            word = " and " if isinstance(expression, And) else " or "
            return f"({word.join(self.sql(part) for part in expression.parts)})"
        return self._condition(expression)

    def _condition(self, condition: Condition) -> str:
        target, operator = self._names.target(condition.path), condition.operator
        kind = target.field.type
        if operator not in kind.operators:
            usable = ", ".join(kind.operators) or "nothing"
            raise InvalidFilter(
                f"{condition.path} is of type {kind.label}: it can be compared with {usable}.",
                position=condition.path.position,
            )
        if operator in SEARCHES:
            self._searches += 1
            if self._searches > MAX_SEARCHES:
                raise QueryTooExpensive(f"A filter searches at most {MAX_SEARCHES} texts.", parameter="filter")
        if operator == "ne":
            return f"({self._one(target, 'eq', condition.values[0])}) is not true"
        if operator == "is null":
            return f"{self._key_text(target) if kind is Type.CUSTOM else target.sql} is null"
        if operator == "between":
            low, high = condition.values
            return f"({self._one(target, 'ge', low)} and {self._one(target, 'le', high)})"
        if operator in ("in", "has any"):
            return self._any(target, "eq" if operator == "in" else "has", condition.values)
        return self._one(target, operator, condition.values[0])

    def _any(self, target: Target, operator: str, values: tuple[Literal, ...]) -> str:
        kind = target.field.type
        if operator == "eq" and kind in (Type.ID, Type.TEXT, Type.INTEGER, Type.NUMBER):
            return f"{target.sql} in ({', '.join(self._bound(target.field, value) for value in values)})"
        return f"({' or '.join(self._one(target, operator, value) for value in values)})"

    def _one(self, target: Target, operator: str, value: Literal) -> str:
        kind = target.field.type
        if kind is Type.CUSTOM:
            return self._custom(target, operator, value)
        if kind in (Type.DAY, Type.INSTANT):
            return self._time(target.sql, operator, self._span(value, kind.label), cast=kind.cast)
        if operator in SEARCHES:
            return self._search(target.sql, operator, _text(value, self._asker))
        if kind is Type.LIST:
            return f"{target.sql} @> array[{self._bound(target.field, value)}]"
        if kind is Type.JSON_LIST:
            return f"{target.sql} @> {self._json([_checked(target.field, value, self._asker)])}"
        return f"{target.sql} {_SIGNS[operator]} {self._bound(target.field, value)}"

    def _bound(self, field_: Field, value: Literal) -> str:
        return self._arguments.bind(_checked(field_, value, self._asker), field_.cast)

    def _search(self, sql: str, operator: str, text: str) -> str:
        searched, wanted = _lower(sql), _lower(self._arguments.bind(text, "text"))
        if operator == "starts":
            return f"starts_with({searched}, {wanted})"
        if operator == "ends":
            return f"right({searched}, length({wanted})) = {wanted}"
        return f"strpos({searched}, {wanted}) > 0"

    def _time(self, sql: str, operator: str, when: Span, *, cast: str) -> str:
        def bind(moment: datetime) -> str:
            return self._arguments.bind((moment if cast == "timestamptz" else moment.date()).isoformat(), cast)

        if when.end is None:
            return f"{sql} {_SIGNS[operator]} {bind(when.start)}"
        if operator == "eq":
            return f"({sql} >= {bind(when.start)} and {sql} < {bind(when.end)})"
        if operator in ("lt", "ge"):
            return f"{sql} {_SIGNS[operator]} {bind(when.start)}"
        return f"{sql} {'<' if operator == 'le' else '>='} {bind(when.end)}"

    def _span(self, value: Literal, label: str) -> Span:
        when = span(value, self._asker)
        if when is None:
            raise InvalidFilter(f"{value} is no {label}.", position=value.position)
        return when

    def _custom(self, target: Target, operator: str, value: Literal) -> str:
        when = span(value, self._asker)
        if operator in SEARCHES:
            return self._search(self._typed(target, "string"), operator, _text(value, self._asker))
        if operator == "has":
            return f"{target.sql} @> {self._json({target.key: [_scalar(value, self._asker)]})}"
        if when is not None:
            text = self._key_text(target)
            day = f"(case when {text} ~ '{_ISO_DAY}' then left({text}, 10) end collate \"C\")"
            return self._time(day, operator, when, cast="text")
        if operator == "eq":
            return f"{target.sql} @> {self._json({target.key: _scalar(value, self._asker)})}"
        if not isinstance(value, Number):
            raise InvalidFilter("Of a tenant's own fields, numbers and dates have an order.", position=value.position)
        number = f"({self._typed(target, 'number')})::numeric"
        return f"{number} {_SIGNS[operator]} {self._arguments.bind(str(value), 'numeric')}"

    def _key(self, target: Target) -> str:
        return self._arguments.bind(target.key or "", "text")

    def _key_text(self, target: Target) -> str:
        return f"({target.sql} ->> {self._key(target)})"

    def _typed(self, target: Target, kind: str) -> str:
        key = self._key(target)
        return f"case when jsonb_typeof({target.sql} -> {key}) = '{kind}' then {target.sql} ->> {key} end"

    def _json(self, value: object) -> str:
        return self._arguments.bind(orjson.dumps(value).decode(), "jsonb")


def _lower(sql: str) -> str:
    # the collation of the database may know no letters beyond ASCII
    return f"lower(({sql}) collate all_letters)"


def _checked(field_: Field, value: Literal, asker: Asker) -> str:
    kind = field_.type
    if kind is Type.INTEGER and isinstance(value, Number) and _is_whole(value):
        return str(int(value.value))
    if kind is Type.NUMBER and isinstance(value, Number) and abs(value.value) < 2**63:
        return str(value)
    if kind is Type.BOOLEAN and isinstance(value, Boolean):
        return str(value)
    if kind in (Type.ID, Type.TEXT, Type.LIST, Type.JSON_LIST):
        text = _text(value, asker, me=kind is Type.ID)
        if field_.choices and text not in field_.choices:
            raise InvalidFilter(
                f"{field_.name} is one of {', '.join(sorted(field_.choices))}.", position=value.position
            )
        return text
    raise InvalidFilter(f"{value} does not fit {field_.name}, of type {kind.label}.", position=value.position)


def _is_whole(value: Number) -> bool:
    return value.value == value.value.to_integral_value() and -(2**63) <= value.value < 2**63


def _text(value: Literal, asker: Asker, *, me: bool = False) -> str:
    if isinstance(value, Text):
        return value.value
    if me and isinstance(value, Named) and value.name == "me":
        return asker.user_id
    raise InvalidFilter(f'{value} is no text: texts stand in "double quotes".', position=value.position)


def _scalar(value: Literal, asker: Asker) -> str | bool | int | float:
    if isinstance(value, Boolean):
        return value.value
    if isinstance(value, Number):
        return int(value.value) if _is_whole(value) else float(value.value)
    return _text(value, asker, me=True)

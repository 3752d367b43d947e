"""What a list is: its table, its fields with what may be done with each, its relations. Areas declare theirs with it.

Types and columns come from the table itself. Projection, filter, sort, `fields`, facets and documentation all read the
same declaration: what is not declared cannot be asked for.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, LiteralString

from sqlalchemy import ARRAY, Boolean, Column, Date, DateTime, Float, Integer, String
from sqlalchemy.dialects.postgresql import JSONB

from bevyly.db.schema import Base
from bevyly.ids import ID_LENGTH

ZONE, MOMENT = "«zone»", "«now»"
"""Stand in the SQL of a computed field for where the asker's days begin, and for when they ask."""
_ORDER = ("eq", "ne", "lt", "le", "gt", "ge", "in", "between", "is null")


class Type(Enum):
    """A type of a field: its name, what it is cast to, its operators."""

    ID = ("id", "text", ("eq", "ne", "in", "is null"))
    TEXT = ("text", "text", ("eq", "ne", "in", "contains", "starts", "ends", "is null"))
    INTEGER = ("integer", "bigint", _ORDER)
    NUMBER = ("number", "double precision", _ORDER)
    BOOLEAN = ("boolean", "boolean", ("eq", "ne", "is null"))
    DAY = ("date", "date", _ORDER)
    INSTANT = ("instant", "timestamptz", _ORDER)
    LIST = ("list", "text", ("has", "has any", "is null"))
    JSON_LIST = ("list of JSON", "text", ("has", "has any", "is null"))
    CUSTOM = ("custom", "jsonb", (*_ORDER, "contains", "starts", "ends", "has", "has any"))
    JSON = ("json", "jsonb", ())

    def __init__(self, label: str, cast: str, operators: tuple[str, ...]) -> None:
        self.label = label
        self.cast = cast
        self.operators = operators


@dataclass(frozen=True)
class Field:
    """One field: `sql` is its expression, with the row's alias as `{row}`; `order` is what it is sorted by."""

    name: str
    type: Type
    sql: str
    cast: str
    nullable: bool = True
    choices: frozenset[str] = frozenset()
    sortable: bool = False
    facet: bool = False
    shown: bool = True

    @property
    def order(self) -> str:
        """What the field is sorted by: texts whatever their case."""
        return f"lower({self.sql})" if self.type is Type.TEXT and not self.choices else self.sql


@dataclass(frozen=True)
class Relation:
    """The one row that `column` points to: a name, the list that it is in, the permission that its sight takes."""

    name: str
    column: str
    target: "Listing"


@dataclass(frozen=True)
class Listing:
    """One list. `function` answers it without a query; `search` are the fields that the parameter `q` looks into."""

    name: str
    table: type[Base]
    permission: str
    fields: tuple[Field, ...]
    relations: tuple[Relation, ...] = ()
    default_sort: str = "-created_at"
    search: tuple[str, ...] = ()
    function: LiteralString = ""
    delete_permission: str | None = None

    @cached_property
    def by_name(self) -> dict[str, Field]:
        """Fields by their names."""
        return {one.name: one for one in self.fields}

    @cached_property
    def related(self) -> dict[str, Relation]:
        """Relations by their names."""
        return {one.name: one for one in self.relations}

    @property
    def table_name(self) -> str:
        """The table as statements name it."""
        return str(self.table.__tablename__)

    @property
    def has_deleted(self) -> bool:
        """Whether rows are hidden rather than removed."""
        return "deleted_at" in self.table.__table__.c


@dataclass(frozen=True)
class Fields:
    """Builds the fields of a table in the order in which they are shown."""

    table: type[Base]
    sortable: Collection[str] = ()
    facets: Collection[str] = ()
    choices: dict[str, tuple[str, ...]] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    hidden: Collection[str] = ()
    lists: Collection[str] = ()

    def of(self, *names: str | Field) -> tuple[Field, ...]:
        """The fields named; one that is no column comes as a `Field` of its own."""
        return tuple(name if isinstance(name, Field) else self._field(name) for name in names)

    def _field(self, name: str) -> Field:
        column = self.table.__table__.c[self.columns.get(name, name)]
        assert isinstance(column, Column)
        kind = Type.JSON_LIST if name in self.lists else _type_of(column)
        return Field(
            name=name,
            type=kind,
            sql=f"{{row}}.{column.name}",
            cast=_cast_of(column, kind),
            nullable=bool(column.nullable),
            choices=frozenset(self.choices.get(name, ())),
            sortable=name in self.sortable,
            facet=name in self.facets,
            shown=name not in self.hidden,
        )


def computed(
    name: str, kind: Type, sql: str, *, shown: bool = True, facet: bool = False, choices: tuple[str, ...] = ()
) -> Field:
    """A field that is no column."""
    return Field(name, kind, sql, kind.cast, nullable=False, choices=frozenset(choices), shown=shown, facet=facet)


def described(listing: Listing, summary: str) -> str:
    """The documentation of a list: what can be asked of it."""
    rows = [
        f"| `{one.name}` | {', '.join(sorted(one.choices)) or one.type.label} | {', '.join(one.type.operators)} | "
        f"{'yes' if one.sortable else ''} | {'yes' if one.facet else ''} |"
        for one in listing.fields
        if one.type.operators
    ]
    relations = ", ".join(f"`{one.name}`" for one in listing.relations) or "none"
    own = "`custom.<key>` of a defined field has the operators of its type, also in `sort` and `facets`."
    return "\n".join(
        [
            summary,
            "",
            f"Order unless said otherwise: `{listing.default_sort}`. Relations for `include`, and for fields as "
            f"`relation.field` in `filter` and `fields`: {relations}.",
            "",
            "`filter` combines conditions with `and`, `or`, `not` and parentheses. Values are texts in double quotes, "
            "numbers, `true`, `false`, dates and instants (ISO 8601), `now`, `today`, `this_month`, `start_of_week`, "
            "`-30d`, `+2w`, and `me` for the one who asks.",
            "",
            *([own, ""] if any(one.type is Type.CUSTOM for one in listing.fields) else []),
            "| field | type | operators | sort | facet |",
            "|---|---|---|---|---|",
            *rows,
        ]
    )


def _type_of(column: Column[Any]) -> Type:
    kinds: Sequence[tuple[Any, Type]] = (
        (ARRAY, Type.LIST),
        (Boolean, Type.BOOLEAN),
        (Integer, Type.INTEGER),
        (Float, Type.NUMBER),
        (DateTime, Type.INSTANT),
        (Date, Type.DAY),
    )
    if isinstance(column.type, JSONB):
        return Type.CUSTOM if column.name == "custom" else Type.JSON
    if isinstance(column.type, String):
        return Type.ID if column.type.length == ID_LENGTH else Type.TEXT
    return next(kind for sql, kind in kinds if isinstance(column.type, sql))


def _cast_of(column: Column[Any], kind: Type) -> str:
    # a real is compared as a real: as a double, 0.1 would differ from itself
    return "real" if str(column.type) == "REAL" else kind.cast

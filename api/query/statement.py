"""One statement for one query: the page's rows as JSON, where it ends, and the count and facets that were asked for.

`$1` is the tenant, `$2` the array of arguments. Rows without the leading sort value come last, as a branch of their
own: each branch is in the order of an index, and has a range of it to start from. PostgreSQL reads the branches of a
`union all` one after the other, and stops at the limit.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from api.query.conditions import ROW, Arguments, Conditions, Names, alias
from api.query.listing import MOMENT, ZONE, Field, Relation
from api.query.times import Asker
from api.query.tree import Expression

MAX_FACET_VALUES = 100


@dataclass(frozen=True)
class Key:
    """One field that rows are sorted by."""

    field: Field
    descending: bool


@dataclass(frozen=True)
class Selection:
    """What a row shows: fields of its own, and of each related row."""

    fields: tuple[Field, ...]
    related: dict[str, tuple[Field, ...]]


@dataclass(frozen=True)
class Query:
    """Everything that is asked of a list, checked against it."""

    where: tuple[Expression, ...]
    sort: tuple[Key, ...]
    selection: Selection
    limit: int
    count: bool = False
    facets: tuple[Field, ...] = ()
    deleted: str | None = None


@dataclass(frozen=True)
class _Term:
    """A sort key as SQL, with the value that the last row of the page before had."""

    sql: str
    column: str
    cast: str
    descending: bool
    nullable: bool
    after: str | None = None

    @property
    def missing(self) -> str:
        return f"{self.column} is null"

    @property
    def present(self) -> str:
        return f"{self.column} is not null"

    @property
    def order(self) -> str:
        nulls = " nulls last" if self.nullable and self.descending else ""
        return f"{self.sql} {'desc' if self.descending else 'asc'}{nulls}"


def build(names: Names, query: Query, asker: Asker, after: Sequence[str | None] | None) -> tuple[str, list[str | None]]:
    """The statement and its arguments; `after` has the sort values and the id of the last row of the page before."""
    arguments = Arguments()
    conditions = Conditions(names, asker, arguments)
    wanted = [f"{ROW}.customer_id = $1", *visible(names, query.deleted)]
    wanted += [conditions.sql(one) for one in query.where]
    source = f"from {names.listing.table_name} {ROW}{_joins(names.used.values())} where {' and '.join(wanted)}"
    limit = arguments.bind(str(query.limit), "bigint")
    rows = _rows(source, query, after, arguments, f"{limit} + 1")
    total = f"(select count(*) {source})" if query.count else "null"
    statement = (
        f"select array_to_string(documents[1:{limit}], ','), "
        f"case when cardinality(documents) > {limit} then places[{limit}] end, {total}, {_facets(source, query)} "
        f"from (select array_agg(document) as documents, array_agg(place) as places from ({rows}) page) pages"
    )
    return asked_by(asker, statement, arguments), arguments.values


def asked_by(asker: Asker, statement: str, arguments: Arguments) -> str:
    """`statement` with the zone and the moment of the asker where computed fields want them."""
    for mark, value, cast in ((ZONE, asker.zone.key, "text"), (MOMENT, asker.now.isoformat(), "timestamptz")):
        if mark in statement:
            statement = statement.replace(mark, arguments.bind(value, cast))
    return statement


def visible(names: Names, deleted: str | None) -> list[str]:
    """The condition that leaves deleted rows out, or where it is asked for, the others."""
    if not names.listing.has_deleted or deleted == "include":
        return []
    return [f"{ROW}.deleted_at is {'not ' if deleted == 'only' else ''}null"]


def _joins(relations: Iterable[Relation]) -> str:
    joins = ""
    for relation in relations:
        row = alias(relation.name)
        there = f" and {row}.deleted_at is null" if relation.target.has_deleted else ""
        joins += (
            f" left join {relation.target.table_name} {row} on {row}.customer_id = {ROW}.customer_id "
            f"and {row}.id = {ROW}.{relation.column}{there}"
        )
    return joins


def _rows(source: str, query: Query, after: Sequence[str | None] | None, arguments: Arguments, limit: str) -> str:
    """The rows of the page and one more: those with a leading sort value, then those without."""
    first, *rest = _terms(query, after)
    row = _row(query.selection, [first, *rest])
    known = replace(first, nullable=False)
    branches = []
    if after is None or first.after is not None:
        branches.append([first.present] * first.nullable + ([_beyond([known, *rest], arguments)] if after else []))
    if first.nullable:
        behind = after is not None and first.after is None
        branches.append([first.missing] + ([_beyond(rest, arguments)] if behind else []))
    order = ", ".join(term.order for term in (known, *rest))
    selects = [
        f"(select {row} {' and '.join([source, *conditions])} order by {order} limit {limit})"
        for conditions in branches
    ]
    return selects[0] if len(selects) == 1 else f"{' union all '.join(selects)} limit {limit}"


def _terms(query: Query, after: Sequence[str | None] | None) -> list[_Term]:
    values = after or [None] * (len(query.sort) + 1)
    terms = [
        _Term(
            key.field.order.format(row=ROW),
            key.field.sql.format(row=ROW),
            key.field.cast,
            key.descending,
            key.field.nullable,
            value,
        )
        for key, value in zip(query.sort, values, strict=False)
    ]
    return [
        *terms,
        _Term(f"{ROW}.id", f"{ROW}.id", "text", query.sort[-1].descending, nullable=False, after=values[-1]),
    ]


def _beyond(terms: Sequence[_Term], arguments: Arguments) -> str:
    """The condition that a row comes after the page before; as a comparison of rows where that says the same."""
    if not any(term.nullable for term in terms) and len({term.descending for term in terms}) == 1:
        sign = "<" if terms[0].descending else ">"
        values = ", ".join(arguments.bind(term.after or "", term.cast) for term in terms)
        return f"({', '.join(term.sql for term in terms)}) {sign} ({values})"
    term, rest = terms[0], terms[1:]
    if term.after is None:
        return f"({term.missing} and {_beyond(rest, arguments)})"
    value, sign = arguments.bind(term.after, term.cast), "<" if term.descending else ">"
    later = f"{term.sql} {sign} {value}" + (f" or {term.missing}" if term.nullable else "")
    # the bound that both sides of the `or` share is what an index can start from
    bound = "" if term.nullable else f"{term.sql} {sign}= {value} and "
    return f"({bound}({later} or ({term.sql} = {value} and {_beyond(rest, arguments)})))"


def _row(selection: Selection, terms: Sequence[_Term]) -> str:
    columns = [f"{one.sql.format(row=ROW)} as {one.name}" for one in selection.fields]
    for name, fields in selection.related.items():
        row = alias(name)
        pairs = ", ".join(f"'{one.name}', {one.sql.format(row=row)}" for one in fields)
        columns.append(f"case when {row}.id is not null then json_build_object({pairs}) end as {name}")
    place = ", ".join(f"({term.sql})::text" for term in terms)
    return (
        f"(select row_to_json(shown)::text from (select {', '.join(columns)}) shown) as document, "
        f"json_build_array({place})::text as place"
    )


def _facets(source: str, query: Query) -> str:
    if not query.facets:
        return "null"
    counted = ", ".join(
        f"'{one.name}', (select coalesce(json_agg(json_build_object('value', value, 'count', times) "
        f"order by times desc, value), '[]') from (select {one.sql.format(row=ROW)} as value, count(*) as times "
        f"{source} group by 1 order by 2 desc, 1 limit {MAX_FACET_VALUES}) counted)"
        for one in query.facets
    )
    return f"json_build_object({counted})::text"

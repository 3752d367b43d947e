"""Parameters to a query: each name is looked up in the list, each parameter bounded."""

from collections.abc import Sequence

from api.dependencies.principal import Principal
from api.query.conditions import Names
from api.query.errors import InvalidQuery, QueryTooExpensive
from api.query.listing import Field, Listing, Type
from api.query.own import counted
from api.query.parse import parse
from api.query.schemas import ListQuery
from api.query.statement import Key, Query, Selection
from api.query.tree import Boolean, Condition, Expression, Or, Path, Text
from bevyly.errors import Forbidden

MAX_SORT = 3
MAX_FACETS = 3
MAX_INCLUDED = 3
MAX_FIELDS = 60
_SEARCH = "q"


def query_of(names: Names, asked: ListQuery, principal: Principal) -> Query:
    """What is asked; raises `InvalidQuery`, `QueryTooExpensive` or `Forbidden`."""
    listing = names.listing
    if asked.deleted is not None:
        _may_see_deleted(listing, principal)
    return Query(
        where=(*simple_filters(listing, asked), *([parse(asked.filter)] if asked.filter is not None else [])),
        sort=_sort(names, asked.sort or listing.default_sort),
        selection=_selection(names, asked),
        limit=asked.limit,
        count=asked.count is not None,
        facets=_facets(names, asked.facets),
        deleted=asked.deleted,
    )


def simple_filters(listing: Listing, asked: ListQuery) -> list[Expression]:
    """The parameters of a list's own as conditions, with the meaning that they have without a query."""
    given = {name: getattr(asked, name) for name in type(asked).model_fields if name not in ListQuery.model_fields}
    found: list[Expression] = []
    for name, value in given.items():
        if value is None:
            continue
        if name == _SEARCH:
            found.append(Or(tuple(Condition(Path((one,)), "starts", (Text(value),)) for one in listing.search)))
        else:
            literal = Boolean(value) if isinstance(value, bool) else Text(value)
            found.append(Condition(Path((name,)), "eq", (literal,)))
    return found


def _may_see_deleted(listing: Listing, principal: Principal) -> None:
    permission = listing.delete_permission
    if permission is None:
        raise InvalidQuery(f"{listing.name} are not deleted softly.", parameter="deleted")
    if permission not in principal.permissions:
        raise Forbidden(f"Seeing deleted rows takes the permission {permission}.")


def _sort(names: Names, text: str) -> tuple[Key, ...]:
    listing, keys = names.listing, []
    for name, position in _names(text, "sort", MAX_SORT):
        descending = name.startswith("-")
        found = names.named(name.removeprefix("-"))
        if found is None or not found.sortable:
            usable = _usable(listing, [one.name for one in listing.fields if one.sortable])
            raise InvalidQuery(f"{listing.name} are sorted by: {usable}.", parameter="sort", position=position)
        keys.append(Key(found, descending))
    if len({key.field.name for key in keys}) < len(keys):
        raise InvalidQuery("A list is sorted by a field once.", parameter="sort")
    return tuple(keys)


def _facets(names: Names, text: str | None) -> tuple[Field, ...]:
    listing, found = names.listing, []
    for name, position in _names(text, "facets", MAX_FACETS) if text is not None else ():
        field = names.named(name)
        if field is None or not field.facet:
            usable = _usable(listing, [one.name for one in listing.fields if one.facet])
            raise InvalidQuery(f"{listing.name} are counted by: {usable}.", parameter="facets", position=position)
        found.append(counted(field))
    return tuple(dict.fromkeys(found))


def _usable(listing: Listing, names: list[str]) -> str:
    own = [f"{one.name}.<key> where it is defined" for one in listing.fields if one.type is Type.CUSTOM]
    return ", ".join(names + own)


def _selection(names: Names, asked: ListQuery) -> Selection:
    own, related = _chosen(names, asked.fields)
    for name, position in _names(asked.include, "include", MAX_INCLUDED) if asked.include is not None else ():
        if name not in names.listing.related:
            usable = ", ".join(names.listing.related) or "nothing"
            raise InvalidQuery(f"{names.listing.name} can include: {usable}.", parameter="include", position=position)
        target = names.relation(name).target
        related[name] = [one for one in target.fields if one.shown and one.type not in (Type.JSON, Type.CUSTOM)]
    return Selection(tuple(own), {name: tuple(dict.fromkeys(fields)) for name, fields in related.items()})


def _chosen(names: Names, text: str | None) -> tuple[list[Field], dict[str, list[Field]]]:
    listing = names.listing
    if text is None:
        return [one for one in listing.fields if one.shown], {}
    own: list[Field] = []
    related: dict[str, list[Field]] = {}
    for name, position in _names(text, "fields", MAX_FIELDS):
        relation, _, rest = name.rpartition(".")
        if relation and relation not in listing.related:
            raise _no_field(listing, name, position)
        target = names.relation(relation).target if relation else listing
        field = target.by_name.get(rest)
        if field is None:
            raise _no_field(listing, name, position)
        (related.setdefault(relation, []) if relation else own).append(field)
    return list(dict.fromkeys(own)), related


def _no_field(listing: Listing, name: str, position: int) -> InvalidQuery:
    return InvalidQuery(f"{listing.name} have no field {name[:50]}.", parameter="fields", position=position)


def _names(text: str, parameter: str, most: int) -> Sequence[tuple[str, int]]:
    found = []
    position = 0
    for part in text.split(","):
        found.append((part.strip(), position + len(part) - len(part.lstrip())))
        position += len(part) + 1
    if len(found) > most:
        raise QueryTooExpensive(f"`{parameter}` takes at most {most} names.", parameter=parameter)
    return found

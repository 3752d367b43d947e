"""A tenant's own fields in queries: a defined `custom.<key>` is a field of its type, any other what its value is.

Keys of definitions are plain words (their table sees to it), so they may stand in SQL as they are. A value from before
the definition that is not of its type counts as missing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from api.modules.events.kinds import PLURALS
from api.query.listing import Field, Type
from api.query.parse import parse
from api.query.schemas import ListQuery
from api.query.tree import conditions

PREFIX = "custom"
_KEY = re.compile(r"[a-z][a-z0-9_]{0,49}")
OwnFields = Mapping[tuple[str, str], Field]
"""Defined fields by the name of the list and the key."""
_READ_BY = {
    "text": (Type.TEXT, "custom_text"),
    "url": (Type.TEXT, "custom_text"),
    "email": (Type.TEXT, "custom_text"),
    "select": (Type.TEXT, "custom_text"),
    "number": (Type.NUMBER, "custom_number"),
    "boolean": (Type.BOOLEAN, "custom_boolean"),
    "date": (Type.DAY, "custom_date"),
    "datetime": (Type.INSTANT, "custom_instant"),
    "multi_select": (Type.JSON_LIST, "custom_list"),
}


def keys_in(asked: ListQuery) -> list[str]:
    """Keys that a query names, also of related rows, and that may be defined; raises `InvalidFilter`."""
    paths = [one.path.parts for one in conditions(parse(asked.filter))] if asked.filter is not None else []
    paths += [tuple(name.strip().removeprefix("-").split(".", 1)) for name in f"{asked.sort},{asked.facets}".split(",")]
    named = {parts[-1] for parts in paths if len(parts) > 1 and parts[-2] == PREFIX}
    return sorted(key for key in named if _KEY.fullmatch(key))


def own_fields(found: Sequence[Mapping[str, Any]]) -> OwnFields:
    """The fields that definitions make."""
    return {(PLURALS[one["object"]], one["key"]): _field(one) for one in found}


def counted(field: Field) -> Field:
    """`field` as its values are counted: of a list, each that is in it."""
    if field.type is not Type.JSON_LIST:
        return field
    return replace(field, sql=f"jsonb_array_elements_text({field.sql})")


def _field(found: Mapping[str, Any]) -> Field:
    kind, function = _READ_BY[found["type"]]
    return Field(
        name=f"{PREFIX}.{found['key']}",
        type=kind,
        sql=f"{function}({{row}}.{PREFIX}, '{found['key']}')",
        cast="numeric" if kind is Type.NUMBER else kind.cast,
        choices=frozenset(option["value"] for option in found["options"]),
        sortable=kind is not Type.JSON_LIST,
        facet=True,
    )

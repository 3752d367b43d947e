"""Shapes that every list with a query speaks: its parameters, its page, what rows look like when they are chosen."""

from datetime import date, datetime
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, Field, JsonValue, create_model

from api.query.listing import Listing, Type
from api.query.parse import MAX_LENGTH
from api.schemas import Output, PageInfo, PageQuery, Text50

_JSON: dict[Type, Any] = {
    Type.ID: str,
    Type.TEXT: str,
    Type.INTEGER: int,
    Type.NUMBER: float,
    Type.BOOLEAN: bool,
    Type.DAY: date,
    Type.INSTANT: datetime,
    Type.LIST: list[str],
}


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("there is no such time zone") from None
    return name


class ListQuery(PageQuery):
    """What every list takes besides its own simple parameters, with which `filter` combines by `and`."""

    cursor: str | None = Field(
        default=None,
        max_length=8000,
        description="`next_cursor` of the page before",
        json_schema_extra={"pattern": "^[A-Za-z0-9_-]*$"},
    )
    filter: str | None = Field(
        default=None,
        max_length=MAX_LENGTH * 2,
        json_schema_extra={"maxLength": MAX_LENGTH},
        description='one expression: `status eq "open" and value_minor ge 100000 and created_at ge -30d`',
    )
    sort: str | None = Field(
        default=None, max_length=200, description="up to three fields, `-` for descending; missing values come last"
    )
    fields: str | None = Field(default=None, max_length=2000, description="only these: `id,name,account.name`")
    include: str | None = Field(default=None, max_length=200, description="related rows to embed: `account,owner`")
    count: Literal["exact"] | None = Field(default=None, description="`page.total`: how many rows there are")
    facets: str | None = Field(default=None, max_length=200, description="up to three fields: rows by each value")
    deleted: Literal["only", "include"] | None = Field(
        default=None, description="deleted rows; takes the permission to delete"
    )
    timezone: Annotated[Text50, AfterValidator(_zone)] = Field(
        default="UTC", description="where days begin: a name of the IANA time zone database"
    )

    @property
    def asks_more(self) -> bool:
        """Whether the list's own function cannot answer this."""
        asked = (self.filter, self.sort, self.fields, self.include, self.count, self.facets, self.deleted)
        return any(one is not None for one in asked)


class FacetCount(Output):
    """How many rows have one value."""

    value: JsonValue
    count: int


class ListPageInfo(PageInfo):
    """Where a page ends, and with `count=exact` how many rows there are in all."""

    total: int | None = None


class ListPage(Output):
    """A page of a list."""

    page: ListPageInfo
    facets: dict[str, list[FacetCount]] | None = None


def selected_page(listing: Listing) -> type[BaseModel]:
    """The shape of a page whose rows `fields` or `include` chose: every field may be missing."""
    own: dict[str, Any] = {one.name: (_JSON.get(one.type, JsonValue) | None, None) for one in listing.fields}
    related: dict[str, Any] = {
        relation.name: (_related(relation.target) | None, None) for relation in listing.relations
    }
    row = create_model(f"Selected{_title(listing.name)}", __base__=Output, **(own | related))
    return create_model(f"Selected{_title(listing.name)}Page", __base__=ListPage, data=(list[row], ...))


@cache
def _related(listing: Listing) -> type[BaseModel]:
    fields: dict[str, Any] = {one.name: (_JSON.get(one.type, JsonValue) | None, None) for one in listing.fields}
    return create_model(f"Related{_title(listing.name)}", __base__=Output, **fields)


def _title(name: str) -> str:
    return name.title().replace("_", "")

"""Shapes of custom fields."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from api.modules.custom_fields.types import MAX_TEXT, Object, Type
from api.schemas import Id, Input, Output, PageInfo, PageQuery, Text100

MAX_OPTIONS = 200
Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
Value = Annotated[
    str,
    StringConstraints(min_length=1, max_length=100, pattern=r"^[^;\s]([^;]*[^;\s])?$"),
    Field(description="what records hold; without semicolons, which stand between the values of a cell in CSV"),
]
Text1000 = Annotated[str, StringConstraints(min_length=1, max_length=1000, strip_whitespace=True)]
Bound = Annotated[float, Field(ge=-(2**63), lt=2**63, allow_inf_nan=False)]


class Option(Input):
    """A value that a select may have."""

    value: Value
    label: Text100
    archived: StrictBool = Field(default=False, description="not offered any more; records keep it")


def _each_once(options: list[Option]) -> list[Option]:
    if len({option.value for option in options}) < len(options):
        raise ValueError("each value stands once")
    return options


Options = Annotated[
    list[Option],
    Field(max_length=MAX_OPTIONS, description="of `select` and `multi_select`, in the order in which they are offered"),
    AfterValidator(_each_once),
]


class CustomFieldChange(Input):
    """What to change. Object, key and type stay; `options` are replaced as a whole, and none may be left out."""

    label: Text100 = Field(default_factory=str)
    description: Text1000 | None = None
    options: Options = Field(default_factory=list)
    max_length: int | None = Field(default=None, ge=1, le=MAX_TEXT, description="characters, of `text`")
    minimum: Bound | None = Field(default=None, description="of `number`")
    maximum: Bound | None = Field(default=None, description="of `number`")
    archived: StrictBool = Field(default=False, description="takes no new values; records keep theirs")


class CustomFieldCreate(Input):
    """A new field of one kind of records."""

    object: Object = Field(description="the kind of records")
    key: Key = Field(description="what stands in `custom` of a record; unique among its kind, for ever")
    label: Text100
    description: Text1000 | None = None
    type: Type
    options: Options = Field(default_factory=list)
    max_length: int | None = Field(default=None, ge=1, le=MAX_TEXT, description="characters, of `text`")
    minimum: Bound | None = Field(default=None, description="of `number`")
    maximum: Bound | None = Field(default=None, description="of `number`")


class OptionOutput(Output):
    """A value that a select may have."""

    value: str
    label: str
    archived: bool


class CustomField(Output):
    """A field of the tenant's own."""

    id: Id
    object: Object
    key: str
    label: str
    description: str | None
    type: Type
    options: list[OptionOutput]
    max_length: int | None
    minimum: float | None
    maximum: float | None
    archived: bool
    version: int
    created_at: datetime
    updated_at: datetime


class CustomFieldPage(Output):
    """A page of custom fields, newest first."""

    data: list[CustomField]
    page: PageInfo


class CustomFieldQuery(PageQuery):
    """Which custom fields."""

    object: Object | None = None
    archived: bool | None = None

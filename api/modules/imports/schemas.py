"""Shapes of imports: what is sent, how its columns are mapped, how far a run is."""

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue, StrictBool

from api.schemas import Id, Input, Name, Output, PageInfo, PageQuery

Kind = Literal["account", "contact", "lead", "opportunity"]
Status = Literal[
    "uploaded",
    "mapped",
    "queued",
    "running",
    "checked",
    "done",
    "failed",
    "cancelled",
    "reverting",
    "reverted",
]
Mode = Literal["create", "update", "upsert"]
MatchBy = Literal["id", "external_id", "email", "domain"]
By = Literal["id", "external_id", "email", "domain", "name"]


class UploadQuery(Input):
    """What the body holds."""

    kind: Kind
    filename: Name | None = None


class Column(Input):
    """What one column is. Cells are trimmed; an empty cell says nothing."""

    column: Name
    field: str = Field(
        pattern=r"^(custom\.[^\x00]{1,100}|[a-z_]{1,50})$", description="a field, or `custom.` and a name"
    )
    letters: Literal["lower", "upper"] | None = None
    date_format: Literal["iso", "dmy", "mdy"] = "iso"
    decimal_comma: StrictBool = False
    minor_units: StrictBool = Field(default=False, description="amounts are in minor units already")
    by: By | None = Field(default=None, description="how a cell names another record, or an owner")


class Mapping(Input):
    """How rows become records."""

    mode: Mode = "create"
    match_by: MatchBy | None = Field(default=None, description="the key under which a record is looked for")
    columns: list[Column] = Field(min_length=1, max_length=200)
    defaults: dict[Name, JsonValue] = Field(
        default_factory=dict, max_length=50, description="fields where a cell is empty"
    )


class Start(Input):
    """How to run."""

    dry_run: StrictBool = Field(default=False, description="the same counts and errors, and no effect")


class ImportQuery(PageQuery):
    """Which imports."""

    status: Status | None = None


class ImportSummary(Output):
    """An import and how far it is."""

    id: Id
    kind: Kind
    filename: str | None
    status: Status
    dry_run: bool
    size_bytes: int
    encoding: str
    delimiter: str
    has_header: bool
    columns: list[str]
    mapping: dict[str, JsonValue] | None
    rows_total: int | None
    rows_done: int
    counts: dict[str, int]
    reverted: dict[str, int]
    error: str | None
    created_by: Id
    started_at: datetime | None
    finished_at: datetime | None
    rows_per_second: float | None
    seconds_left: int | None
    version: int
    created_at: datetime
    updated_at: datetime


class ConflictRow(Output):
    """A record that was changed since, and could not be set back, or not in all fields."""

    record_id: Id
    row: int
    outcome: Literal["conflict", "partly"]


class ImportDetail(ImportSummary):
    """An import, with up to 100 records that somebody changed before it was taken back."""

    conflicts: list[ConflictRow]


class ImportPage(Output):
    """A page of imports, newest first."""

    data: list[ImportSummary]
    page: PageInfo


class PreviewColumn(Output):
    """A column, what it seems to be, and its first cells."""

    column: str
    field: str | None
    by: str | None
    samples: list[str]


class Preview(Output):
    """The first rows, and a mapping that may be sent as it is, or changed first."""

    columns: list[PreviewColumn]
    rows: list[list[str]]
    fields: list[str]
    mapping: dict[str, JsonValue]

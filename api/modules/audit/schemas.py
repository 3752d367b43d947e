"""Shapes of the audit."""

from datetime import datetime
from typing import Literal

from pydantic import Field, JsonValue

from api.schemas import Id, Input, Instant, Output, PageInfo, PageQuery, Text50


class AuditFilter(Input):
    """Which entries."""

    entity_type: Text50 | None = None
    entity_id: Id | None = None
    actor_id: Id | None = Field(default=None, description="a user or an API key")
    action: Text50 | None = Field(default=None, description="`account.updated`, or `account.` for all of a kind")
    since: Instant | None = Field(default=None, description="the earliest, included")
    until: Instant | None = Field(default=None, description="the latest, included")


class AuditQuery(AuditFilter, PageQuery):
    """Which page of which entries."""


class ExportQuery(AuditFilter):
    """Which entries in which form."""

    format: Literal["ndjson", "csv"] = "ndjson"


class AuditEntry(Output):
    """Who changed what: `before` and `after` hold what differs."""

    id: Id
    occurred_at: datetime
    actor_type: str
    actor_id: Id | None
    action: str
    entity_type: str
    entity_id: Id
    before: dict[str, JsonValue] | None
    after: dict[str, JsonValue] | None
    recommendation_id: Id | None
    request_id: str | None


class AuditPage(Output):
    """A page of the audit, newest first."""

    data: list[AuditEntry]
    page: PageInfo

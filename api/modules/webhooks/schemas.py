"""Shapes of webhooks: endpoints, filters, deliveries."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, StringConstraints

from api.schemas import Id, Input, Instant, Name, Output, PageInfo, PageQuery, Scalar
from bevyly.webhooks.subscriptions import is_offered

_PATH = r"^[^.\x00-\x1f]{1,100}(\.[^.\x00-\x1f]{1,100}){0,3}$"


def _offered(pattern: str) -> str:
    if not is_offered(pattern):
        raise ValueError("no event type is named so")
    return pattern


Url = Annotated[
    str,
    StringConstraints(min_length=1, max_length=2048),
    Field(description="https, on port 443 or 8443, at a public address", examples=["https://example.com/bevyly"]),
]
EventType = Annotated[
    str,
    StringConstraints(max_length=100, pattern=r"^(\*|[a-z_]+\.(\*|[a-z_]+))$"),
    AfterValidator(_offered),
    Field(description="`opportunity.updated`, `opportunity.*` or `*`", examples=["opportunity.*"]),
]
EventTypes = Annotated[list[EventType], Field(min_length=1, max_length=50)]
FieldPath = Annotated[str, StringConstraints(pattern=_PATH)]
Status = Literal["pending", "delivered", "failed"]


class Equals(Input):
    """The field of `data` has this value."""

    field: FieldPath = Field(description="path into `data`", examples=["after.owner_id"])
    op: Literal["equals"]
    value: Scalar


class In(Input):
    """The field of `data` has one of these values."""

    field: FieldPath = Field(description="path into `data`", examples=["to_stage"])
    op: Literal["in"]
    values: list[Scalar] = Field(min_length=1, max_length=50)


class Changed(Input):
    """The event says that the field changed: it is in `after` and differs from `before`."""

    field: FieldPath = Field(description="path into `data.after`", examples=["value_minor"])
    op: Literal["changed"]


Filter = Annotated[Equals | In | Changed, Field(discriminator="op")]
Filters = Annotated[list[Filter], Field(max_length=10, description="all must hold")]


class WebhookChange(Input):
    """Fields of an endpoint to change; those left out stay."""

    url: Url = Field(default_factory=str)
    description: Name | None = None
    event_types: EventTypes = Field(default_factory=list)
    filters: Filters = Field(default_factory=list)
    enabled: StrictBool = True


class WebhookCreate(WebhookChange):
    """A new endpoint."""

    url: Url = Field()
    event_types: EventTypes = Field()


class WebhookQuery(PageQuery):
    """Which endpoints: all."""


class Webhook(Output):
    """An endpoint, without its secret."""

    id: Id
    url: str
    description: str | None
    event_types: list[str]
    filters: list[dict[str, Any]]
    enabled: bool
    disabled_reason: str | None = Field(description="`by_user`, `failing` or `gone`")
    disabled_at: datetime | None
    failing_since: datetime | None
    failed_deliveries: int = Field(description="given up in a row since the last success")
    earlier_secrets_expire_at: list[datetime] = Field(description="secrets before the last rotation that still sign")
    version: int
    created_at: datetime
    updated_at: datetime


class NewWebhook(Webhook):
    """An endpoint with its secret, which is shown this once."""

    secret: str = Field(examples=["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"])


class WebhookPage(Output):
    """A page of endpoints, newest first."""

    data: list[Webhook]
    page: PageInfo


class DeliveryQuery(PageQuery):
    """Which deliveries."""

    status: Status | None = None


class Attempt(Output):
    """One request and what came of it."""

    started_at: datetime
    latency_ms: int
    status_code: int | None
    error: str | None = Field(description="`timeout`, `http_500`, `redirect_refused` …; null where it worked")
    address: str | None = Field(description="where the connection went")
    response_body: str | None = Field(description="its first kilobyte")


class Delivery(Output):
    """One event for one endpoint. Its id is the `webhook-id` of every attempt."""

    id: Id
    endpoint_id: Id
    event_id: Id
    event_type: str
    status: Status
    tries: int = Field(description="since it was created or replayed")
    next_attempt_at: datetime | None
    last_error: str | None
    finished_at: datetime | None
    created_at: datetime
    attempts: list[Attempt] = Field(description="the last 20")


class DeliveryDetail(Delivery):
    """A delivery with what is sent."""

    event: dict[str, Any]


class DeliveryPage(Output):
    """A page of deliveries, newest first."""

    data: list[Delivery]
    page: PageInfo


class ReplayQuery(Input):
    """Which failed deliveries to send again."""

    since: Instant | None = Field(default=None, description="created since then; all if left out")


class Replayed(Output):
    """How many deliveries are sent again, the oldest first."""

    replayed: int
    more: bool = Field(description="whether others are left: ask again")

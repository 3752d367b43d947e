"""Shapes of the live stream: what may be asked for, and the `data` of its events."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from api.schemas import Id, Input, Instant, Output
from bevyly.events.live import TOPICS


def _known(value: str) -> str:
    unknown = sorted(set(value.split(",")) - set(TOPICS))
    if unknown:
        raise ValueError(f"no such topic: {', '.join(unknown)[:100]}")
    return value


Topics = Annotated[str, StringConstraints(max_length=200, pattern=r"^[a-z]+(,[a-z]+){0,9}$"), AfterValidator(_known)]


class LiveQuery(Input):
    """What to stream."""

    topics: Topics | None = Field(
        default=None,
        description=f"any of {', '.join(TOPICS)}, with commas between; all that you may read if left out",
        examples=["briefing,signals"],
    )
    follow: bool = Field(default=True, description="false: what is there since `Last-Event-ID`, then the end")

    def named(self) -> frozenset[str]:
        """The topics that were asked for by name."""
        return frozenset(self.topics.split(",") if self.topics else ())


class LiveState(Output):
    """The `data` of an event about the stream itself: `open` names its topics, `reset` and `closed` their reason."""

    topics: list[str] | None = None
    reason: str | None = None


class LiveEvent(Output):
    """The `data` of an event: the CloudEvents envelope as it was published. The event's name is its `type`."""

    specversion: str
    id: Id
    type: str
    source: str
    subject: str
    tenantid: Id
    sequence: int = Field(description="version of the subject after the event: newer is higher")
    time: Instant
    recordedtime: Instant
    schemaversion: int
    datacontenttype: str
    data: dict[str, Any]
    causationid: str | None = None
    correlationid: str | None = None

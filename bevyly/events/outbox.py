"""The outbox: how events join the transaction of their cause, and how many of them do so quickly.

Belongs here: writing. Publishing is the relay's (`pipelines.streams.relay`). What is checked against its contract is
the wire form, so that an event which consumers would refuse never leaves the transaction that made it.
"""

from collections.abc import Iterable

from psycopg import Connection

from bevyly.errors import Invalid
from bevyly.events import contracts
from bevyly.events.catalogue import topic_of
from bevyly.events.envelope import MAX_EVENT_BYTES, Event
from bevyly.events.wakeup import NOTIFY

# COPY refuses tables with row-level security, so rows take the way over a temporary table.
_STAGE = """
create temporary table if not exists outgoing (
  n bigint generated always as identity,
  customer_id varchar(36), event_id varchar(36), topic varchar(100), envelope text
) on commit delete rows
"""
_COPY = "copy outgoing (customer_id, event_id, topic, envelope) from stdin"
_MOVE = """
insert into outbox (customer_id, event_id, topic, envelope)
select customer_id, event_id, topic, envelope from outgoing order by n
"""


OUTBOX_COLUMNS = ("customer_id", "event_id", "topic", "envelope")


class EventTooLarge(Invalid):
    """The event is larger than consumers take."""

    code = "event_too_large"


class NotWritable(Invalid):
    """The event holds half a character (a lone surrogate), or is nested too deeply."""

    code = "event_not_writable"


def outbox_rows(events: Iterable[Event]) -> list[dict[str, str]]:
    """Rows of the outbox for `events`, in their order; raises the errors of `contracts.validate`."""
    return [
        {"customer_id": event.tenant_id, "event_id": event.id, "topic": topic_of(event.type), "envelope": _wire(event)}
        for event in events
    ]


def copy_to_outbox(connection: Connection, events: Iterable[Event]) -> int:
    """Write `events` to the outbox in the open transaction of `connection`, by COPY; how many there were.

    For loaders and pipeline steps, which commit rarely and may therefore wake the relay by their own commit. The order
    of `events` is the order of publication.
    """
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        cursor.execute("truncate outgoing")
        with cursor.copy(_COPY) as copy:
            for event in events:
                copy.write_row((event.tenant_id, event.id, topic_of(event.type), _wire(event)))
        cursor.execute(_MOVE)
        written = cursor.rowcount
        cursor.execute(NOTIFY)
        return written


def _wire(event: Event) -> str:
    try:
        payload = event.to_json()
    except (UnicodeEncodeError, RecursionError) as error:
        raise NotWritable(f"{event.type} cannot be written as JSON: {error}") from error
    if len(payload) > MAX_EVENT_BYTES:
        raise EventTooLarge(f"{event.type} has {len(payload)} bytes; at most {MAX_EVENT_BYTES} may be published")
    contracts.validate(Event.from_json(payload))
    return payload.decode()

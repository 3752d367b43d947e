"""What reaches the outbox is what consumers will accept."""

from datetime import UTC, date, datetime

import msgspec
import pytest

from bevyly.clock import FixedClock
from bevyly.events.catalogue import UnknownEventType
from bevyly.events.contracts import ContractViolation
from bevyly.events.envelope import MAX_EVENT_BYTES, Event, new_event
from bevyly.events.outbox import EventTooLarge, NotWritable, outbox_rows
from bevyly.ids import new_id

CLOCK = FixedClock(datetime(2026, 11, 23, 8, tzinfo=UTC))


def opportunity(**data: object) -> Event:
    subject = new_id()
    base = {"opportunity_id": subject, "account_id": new_id(), "name": "D", "stage": "proposal"}
    return new_event(
        "opportunity.created",
        tenant_id=new_id(),
        subject=("opportunity", subject),
        sequence=1,
        data=base | data,
        clock=CLOCK,
    )


def test_rows_carry_tenant_topic_and_wire_form() -> None:
    event = opportunity()
    assert outbox_rows([event]) == [
        {
            "customer_id": event.tenant_id,
            "event_id": event.id,
            "topic": "bevyly.domain",
            "envelope": event.to_json().decode(),
        }
    ]


def test_the_wire_form_is_what_counts() -> None:
    [row] = outbox_rows([opportunity(expected_close_date=date(2026, 12, 15))])
    assert Event.from_json(row["envelope"]).data["expected_close_date"] == "2026-12-15"


def test_an_event_that_consumers_would_refuse_is_refused_here() -> None:
    with pytest.raises(ContractViolation):
        outbox_rows([opportunity(stage=None)])
    with pytest.raises(UnknownEventType):
        outbox_rows([msgspec.structs.replace(opportunity(), type="opportunity.forgotten")])


def test_an_event_that_is_too_large_is_refused_here() -> None:
    lists = {f"k{number}": ["x" * 9_000] * 2 for number in range(MAX_EVENT_BYTES // 18_000 + 1)}
    with pytest.raises(EventTooLarge):
        outbox_rows([opportunity(custom=lists)])


def nested(depth: int) -> dict[str, object]:
    value: dict[str, object] = {}
    for _ in range(depth):
        value = {"k": value}
    return value


@pytest.mark.parametrize("custom", [{"k": "\ud800"}, nested(100_000)], ids=["half a character", "too deep"])
def test_an_event_that_json_cannot_hold_is_refused_here(custom: dict[str, object]) -> None:
    with pytest.raises(NotWritable):
        outbox_rows([opportunity(custom=custom)])

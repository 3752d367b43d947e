"""Contracts refuse what PostgreSQL or a reader could not take, and say where."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bevyly.clock import FixedClock
from bevyly.events import contracts
from bevyly.events.catalogue import UnknownEventType
from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id

CLOCK = FixedClock(datetime(2026, 11, 23, 8, tzinfo=UTC))


def lead(**data: Any) -> Event:
    lead_id = new_id()
    return new_event(
        "lead.created",
        tenant_id=new_id(),
        subject=("lead", lead_id),
        sequence=1,
        data={"lead_id": lead_id, "status": "new"} | data,
        clock=CLOCK,
    )


def test_a_valid_event_gives_the_json_of_its_data() -> None:
    event = lead(custom={"visits": 3})
    assert msgspec.json.decode(contracts.validate(event)) == event.data


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"status": "unheard_of"}, "data/status"),
        ({"value_minor": 2**63}, "data/value_minor"),
        ({"value_minor": 1.5}, "data/value_minor"),
        ({"currency": "eur"}, "data/currency"),
        ({"company_name": "x" * 256}, "data/company_name"),
        ({"account_id": "A" * 36}, "data/account_id"),
        ({"custom": {"deep": {"er": 1}}}, "data/custom/deep"),
        ({"custom": {"list": [1, [2]]}}, "data/custom/list"),
        ({"surprise": 1}, "data"),
    ],
)
def test_a_violation_names_the_field(data: dict[str, Any], path: str) -> None:
    with pytest.raises(contracts.ContractViolation) as refused:
        contracts.validate(lead(**data))
    assert refused.value.context["path"] == path


@pytest.mark.parametrize("data", [{"source": "a\0b"}, {"custom": {"k": ["x", "\0"]}}, {"custom": {"\0": 1}}])
def test_nul_is_refused_wherever_it_is(data: dict[str, Any]) -> None:
    with pytest.raises(contracts.NulCharacter):
        contracts.validate(lead(**data))


@given(st.integers(min_value=0, max_value=9))
def test_the_text_that_spells_nul_is_not_nul(slashes: int) -> None:
    text = "\\" * slashes + "u0000"
    assert msgspec.json.decode(contracts.validate(lead(source=text)))["source"] == text


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x" * 36},
        {"tenant_id": "0" * 36},
        {"subject": "lead"},
        {"subject": "lead/a b"},
        {"source": "bevyly\0api"},
        {"correlation_id": "\0"},
    ],
)
def test_the_envelope_is_checked_too(change: dict[str, str]) -> None:
    with pytest.raises(contracts.ContractViolation):
        contracts.validate(msgspec.structs.replace(lead(), **change))


def test_unknown_types_and_versions_are_named() -> None:
    with pytest.raises(UnknownEventType):
        contracts.validate(msgspec.structs.replace(lead(), type="lead.forgotten"))
    with pytest.raises(contracts.UnknownSchemaVersion):
        contracts.validate(msgspec.structs.replace(lead(), schema_version=99))


def test_times_without_zone_and_numbers_beyond_bigint_are_no_events() -> None:
    payload = lead().to_json()
    for old, new in ((b'"sequence":1', b'"sequence":9223372036854775808'), (b'08:00:00Z"', b'08:00:00"')):
        assert old in payload
        with pytest.raises(msgspec.ValidationError):
            Event.from_json(payload.replace(old, new))

"""Who wants which events."""

from typing import Any

import pytest

from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id
from bevyly.webhooks.subscriptions import is_offered, offered_types, wants
from tests.support.event_streams import CLOCK


def event(type_: str = "opportunity.updated", **data: Any) -> Event:
    return new_event(type_, tenant_id=new_id(), subject=("opportunity", new_id()), sequence=1, data=data, clock=CLOCK)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        ("*", True),
        ("opportunity.*", True),
        ("opportunity.updated", True),
        ("opportunity.update", False),
        ("opportunity.stage_changed", False),
        ("account.*", False),
        ("oppor.*", False),
    ],
)
def test_patterns(pattern: str, matches: bool) -> None:
    assert wants(["lead.converted", pattern], [], event()) is matches


def test_commands_to_agents_are_not_offered() -> None:
    assert not [type_ for type_ in offered_types() if type_.startswith("agent.")]
    assert {"opportunity.stage_changed", "enrichment.completed", "webhook.endpoint_disabled"} <= offered_types()
    assert is_offered("opportunity.*")
    assert not is_offered("agent.*")
    assert not is_offered("nothing.happened")


@pytest.mark.parametrize(
    ("condition", "data", "holds"),
    [
        ({"op": "equals", "field": "owner_id", "value": "x"}, {"owner_id": "x"}, True),
        ({"op": "equals", "field": "owner_id", "value": "x"}, {"owner_id": "y"}, False),
        ({"op": "equals", "field": "owner_id", "value": None}, {"owner_id": None}, True),
        ({"op": "equals", "field": "owner_id", "value": None}, {}, False),
        ({"op": "equals", "field": "n", "value": 1}, {"n": 1.0}, True),
        ({"op": "equals", "field": "n", "value": 1}, {"n": True}, False),
        ({"op": "equals", "field": "n", "value": False}, {"n": 0}, False),
        ({"op": "equals", "field": "custom.Size of it", "value": "L"}, {"custom": {"Size of it": "L"}}, True),
        ({"op": "equals", "field": "custom.a.b", "value": "L"}, {"custom": {"a": ["b"]}}, False),
        ({"op": "in", "field": "after.status", "values": ["a", "b"]}, {"after": {"status": "b"}}, True),
        ({"op": "in", "field": "after.status", "values": ["a", "b"]}, {"after": {"status": "c"}}, False),
        ({"op": "changed", "field": "stage"}, {"before": {"stage": "a"}, "after": {"stage": "b"}}, True),
        ({"op": "changed", "field": "stage"}, {"before": {"stage": "a"}, "after": {"stage": "a"}}, False),
        ({"op": "changed", "field": "stage"}, {"before": {}, "after": {"stage": "a"}}, True),
        ({"op": "changed", "field": "stage"}, {"before": {"stage": "a"}, "after": {"name": "b"}}, False),
        ({"op": "changed", "field": "stage"}, {"stage": "a"}, False),
        ({"op": "changed", "field": "custom.x"}, {"before": {"custom": {"x": 1}}, "after": {"custom": {"x": 2}}}, True),
    ],
)
def test_conditions(condition: dict[str, Any], data: dict[str, Any], holds: bool) -> None:
    assert wants(["*"], [condition], event(**data)) is holds


def test_all_conditions_must_hold() -> None:
    yes = {"op": "equals", "field": "a", "value": 1}
    no = {"op": "equals", "field": "b", "value": 1}
    assert wants(["*"], [yes, yes], event(a=1, b=2))
    assert not wants(["*"], [yes, no], event(a=1, b=2))

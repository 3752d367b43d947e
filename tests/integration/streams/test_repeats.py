"""Repeated and reordered events: detector and trigger end in the same rows as after one delivery in order.

A log is delivered three times over and shuffled, replayed from its beginning, and permuted event by event.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as settings_of
from hypothesis import strategies as st

from bevyly.events.envelope import Event, new_event
from bevyly.ids import derived_id, new_id
from pipelines.repositories.signals import upsert_signals
from pipelines.streams.agent_trigger import AgentTrigger
from pipelines.streams.application import Handler
from pipelines.streams.rules import find
from pipelines.streams.signal_detector import SignalDetector
from tests.support.databases import Database
from tests.support.event_streams import CLOCK, NOW, call, change, store

Connection = psycopg.Connection[Any]
State = list[tuple[Any, ...]]

SLIPPED = {"expected_close_date": "2027-03-01"}
SIGNALS = """
select to_jsonb(s) - '{id,created_at,first_seen_at}'::text[] from signals s order by customer_id, dedupe_key
"""
# which of several closings came first is not told from their order of arrival
OPEN_OR_CLOSED = """
select to_jsonb(s) - '{id,created_at,first_seen_at,closed_at,close_reason}'::text[], closed_at is not null
from signals s order by customer_id, dedupe_key
"""
RUNS = """
select to_jsonb(r) - 'id', to_jsonb(a) - '{id,agent_run_id,created_at}'::text[]
from agent_runs r left join approval_items a on (a.customer_id, a.agent_run_id) = (r.customer_id, r.id)
order by r.customer_id, r.command_id
"""


@pytest.fixture(scope="module")
def tenants(module_database: Database) -> list[str]:
    return [module_database.add_tenant("ours"), module_database.add_tenant("theirs")]


@pytest.fixture
def connection(module_database: Database) -> Iterator[Connection]:
    with psycopg.connect(module_database.pipeline_url) as connection:
        yield connection
        connection.rollback()


def _deal(connection: Connection, tenant: str, name: str, status: str) -> str:
    """An opportunity that was quiet until now, so that there is something to close."""
    account, deal = derived_id(tenant, name, "account"), derived_id(tenant, name)
    connection.execute("insert into accounts (customer_id, id, name) values (%s, %s, 'A')", (tenant, account))
    connection.execute(
        "insert into opportunities (customer_id, id, account_id, name, stage, status, stage_entered_at, closed_at) "
        "values (%s, %s, %s, 'D', 'proposal', %s, now(), case when %s <> 'open' then now() end)",
        (tenant, deal, account, status, status),
    )
    quiet = dict(find(_as("proposal.replied", call(tenant, deal, direction="inbound")))[0])
    quiet |= {"signal_type": "going_dark", "polarity": "-", "dedupe_key": f"going_dark:{deal}", "seen_at": NOW}
    upsert_signals(connection, [quiet], found_by="batch", at=NOW)
    return deal


def _as(type_: str, event: Event, **data: Any) -> Event:
    return msgspec.structs.replace(event, type=type_, data=event.data | data)


def _log(connection: Connection, tenants: Sequence[str]) -> list[Event]:
    """What happens to an open and a lost deal of each tenant, in order, every kind of event that has a rule; stored."""
    events = []
    for tenant in tenants:
        for status in ("open", "lost"):
            deal = _deal(connection, tenant, status, status)
            due = (NOW + timedelta(days=3)).isoformat()
            events += [
                call(tenant, deal, direction="inbound"),
                _as("form.submitted", call(tenant, deal, direction="inbound")),
                change(tenant, deal, before={"value_minor": 100}, after={"value_minor": 900}),
                _as("meeting.scheduled", call(tenant, deal, direction="inbound", kind="meeting", due_at=due)),
                change(tenant, deal, before={"expected_close_date": "2026-12-01"}, after=SLIPPED),
                _as("proposal.replied", call(tenant, deal, direction="inbound", kind="proposal")),
                change(tenant, deal, before=SLIPPED, after={"expected_close_date": "2027-03-05"}),
                *(_grown(tenant, derived_id(tenant, status, "account"), *sizes) for sizes in ((10, 40), (40, 50))),
                call(tenant, deal),
            ]
    events = [
        msgspec.structs.replace(event, sequence=number, recorded_time=NOW + timedelta(minutes=number))
        for number, event in enumerate(events, start=1)
    ]
    store(connection, events)
    return events


def _grown(tenant: str, account: str, before: int, after: int) -> Event:
    event = change(tenant, account, before={"employee_count": before}, after={"employee_count": after})
    return msgspec.structs.replace(event, type="account.updated", subject=f"account/{account}")


def _commands(_connection: Connection, tenants: Sequence[str]) -> list[Event]:
    kinds = {"agent.enrich_account": {"account_id": new_id()}, "agent.make_call": {"lead_id": new_id()}}
    return [
        new_event(kind, tenant_id=tenant, subject=("agent_command", new_id()), sequence=1, data=data, clock=CLOCK)
        for tenant in tenants
        for kind, data in kinds.items()
        for _ in range(3)
    ]


Make = Callable[[Connection, Sequence[str]], list[Event]]
CONSUMERS = pytest.mark.parametrize(
    ("handler", "make", "query"),
    [
        pytest.param(SignalDetector(CLOCK), _log, SIGNALS, id="signal detector"),
        pytest.param(AgentTrigger(CLOCK), _commands, RUNS, id="agent trigger"),
    ],
)


def _deliver(connection: Connection, handler: Handler, events: Sequence[Event], *, batch: int = 4) -> None:
    for start in range(0, len(events), batch):
        handler(connection, events[start : start + batch])


def _state(connection: Connection, query: str) -> State:
    return connection.execute(query).fetchall()


def _after(connection: Connection, handler: Handler, events: Sequence[Event], query: str, *, batch: int = 4) -> State:
    """The state that `events` leave behind; taken back."""
    with connection.transaction(force_rollback=True):
        _deliver(connection, handler, events, batch=batch)
        return _state(connection, query)


@CONSUMERS
def test_everything_three_times_and_shuffled_is_as_once(
    connection: Connection, tenants: list[str], handler: Handler, make: Make, query: str
) -> None:
    events = make(connection, tenants)
    shuffled = [*events, *random.Random(7).sample(events * 2, 2 * len(events))]
    once = _after(connection, handler, events, query)
    assert len(once) >= 10
    assert _after(connection, handler, shuffled, query) == once


@CONSUMERS
def test_a_group_that_reads_all_again_changes_nothing(
    connection: Connection, tenants: list[str], handler: Handler, make: Make, query: str
) -> None:
    events = make(connection, tenants)
    rows = f"with rows as ({query}) select rows::text from rows"
    with connection.transaction(force_rollback=True):
        _deliver(connection, handler, events)
        before, versions = _state(connection, rows), _state(connection, "select xmin, ctid from signals order by ctid")
        _deliver(connection, handler, events, batch=7)
        assert _state(connection, rows) == before
        assert _state(connection, "select xmin, ctid from signals order by ctid") == versions


@settings_of(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_order_of_arrival_leads_elsewhere(
    module_database: Database, tenants: list[str], data: st.DataObject
) -> None:
    """Within each subject too: what is found and what is over are told by the times in the events."""
    handler = SignalDetector(CLOCK)
    with psycopg.connect(module_database.pipeline_url) as connection:
        events = _log(connection, tenants)
        order = data.draw(st.permutations(events))
        batch = data.draw(st.integers(1, len(events)))
        expected = _after(connection, handler, events, OPEN_OR_CLOSED)
        assert _after(connection, handler, order, OPEN_OR_CLOSED, batch=batch) == expected
        connection.rollback()


def test_without_a_key_every_delivery_would_be_another_signal(
    connection: Connection, tenants: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: the dedupe key is what makes repetitions harmless."""
    monkeypatch.setattr("pipelines.streams.findings.dedupe_key", lambda *parts: ":".join((*parts, new_id())))
    handler, events = SignalDetector(CLOCK), _log(connection, tenants)
    once = _after(connection, handler, events, SIGNALS)
    assert len(_after(connection, handler, events * 3, SIGNALS)) > len(once)


def test_if_the_latest_arrival_won_the_order_would_matter(
    connection: Connection, tenants: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: what was seen after an event stays open because times are compared."""
    monkeypatch.setattr(
        "pipelines.repositories.signals._CLOSE",
        _without(" and open.last_seen_at <= given.at"),
    )
    handler, events = SignalDetector(CLOCK), _log(connection, tenants)
    late = [
        dict(find(_as("proposal.replied", event))[0])
        | {"signal_type": "going_dark", "dedupe_key": "later", "seen_at": NOW + timedelta(days=1)}
        for event in events[:1]
    ]
    upsert_signals(connection, late, found_by="batch", at=NOW)
    _deliver(connection, handler, events)
    assert connection.execute("select closed_at is null from signals where dedupe_key = 'later'").fetchone() == (False,)


def _without(condition: str) -> str:
    from pipelines.repositories import signals

    assert condition in signals._CLOSE
    return signals._CLOSE.replace(condition, "")

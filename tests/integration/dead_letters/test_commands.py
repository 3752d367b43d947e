"""`bevyly dlq` and `bevyly streams`, as a person types them."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
import structlog
from typer.testing import CliRunner, Result

from bevyly.events.dead_letters import DeadLetter
from bevyly.events.envelope import Event, new_event
from bevyly.ids import new_id
from bevyly.settings import get_settings
from pipelines.dead_letters.commands import app as dlq
from pipelines.dead_letters.limit import halt
from pipelines.dead_letters.store import record
from pipelines.streams.commands import app as streams
from tests.support.databases import Database
from tests.support.event_streams import CLOCK, call
from tests.support.stream_runs import message_of

Connection = psycopg.Connection[Any]
Refuse = Callable[..., None]


@pytest.fixture(autouse=True)
def _settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", database.owner_url)
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:1")
    # the stream that it would write to is gone after the command
    monkeypatch.setattr("pipelines.dead_letters.commands.configure_logging", lambda *_: None)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[Any]]:
    with structlog.testing.capture_logs() as logged:
        yield logged


def run(app: Any, *arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, catch_exceptions=True)


def rows(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run(dlq, "list", "--json", *arguments).stdout.splitlines()]


def test_letters_are_listed_by_consumer_status_and_tenant(
    connection: Connection, tenants: list[str], refuse: Refuse
) -> None:
    ours, theirs = call(tenants[0], new_id()), call(tenants[1], new_id())
    refuse(ours, theirs)
    assert [one["event_id"] for one in rows()] == [theirs.id, ours.id]
    assert [one["event_id"] for one in rows("--tenant", "ours")] == [ours.id]
    assert rows("--consumer", "signal-detector") == rows("--status", "discarded") == []
    said = run(dlq, "list").stdout
    assert ours.subject in said
    assert "raw: 2 open, contract_violation" in said


def test_one_letter_is_shown_with_what_it_carries(connection: Connection, tenants: list[str], refuse: Refuse) -> None:
    refuse(call(tenants[0], new_id(), custom={"colour": "grün"}), b"\xff\x00 not JSON")
    broken, letter = rows()
    assert '"colour": "grün"' in run(dlq, "show", letter["id"]).stdout
    assert "not yet" in run(dlq, "show", letter["id"]).stdout
    assert "\\xff" in run(dlq, "show", broken["id"]).stdout
    assert "There is no dead letter" in str(run(dlq, "show", "nothing").exception)


def test_a_redrive_says_what_became_of_each(
    connection: Connection, tenants: list[str], refuse: Refuse, logged: list[Any]
) -> None:
    refuse(call(tenants[0], new_id()), call(new_id(), new_id()))
    result = run(dlq, "redrive", "--consumer", "raw")
    assert result.exit_code == 1
    assert result.stdout.count("redriven") == 1
    assert result.stdout.count("no tenant") == 1
    assert sorted(line["status"] for line in logged) == ["open", "redriven"]
    assert run(dlq, "redrive").exit_code == 2
    assert "There is no dead letter" in str(run(dlq, "redrive", "nothing").exception)


def test_a_command_to_agents_takes_effect_through_the_stream_of_that_name(
    connection: Connection, tenants: list[str]
) -> None:
    event = _command(tenants[0])
    message = message_of(event, 0, topic="bevyly.agent-commands")
    record(connection, [DeadLetter(message=message, code="handler_failed", reason="x")], consumer="agent-trigger")
    for _ in range(2):
        assert run(dlq, "redrive", rows("--status", "all")[0]["id"]).exit_code == 0
    assert connection.execute("select customer_id, command_id from agent_runs").fetchall() == [(tenants[0], event.id)]


def _command(tenant: str) -> Event:
    return new_event(
        "agent.enrich_account", tenant_id=tenant, subject=("agent_command", new_id()), sequence=1,
        data={"account_id": new_id()}, clock=CLOCK,
    )  # fmt: skip


def test_a_discarded_letter_keeps_the_reason(
    connection: Connection, tenants: list[str], refuse: Refuse, logged: list[Any]
) -> None:
    refuse(call(tenants[0], new_id()))
    [letter] = rows()
    assert run(dlq, "discard", letter["id"]).exit_code == 2
    assert run(dlq, "discard", letter["id"], "--reason", "a test of theirs").exit_code == 0
    [kept] = rows("--status", "discarded")
    assert kept["resolution"].endswith(": a test of theirs")
    assert kept["resolved_at"]
    assert [(line["event"], line["letter"], line["reason"]) for line in logged] == [
        ("discard", letter["id"], "a test of theirs")
    ]


def test_a_halted_consumer_is_shown_and_released(connection: Connection) -> None:
    connection.execute("insert into raw.consumer_offsets values ('signal-detector', 'bevyly.domain', 2, 17, now())")
    halt(connection, "signal-detector", "20 of the last 20 events fail")
    listed = run(streams, "list").stdout
    assert "signal-detector is halted since" in listed
    assert "20 of the last 20 events fail" in listed
    assert "bevyly streams release signal-detector" in listed
    lines = [json.loads(line) for line in run(streams, "list", "--json").stdout.splitlines()]
    assert {
        "consumer": "signal-detector",
        "topic": "bevyly.domain",
        "partition": 2,
        "position": 17,
        "lag": None,
    } in lines
    assert run(streams, "release", "signal-detector").stdout == "signal-detector goes on.\n"
    assert run(streams, "release", "signal-detector").stdout == "signal-detector was not halted.\n"
    assert "There is no consumer" in str(run(streams, "release", "nobody").exception)

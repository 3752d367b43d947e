"""The commands as an operator meets them: words, JSON, exit codes."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from bevyly.errors import NotFound
from bevyly.ids import new_id
from bevyly.settings import get_settings
from pipelines.intake import drain
from pipelines.reconciliation import commands
from tests.support.event_path import EventPath
from tests.support.event_streams import call, fill_outbox

app = typer.Typer()
app.command("reconcile")(commands.reconcile)
app.command("replay")(commands.replay)


@pytest.fixture(autouse=True)
def _settings(path: EventPath, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", path.settings.require_database())
    monkeypatch.setenv("KAFKA_BROKERS", path.settings.require_kafka())
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def run(path: EventPath, command: str, *options: str) -> Any:
    return CliRunner().invoke(app, [command, "--since", f"{path.began:%Y-%m-%dT%H:%M:%S.%f}", *options])


def test_a_proof_ends_with_0_and_a_table(path: EventPath) -> None:
    path.run(20)
    shown = run(path, "reconcile")
    assert shown.exit_code == 0
    assert "Proven: 20 events are the same in each place." in shown.stdout
    assert shown.stdout.count("the same") == 3


def test_what_is_on_its_way_is_said_and_ends_with_0(path: EventPath) -> None:
    fill_outbox(path.settings, [call(path.tenants[0], new_id())])
    shown = run(path, "reconcile")
    assert shown.exit_code == 0
    assert "Nothing is missing so far. 1 are on their way." in shown.stdout


def test_what_is_missing_ends_with_1_and_the_first_names(path: EventPath) -> None:
    events = path.run(60)
    path.execute("delete from raw.events where customer_id = %s", (path.tenants[0],))
    shown = run(path, "reconcile")
    assert shown.exit_code == 1
    assert "30 missing in raw (the first 20; all with --json)" in shown.stdout
    ours = [event.id for event in events if event.tenant_id == path.tenants[0]]
    assert sum(name in shown.stdout for name in ours) == 20
    told = run(path, "reconcile", "--json")
    assert told.exit_code == 1
    document = json.loads(told.stdout)
    assert {one["event_id"] for one in document["findings"]} == set(ours)
    assert document["proven"] is False


def test_a_tenant_by_name_or_id(path: EventPath) -> None:
    path.run(20)
    path.execute("delete from raw.events where customer_id = %s", (path.tenants[0],))
    assert run(path, "reconcile", "--tenant", "theirs").exit_code == 0
    assert run(path, "reconcile", "--tenant", path.tenants[0]).exit_code == 1
    assert isinstance(run(path, "reconcile", "--tenant", "nobody").exception, NotFound)


def test_repair_from_the_command_line(path: EventPath, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.reconciliation import repair
    from tests.support.event_streams import relay_all

    def settle(_: Any) -> None:
        relay_all(path.settings)
        drain(path.settings)

    monkeypatch.setattr(repair, "arrive", settle)
    path.run(20)
    path.execute("delete from raw.events where customer_id = %s", (path.tenants[0],))
    shown = run(path, "reconcile", "--repair")
    assert shown.exit_code == 0
    assert "10 events were published again from the journal." in shown.stdout
    document = json.loads(run(path, "reconcile", "--repair", "--json").stdout)
    assert (document["proven"], document["repair"]) == (True, [])


def test_replay_from_the_command_line(path: EventPath) -> None:
    path.run(20)
    counted = run(path, "replay", "--tenant", "ours", "--dry-run")
    assert (counted.exit_code, "10 events would be published again." in counted.stdout) == (0, True)
    assert path.rows("select count(*) from outbox") == [(0,)]
    done = run(path, "replay", "--tenant", "ours", "--until", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}")
    assert (done.exit_code, "10 of 10 events were put into the outbox" in done.stdout) == (0, True)
    assert path.rows("select distinct customer_id from outbox") == [(path.tenants[0],)]

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points

import pytest
import structlog

from bevyly import cli
from bevyly.errors import MissingDependency
from bevyly.settings import load_settings


@pytest.fixture(autouse=True)
def _logging_of_other_tests() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_every_command_can_be_described(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    names = sorted(entry_points(group=cli.GROUP).names)
    assert {"demo", "up", "down", "status", "load", "report", "brief"} <= set(names)
    for name in names:
        monkeypatch.setattr(sys, "argv", ["bevyly", name, "--help"])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        shown = capsys.readouterr().out
        assert ended.value.code in (0, None), name
        assert f"bevyly {name}" in shown


def test_the_command_line_is_a_module_too() -> None:
    shown = subprocess.run([sys.executable, "-m", "bevyly.cli", "--help"], capture_output=True, text=True, check=True)
    assert "brief" in shown.stdout


def test_standard_output_has_only_what_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> None:
        log = structlog.get_logger("work")
        log.info("as usual")
        log.warning("something is odd")
        sys.stdout.write('{"figures": []}')

    monkeypatch.setattr(cli, "app", work)
    cli.main()
    written = capsys.readouterr()
    assert written.out == '{"figures": []}'
    assert "something is odd" in written.err
    assert "as usual" not in written.err


def test_a_named_error_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise MissingDependency("Kafka is not configured: run `bevyly up`, or set KAFKA_BROKERS.")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "bevyly: Kafka is not configured: run `bevyly up`, or set KAFKA_BROKERS.\n"


def test_a_database_that_is_away_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    away = load_settings(database_pipeline_url="postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setattr("bevyly.settings.get_settings", lambda: away)
    monkeypatch.setattr(sys, "argv", ["bevyly", "brief"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.startswith("bevyly: PostgreSQL does not answer")
    assert said.count("\n") == 1


def test_an_unknown_command_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bevyly", "fly"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "fly" in capsys.readouterr().err

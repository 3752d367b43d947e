import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from bevyly import cli
from bevyly.errors import MissingDependency


def test_every_command_can_be_described() -> None:
    names = sorted(entry_points(group=cli.GROUP).names)
    assert {"demo", "up", "down", "status", "load", "report", "brief"} <= set(names)
    for name in names:
        shown = subprocess.run(
            [sys.executable, "-m", "bevyly.cli", name, "--help"], capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0, shown.stderr
        assert name in shown.stdout


def test_a_named_error_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        raise MissingDependency("Kafka is not configured: run `bevyly up`, or set KAFKA_BROKERS.")

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "bevyly: Kafka is not configured: run `bevyly up`, or set KAFKA_BROKERS.\n"


def test_an_unknown_command_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["bevyly", "fly"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "fly" in capsys.readouterr().err

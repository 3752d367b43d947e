from pathlib import Path

import psycopg.conninfo
import pytest

from bevyly.errors import MissingDependency
from bevyly.settings import as_role, load_settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BEVYLY_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_what_is_missing_is_said_with_what_to_do(home: Path) -> None:
    with pytest.raises(MissingDependency, match=r"bevyly up.*DATABASE_URL"):
        load_settings().require_database()


def test_addresses_of_a_running_system_are_found(home: Path) -> None:
    (home / "runtime.env").write_text("KAFKA_BROKERS=127.0.0.1:9092\n")
    assert load_settings().require_kafka() == "127.0.0.1:9092"


def test_the_environment_wins_over_the_running_system(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "runtime.env").write_text("KAFKA_BROKERS=127.0.0.1:9092\n")
    monkeypatch.setenv("KAFKA_BROKERS", "kafka.example:9093")
    assert load_settings().require_kafka() == "kafka.example:9093"


def test_a_short_secret_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "short")
    with pytest.raises(MissingDependency, match="32 characters"):
        load_settings().require_jwt_secrets()


def test_a_role_is_taken_before_the_first_statement() -> None:
    url = as_role("postgresql://u:p@localhost:5432/db?options=-c%20timezone%3DUTC", "bevyly_app")
    assert psycopg.conninfo.conninfo_to_dict(url)["options"] == "-c timezone=UTC -c role=bevyly_app"


def test_the_home_is_ours_and_not_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BEVYLY_HOME")
    monkeypatch.setenv("HOME", "/elsewhere")
    monkeypatch.chdir(tmp_path)
    assert load_settings().home == tmp_path / ".bevyly"

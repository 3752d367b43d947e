"""The embedded PostgreSQL: what is durable, who may log in, and what a crash leaves behind."""

import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from bevyly.runtime.errors import CannotStart
from bevyly.runtime.ports import free_port
from bevyly.runtime.postgres import EmbeddedPostgres


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """Under /tmp itself: pytest's own folders are closed to the account that PostgreSQL drops to."""
    with tempfile.TemporaryDirectory(prefix="bevyly-test-") as directory:
        postgres = EmbeddedPostgres(Path(directory) / "data", free_port())
        postgres.start()
        yield postgres
        postgres.stop()


def rows(server: EmbeddedPostgres) -> int:
    with psycopg.connect(server.url) as connection:
        return int(connection.execute("SELECT count(*) FROM kept").fetchone()[0])


def write_one(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")


def test_the_owner_can_make_roles_and_text_is_unicode(server: EmbeddedPostgres) -> None:
    with psycopg.connect(server.url) as connection:
        connection.execute("CREATE ROLE some_app NOLOGIN")
        shown = connection.execute("SELECT current_setting('server_encoding'), current_setting('TimeZone')").fetchone()
    assert shown == ("UTF8", "UTC")


@pytest.mark.faults
def test_committed_rows_survive_a_kill_with_clients_connected(server: EmbeddedPostgres) -> None:
    write_one(server)
    with psycopg.connect(server.url, autocommit=True) as still_connected:
        still_connected.execute("SELECT 1")
        server.kill()
        server.start()
        assert rows(server) == 1


def test_what_a_killed_supervisor_left_running_gives_way(server: EmbeddedPostgres) -> None:
    write_one(server)
    successor = EmbeddedPostgres(server.data_dir, server.port)
    successor.start()
    try:
        assert server.child is not None and not server.child.running()
        assert rows(successor) == 1
    finally:
        successor.stop()


def test_a_wrong_password_is_refused_and_the_right_one_is_private(server: EmbeddedPostgres) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url.replace(server.password, "guess"))
    assert stat.S_IMODE((server.data_dir / "password").stat().st_mode) == 0o600


def test_an_unfinished_initdb_is_repeated() -> None:
    with tempfile.TemporaryDirectory(prefix="bevyly-test-") as directory:
        data = Path(directory)
        (data / "cluster.partial" / "half").mkdir(parents=True)
        with EmbeddedPostgres(data, free_port(), durable=False) as server:
            write_one(server)
            assert rows(server) == 1
        assert not (data / "cluster.partial").exists()


def test_a_taken_port_is_one_sentence_with_a_way_out(server: EmbeddedPostgres) -> None:
    with tempfile.TemporaryDirectory(prefix="bevyly-test-") as directory:
        other = EmbeddedPostgres(Path(directory), server.port, durable=False)
        with pytest.raises(CannotStart, match=rf"Port {server.port} .* taken by postgres .* POSTGRES_PORT=…"):
            other.start()

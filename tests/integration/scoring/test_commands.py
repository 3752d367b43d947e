"""`bevyly models`, as a person types it."""

from collections.abc import Iterator
from datetime import timedelta

import polars as pl
import psycopg
import pytest
from typer.testing import CliRunner

from bevyly.errors import NotFound
from bevyly.settings import get_settings
from pipelines.repositories.model_versions import write_model_versions
from pipelines.scoring.commands import app
from tests.integration.repositories.builders import NOW
from tests.integration.repositories.test_scores import version
from tests.support.databases import Database


@pytest.fixture(autouse=True)
def _settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", database.owner_url)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_back_and_forth(database: Database) -> None:
    tenant = database.add_tenant("Demo")
    rows = [
        version(
            customer_id=tenant, created_at=NOW + timedelta(days=day), n_outcomes=100 + day, status_reason=f"day {day}"
        )
        for day in (0, 7, 14)
    ]
    for row in rows:
        with psycopg.connect(database.pipeline_url) as connection:
            write_model_versions(connection, pl.DataFrame([row]))
    run = CliRunner().invoke

    def in_use() -> str:
        with psycopg.connect(database.owner_url) as connection:
            (found,) = connection.execute("select id from model_versions where status = 'champion'").fetchall()
        return str(found[0])

    first, middle, last = (str(row["id"]) for row in rows)
    assert in_use() == last
    assert run(app, ["rollback", "win", "--reason", "off"]).stdout == f"{middle} is in use.\n"
    assert in_use() == middle
    assert run(app, ["promote", first]).exit_code == 0
    assert in_use() == first
    assert run(app, ["promote", first]).stdout == f"{first} is in use already.\n"
    listed = run(app, ["list"])
    assert listed.exit_code == 0, listed.output
    assert all(one in listed.stdout for one in ("champion", "retired", "probability"))
    assert run(app, ["watch"]).exit_code == 0
    assert isinstance(run(app, ["rollback", "fit"]).exception, NotFound)
    assert isinstance(run(app, ["promote", first, "--tenant", "Nobody"]).exception, NotFound)

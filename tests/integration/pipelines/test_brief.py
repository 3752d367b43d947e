"""`bevyly brief`, as a person types it: of any day, in any form."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import orjson
import psycopg
import pytest
import typer
from typer.testing import CliRunner

from bevyly.errors import NotFound
from bevyly.settings import get_settings
from pipelines.commands import brief
from tests.support.databases import Database
from tests.unit.briefing.documents import briefing

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
app = typer.Typer()
app.command()(brief)


@pytest.fixture(autouse=True)
def _settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", database.owner_url)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_every_form_of_every_day(database: Database) -> None:
    tenant = database.add_tenant("Demo")
    user = database.add_user(tenant, "ann@demo.example")
    stored = [orjson.dumps(briefing(version=version, headline=f"Day {version}.")).decode() for version in (1, 2)]
    with psycopg.connect(database.pipeline_url) as connection:
        for version, document in enumerate(stored, 1):
            connection.execute(
                "insert into briefings (customer_id, user_id, version, as_of, status, document, etag) "
                "values (%s, %s, %s, %s, 'fresh', %s, %s)",
                (tenant, user, version, NOW + timedelta(days=version), document, f"e{version}"),
            )

    def printed(*options: str) -> str:
        result = CliRunner().invoke(app, [*options])
        assert result.exit_code == 0, result.output
        return result.stdout

    past = ("--as-of", "2026-11-24T07:00:00")
    assert printed("--json") == stored[1] + "\n"
    assert printed("--format", "json", *past) == stored[0] + "\n"
    assert "Day 2." in printed()
    assert "Day 1." in printed(*past)
    assert printed("--format", "markdown", *past).startswith("# Briefing for Monday")
    assert "<h1>Day 1.</h1>" in printed("--format", "html", *past)
    assert orjson.loads(printed("--format", "cards"))[0]["card"] == "DealQuiet"
    nobody = CliRunner().invoke(app, ["--as-of", "2020-01-01T00:00:00"])
    assert isinstance(nobody.exception, NotFound)

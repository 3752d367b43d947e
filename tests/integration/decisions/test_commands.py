"""`bevyly decisions`, as a person types it."""

import json
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import psycopg
import pytest
from typer.testing import CliRunner

from bevyly.decisions.commands import app
from bevyly.errors import NotFound
from bevyly.settings import get_settings
from tests.integration.db.test_decisions import add_deal, recommend
from tests.support.databases import Database

run = CliRunner().invoke


@pytest.fixture(autouse=True)
def _settings(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("DATABASE_URL", database.owner_url)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_verify_and_export(database: Database, tmp_path: Path) -> None:
    tenant, _ = database.add_tenant("Demo"), database.add_tenant("Other")
    with psycopg.connect(database.pipeline_url) as connection:
        recommend(connection, tenant, add_deal(connection, tenant), count=3)
    found = run(app, ["verify"])
    verdicts = [json.loads(line) for line in found.stdout.splitlines()]
    assert (found.exit_code, [one["head"]["sequence"] for one in verdicts]) == (0, [3, 0])
    end = verdicts[0]["head"]
    lines, table = tmp_path / "log.jsonl", tmp_path / "log.parquet"
    assert run(app, ["export", "--tenant", "Demo", "--out", str(lines)]).exit_code == 0
    assert run(app, ["export", "--format", "parquet", "--out", str(table)]).exit_code == 0
    assert pl.read_parquet(table)["sequence"].to_list() == [1, 2, 3]
    assert run(app, ["export", "--tenant", "Demo"]).stdout == lines.read_text()
    assert run(app, ["verify", "--file", str(lines), "--known", f"3:{end['hash']}"]).exit_code == 0

    lines.write_text(lines.read_text().replace("Renewal", "renewal", 1))
    broken = run(app, ["verify", "--file", str(lines)])
    assert broken.exit_code == 1
    assert json.loads(broken.stdout)["broken_at"] == 1
    assert run(app, ["verify", "--tenant", "Demo", "--known", f"2:{end['hash']}"]).exit_code == 1
    assert run(app, ["verify", "--known", "soon"]).exit_code == 2
    assert isinstance(run(app, ["verify", "--tenant", "Nobody"]).exception, NotFound)

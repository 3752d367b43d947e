"""`bevyly load …` as a person types it."""

from pathlib import Path

import polars as pl
import psycopg
import pytest
from typer.testing import CliRunner

from bevyly.datasets.commands import app
from bevyly.errors import MissingDependency
from bevyly.settings import get_settings
from tests.support.databases import Database
from tests.unit.datasets.tiny import write_bpic2012, write_maven_crm, write_x_education


@pytest.fixture
def run(database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DATABASE_URL", database.owner_url)
    monkeypatch.setenv("BEVYLY_DATASETS", str(tmp_path))
    get_settings.cache_clear()

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    yield run
    get_settings.cache_clear()


def count(database: Database, table: str, tenant: str) -> int:
    with psycopg.connect(database.pipeline_url) as connection:
        found = connection.execute(
            f"select count(*) from {table} t join customers c on c.id = t.customer_id where c.name = %s", (tenant,)
        ).fetchone()
    assert found
    return int(found[0])


def test_load_until_a_day_then_the_rest_then_nothing(run, database: Database, tmp_path: Path) -> None:
    write_bpic2012(tmp_path)
    run("bpic2012", "--tenant", "Bank", "--until", "2012-01-04")
    assert count(database, "leads", "Bank") == 3
    assert "new events" in run("bpic2012", "--tenant", "Bank")
    assert count(database, "leads", "Bank") == 4
    assert "nothing was changed" in run("bpic2012", "--tenant", "Bank")


def test_load_the_other_public_sets(run, database: Database, tmp_path: Path) -> None:
    write_maven_crm(tmp_path)
    write_x_education(tmp_path, [{"Prospect ID": "p", "Lead Number": 1, "Converted": 1}])
    run("maven_crm")
    run("x_education", "--with-doubtful")
    assert count(database, "opportunities", "Maven CRM") == 4
    assert count(database, "leads", "X Education") == 1


def test_load_simulated_tenants_and_keep_their_truth_in_a_file(run, database: Database, tmp_path: Path) -> None:
    arguments = (
        "synthetic",
        "--tenants",
        "2",
        "--months",
        "1",
        "--seed",
        "3",
        "--truth",
        str(tmp_path / "truth.parquet"),
    )
    run(*arguments)
    truth = pl.read_parquet(tmp_path / "truth.parquet")
    deals = [count(database, "opportunities", name) for name in ("Synthetic 1", "Synthetic 2")]
    assert truth.height == sum(deals)
    assert truth["customer_id"].n_unique() == 2
    assert run(*arguments).count("nothing was changed") == 2
    assert pl.read_parquet(tmp_path / "truth.parquet").equals(truth)


def test_a_missing_file_is_one_clear_sentence(run, tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"bpic2012_events.csv.gz is missing"):
        run("bpic2012")


def test_days_that_are_no_days_are_refused(run) -> None:
    result = CliRunner().invoke(app, ["bpic2012", "--until", "yesterday"])
    assert result.exit_code == 2

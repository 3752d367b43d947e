"""Which dbt code a warehouse was built by: known once it was noted, and no longer when a model is another one."""

from pathlib import Path

import psycopg
import pytest

from pipelines.dbt import PROJECT_DIR
from pipelines.repositories.warehouse_code import code_of, is_built_by, note_built_by
from tests.support.databases import Database


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {"dbt_project.yml": "name: x", "models/marts/a.sql": "select 1", "macros/b.sql": "x"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_a_warehouse_knows_the_code_that_built_it(database: Database) -> None:
    with psycopg.connect(database.pipeline_url) as connection:
        assert not is_built_by(connection, "one")
        note_built_by(connection, "one")
        assert is_built_by(connection, "one")
        note_built_by(connection, "two")
        assert is_built_by(connection, "two")
        assert not is_built_by(connection, "one")


@pytest.mark.parametrize("name", ["dbt_project.yml", "models/marts/a.sql", "macros/b.sql", "models/new.yml"])
def test_other_sources_are_other_code(project: Path, name: str) -> None:
    before = code_of(project)
    assert before == code_of(project)
    (project / "README.md").write_text("not built")
    assert code_of(project) == before
    (project / name).write_text("select 2")
    assert code_of(project) != before


def test_our_project_has_code() -> None:
    assert code_of(PROJECT_DIR) != code_of(PROJECT_DIR / "models")

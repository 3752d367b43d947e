"""Servers and databases that every test may ask for. Real ones: PostgreSQL, Valkey and the broker run on loopback."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from bevyly.runtime.postgres import throwaway_postgres
from bevyly.runtime.valkey import throwaway_valkey
from tests.support.databases import Database, create_template, fresh_database

TOGETHER = {"tests/integration/pipelines": "refreshes", "tests/notebooks": "refreshes"}
"""Folders whose tests share something that takes long to make."""


class ByFile(LoadScopeScheduling):
    """Where tests run in several processes, a file stays in one of them, and so do the folders of `TOGETHER`."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePosixPath(nodeid.partition("::")[0])
        return TOGETHER.get(file.parent.as_posix(), file.as_posix())


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """How xdist shares the tests out."""
    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_this_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Tests see none of the developer's settings or running services, only what they set themselves."""
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.startswith(
                (
                    *("DATABASE_", "REDIS_", "KAFKA_", "JWT_", "APOLLO_", "OPENAI_", "ENCRYPTION_", "WEBHOOK_"),
                    *("SMTP_", "MAIL_", "APP_", "ARTEFACT_", "AWS_"),
                )
            ):
                patch.delenv(name)
        patch.setenv("BEVYLY_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The owner's login on a PostgreSQL of this test run, or on the one that TEST_DATABASE_URL names."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    with throwaway_postgres() as server:
        yield server.url


@pytest.fixture(scope="session")
def _template(postgres_url: str) -> str:
    return create_template(postgres_url)


@pytest.fixture
def database(postgres_url: str, _template: str) -> Iterator[Database]:
    """A migrated database of this test's own."""
    with fresh_database(postgres_url, _template) as fresh:
        yield fresh


@pytest.fixture(scope="module")
def module_database(postgres_url: str, _template: str) -> Iterator[Database]:
    """A migrated database that the tests of one module share."""
    with fresh_database(postgres_url, _template) as fresh:
        yield fresh


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A Valkey of this test run."""
    with throwaway_valkey() as server:
        yield server.url


@pytest.fixture(scope="session")
def datasets() -> Path:
    """The folder with the public data sets; a test that needs it is skipped, and says so, where there is none."""
    folder = Path(os.environ.get("BEVYLY_DATASETS") or Path(__file__).parents[2] / "shared" / "data")
    if not (folder / "bpic2012_cases.csv").exists():
        pytest.skip(f"needs the public data sets: none in {folder}; name their folder with BEVYLY_DATASETS")
    return folder

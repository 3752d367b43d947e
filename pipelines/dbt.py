"""Running dbt outside Dagster: for reports and tests, on a database of their own."""

import multiprocessing
import os
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from bevyly.errors import BevylyError

PROJECT_DIR = Path(__file__).parents[1] / "dbt_project"


# beside the interpreter, whatever PATH says
DBT = Path(sys.executable).with_name("dbt")
_LOADED = multiprocessing.get_context("forkserver")
_LOADED.set_forkserver_preload(["dbt.cli.main"])


class DbtFailed(BevylyError):
    """dbt ended with an error; the detail has its last lines."""

    code, status, title = "dbt_failed", 500, "A dbt run failed"


def connection_environment(url: str) -> dict[str, str]:
    """The variables that `dbt_project/profiles.yml` reads, for the database at `url`."""
    parts = urlsplit(url)
    return {
        "DBT_HOST": parts.hostname or "127.0.0.1",
        "DBT_PORT": str(parts.port or 5432),
        "DBT_USER": unquote(parts.username or ""),
        "DBT_PASSWORD": unquote(parts.password or ""),
        "DBT_DATABASE": parts.path.lstrip("/"),
    }


def run_dbt(
    arguments: Sequence[str],
    *,
    target: Path,
    url: str | None = None,
    now: datetime | None = None,
    seconds: float | None = None,
) -> None:
    """Run one dbt command, against the database at `url` where it needs one, as of `now`, for at most so many seconds.

    Raises `DbtFailed`.
    """
    environment = os.environ | (connection_environment(url) if url else {})
    # a variable of dbt would make it parse the project anew
    environment |= {"BEVYLY_NOW": now.isoformat()} if now else {}
    target.mkdir(parents=True, exist_ok=True)
    said = target / "said.txt"
    said.write_text("")
    # a process that is forked where dbt is loaded starts in no time; loading it costs as much as a run of small data
    process = _LOADED.Process(target=_command, args=(list(arguments), str(target), environment, str(said)))
    process.start()
    process.join(seconds)
    how = "failed"
    if process.exitcode is None:
        how = f"was ended after {seconds:.0f} seconds"
        process.kill()
        process.join()
    if process.exitcode:
        raise DbtFailed(f"dbt {how}: " + "\n".join(said.read_text().strip().splitlines()[-15:]))


def _command(arguments: list[str], target: str, environment: dict[str, str], said: str) -> NoReturn:
    """One command in a process of its own, which says everything to the file `said`."""
    with Path(said).open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.environ.clear()
    os.environ.update(environment)
    from dbt.cli.main import dbtRunner

    command = [
        *("--no-use-colors", "--no-send-anonymous-usage-stats"),
        *arguments,
        *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
        *("--target-path", target, "--log-path", target),
    ]
    ended = dbtRunner().invoke(command)
    if ended.exception is not None:
        sys.stderr.write(f"{ended.exception}\n")
    sys.exit(0 if ended.success else 1)

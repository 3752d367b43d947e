"""Running dbt outside Dagster: for reports and tests, on a database of their own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bevyly.errors import BevylyError

PROJECT_DIR = Path(__file__).parents[1] / "dbt_project"


# beside the interpreter, whatever PATH says
DBT = Path(sys.executable).with_name("dbt")


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


def run_dbt(arguments: Sequence[str], *, target: Path, url: str | None = None, now: datetime | None = None) -> None:
    """Run one dbt command, against the database at `url` where it needs one, as of `now`; raises `DbtFailed`."""
    command = [
        str(DBT),
        *("--no-use-colors", "--no-send-anonymous-usage-stats"),
        *arguments,
        *("--project-dir", str(PROJECT_DIR), "--profiles-dir", str(PROJECT_DIR)),
        *("--target-path", str(target), "--log-path", str(target)),
    ]
    done = subprocess.run(
        command,
        # a variable of dbt would make it parse the project anew
        env=os.environ
        | (connection_environment(url) if url else {})
        | ({"BEVYLY_NOW": now.isoformat()} if now else {}),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise DbtFailed("dbt failed: " + "\n".join(done.stdout.strip().splitlines()[-15:]))

"""dbt outside Dagster: why it failed is told."""

from pathlib import Path

import pytest

from pipelines.dbt import DbtFailed, run_dbt


def test_what_dbt_said_is_told(tmp_path: Path) -> None:
    with pytest.raises(DbtFailed, match=r"dbt failed: .*--bogus"):
        run_dbt(["parse", "--bogus"], target=tmp_path)


def test_what_takes_too_long_is_ended(tmp_path: Path) -> None:
    with pytest.raises(DbtFailed, match="was ended after 0 seconds"):
        run_dbt(["parse"], target=tmp_path, seconds=0.01)

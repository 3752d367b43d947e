from pathlib import Path

import polars as pl
import pytest

from bevyly.datasets import source
from bevyly.datasets.source import BrokenFile, find_folder, read_csv
from bevyly.errors import MissingDependency
from bevyly.settings import get_settings

COLUMNS = {"a": pl.Int64(), "b": pl.String()}


@pytest.fixture(autouse=True)
def _fresh_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BEVYLY_DATASETS", raising=False)
    get_settings.cache_clear()


def test_the_setting_wins_over_the_folder_beside_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beside, named = tmp_path / "shared" / "data", tmp_path / "named"
    for folder in (beside, named, tmp_path / "checkout"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout")
    assert find_folder().resolve() == beside
    monkeypatch.setenv("BEVYLY_DATASETS", str(named))
    get_settings.cache_clear()
    assert find_folder() == named
    get_settings.cache_clear()


def test_no_folder_at_all_says_which_setting_to_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingDependency, match=r"set BEVYLY_DATASETS to their folder.*synthetic"):
        find_folder()


def test_a_named_folder_that_is_not_there_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"There is no folder .*absent: let BEVYLY_DATASETS"):
        find_folder(tmp_path / "absent")


def test_only_the_named_columns_are_read(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("b,answer,a\nx,SECRET,1\n")
    assert read_csv(tmp_path / "x.csv", COLUMNS).to_dicts() == [{"a": 1, "b": "x"}]


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (None, MissingDependency, "x.csv is missing: complete the folder"),
        ("a,c\n1,2\n", BrokenFile, r"has no column 'b' in its first line"),
        ("", BrokenFile, "cannot be read"),
        ("a,b\n", BrokenFile, "has no rows"),
        ("a,b\none,x\n", BrokenFile, r"cannot be read \(could not parse"),
    ],
)
def test_each_way_to_fail_is_one_sentence(
    tmp_path: Path, content: str | None, error: type[Exception], message: str
) -> None:
    if content is not None:
        (tmp_path / "x.csv").write_text(content)
    with pytest.raises(error, match=message) as raised:
        read_csv(tmp_path / "x.csv", COLUMNS)
    assert "\n" not in str(raised.value)


def test_the_default_folder_is_documented() -> None:
    assert str(source.BESIDE_CHECKOUT) in (source.find_folder.__doc__ or "")

"""Where the data sets are, and reading their files. Every way to fail says what is wrong and what to do."""

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from bevyly.errors import Invalid, MissingDependency
from bevyly.settings import get_settings

BESIDE_CHECKOUT = Path("../shared/data")


class BrokenFile(Invalid):
    """A file of a data set is not what its name promises."""

    code = "broken_dataset_file"


def find_folder(named: Path | None = None) -> Path:
    """The folder of the data sets: `named`, else `BEVYLY_DATASETS`, else `../shared/data` beside the checkout."""
    chosen = named or get_settings().datasets
    folder = (chosen or BESIDE_CHECKOUT).expanduser()
    if folder.is_dir():
        return folder
    if chosen:
        raise MissingDependency(f"There is no folder {folder}: let BEVYLY_DATASETS name the folder of the data sets.")
    raise MissingDependency(
        f"The public data sets are not here: set BEVYLY_DATASETS to their folder (looked in {folder.resolve()}), "
        "or use `bevyly load synthetic`."
    )


def read_csv(path: Path, columns: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """The named `columns` of the CSV file at `path`, and no other column of it."""
    if not path.is_file():
        raise MissingDependency(f"{path} is missing: complete the folder of the data sets, or name another one.")
    try:
        header = pl.read_csv(path, n_rows=0, infer_schema=False).columns
        _require(path, header, columns)
        rows = pl.read_csv(path, columns=list(columns), schema_overrides=dict(columns)).select(list(columns))
    except pl.exceptions.PolarsError as error:
        reason = str(error).partition("\n")[0]
        raise BrokenFile(f"{path} cannot be read ({reason}): fetch the file again.") from error
    if rows.is_empty():
        raise BrokenFile(f"{path} has no rows: fetch the file again.")
    return rows


def _require(path: Path, header: list[str], columns: Mapping[str, pl.DataType]) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        raise BrokenFile(f"{path} has no column {', '.join(map(repr, missing))} in its first line: fetch it again.")

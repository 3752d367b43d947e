"""Rows of PostgreSQL as polars frames, columnar all the way. Writing is in `pipelines.repositories.staging`."""

from collections.abc import Sequence
from typing import Any

import polars as pl


def read_frame(url: str, query: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
    """The rows of `query` at the database `url`; json comes as text. Parameters are `$1`, `$2` …"""
    frame = pl.read_database_uri(
        query, url, engine="adbc", execute_options={"parameters": list(parameters)} if parameters else None
    )
    extensions = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Extension)]
    return frame.with_columns(pl.col(extensions).ext.storage()) if extensions else frame

"""Files on disk that hold rows of many: the analysts' Parquet export. A row that mentions an erased person leaves it.

The next export writes the row again as it stands then, without the person.
"""

from pathlib import Path

import polars as pl

from bevyly.privacy.subject import Subject

EXPORTS = "export"
"""The folder of the export, under the home of this machine's Bevyly."""


def forget_in_files(folder: Path, subject: Subject) -> int:
    """Take rows that mention `subject` out of the files in `folder`; how many there were."""
    return sum(_forget(path, subject) for path in sorted(folder.glob("*.parquet")))


def _forget(path: Path, subject: Subject) -> int:
    frame = pl.read_parquet(path)
    if "customer_id" not in frame.columns:
        return 0
    needles = sorted({*subject.persons, *subject.activities, *subject.emails, *subject.phones})
    texts = [_as_text(name, kind) for name, kind in frame.schema.items() if _has_text(kind)]
    mentions = [text.str.contains_any(needles, ascii_case_insensitive=True) for text in texts]
    gone = (pl.col("customer_id") == subject.customer_id) & pl.any_horizontal(mentions).fill_null(value=False)
    kept = frame.filter(~gone)
    if kept.height < frame.height:
        partial = path.with_suffix(".partial")
        kept.write_parquet(partial, compression="zstd", statistics=True)
        partial.rename(path)
    return frame.height - kept.height


def _has_text(kind: pl.DataType) -> bool:
    return kind == pl.String or kind == pl.List(pl.String)


def _as_text(name: str, kind: pl.DataType) -> pl.Expr:
    return pl.col(name) if kind == pl.String else pl.col(name).list.join("\n", ignore_nulls=True)

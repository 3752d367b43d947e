"""Writing a data set into a tenant: rows and the events that led to them, through the outbox like any other change.

Runs as the pipeline role. One transaction holds a run of events and every row that they touch, so that no event is
published before its row is there; it also moves the tenant's progress, so that a load that was cut off goes on where
it stopped and a second load does nothing. COPY cannot write tables with row-level security: it fills temporary ones.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final

import polars as pl
import psycopg
from psycopg import sql

from bevyly.datasets.dataset import Dataset
from bevyly.datasets.envelopes import outbox_frame
from bevyly.datasets.tables import TABLES
from bevyly.datasets.tenants import Progress, check_options, lock_progress, read_progress, write_progress
from bevyly.errors import Conflict

CHUNK: Final = 20_000
_OUTBOX: Final = ("position", "event_id", "topic", "envelope")
# Rows of these never change once they are there.
_WRITTEN_ONCE: Final = ("users", "activity_participants")
_NEVER_UPDATED: Final = ("id", "version", "created_at")
# Which column of a table names the subject whose events bring the row along.
_SUBJECT: Final = {"opportunity_history": "opportunity_id", "activity_participants": "activity_id"}


@dataclass(frozen=True)
class LoadResult:
    """What a load wrote: `events` of the data set, of which `new_events` were not there before."""

    rows: int
    events: int
    new_events: int
    seconds: float


def _silent(done: int, total: int) -> None:
    """Progress that nobody watches."""


def load_dataset(
    url: str, dataset: Dataset, *, progress: Callable[[int, int], None] = _silent, chunk: int = CHUNK
) -> LoadResult:
    """Write what is new of `dataset` into its tenant; `progress` is told how many of the new events are done.

    `url` is the pipeline's login. Raises `Conflict` where another load is at work, or the set was loaded differently.
    """
    started = perf_counter()
    customer_id = dataset.tenant.customer_id
    before = read_progress(url, customer_id=customer_id, dataset=dataset.name)
    check_options(before, dataset)
    total = max(dataset.events.height - before.events, 0)
    rows = 0
    if total:
        with psycopg.connect(url) as connection:
            _create_temporary_tables(connection)
            for last, frames in _chunks(dataset, before, chunk):
                rows += _write_chunk(connection, dataset, frames, last=last)
                progress(last - before.events, total)
    return LoadResult(rows, dataset.events.height, total, perf_counter() - started)


def _chunks(dataset: Dataset, before: Progress, size: int) -> Iterator[tuple[int, dict[str, pl.DataFrame]]]:
    """Runs of new events with the rows that they are the first to touch, each with the position that it reaches."""
    new = dataset.events.filter(pl.col("position") > before.events)
    number = (pl.col("position") - before.events - 1) // size
    touched = new.group_by(pl.col("subject_id").alias("subject")).agg(part=number.min())
    outbox = outbox_frame(dataset).filter(pl.col("position") > before.events).with_columns(part=number)
    parts = {name: _parts(frame, name, touched) for name, frame in dataset.tables.items()}
    for (part,), events in outbox.partition_by("part", as_dict=True, include_key=False, maintain_order=True).items():
        frames = {name: by_part[part] for name, by_part in parts.items() if part in by_part}
        yield int(events["position"][-1]), frames | {"outbox": events.select(_OUTBOX)}


def _parts(frame: pl.DataFrame, table: str, touched: pl.DataFrame) -> dict[Any, pl.DataFrame]:
    if table == "users":
        return {0: frame}
    subject = _SUBJECT.get(table, "id")
    joined = frame.join(touched, left_on=subject, right_on="subject", maintain_order="left")
    split = joined.partition_by("part", as_dict=True, include_key=False, maintain_order=True)
    return {key[0]: rows.select(list(TABLES[table])) for key, rows in split.items()}


def _create_temporary_tables(connection: psycopg.Connection[Any]) -> None:
    for table, columns in _targets().items():
        connection.execute(
            sql.SQL("create temporary table {} on commit delete rows as select {} from {} with no data").format(
                _temporary(table), _names(columns), sql.Identifier(table)
            )
        )
    connection.commit()


def _write_chunk(
    connection: psycopg.Connection[Any], dataset: Dataset, frames: dict[str, pl.DataFrame], *, last: int
) -> int:
    """One transaction; returns the number of rows that it wrote, without the outbox."""
    customer_id = dataset.tenant.customer_id
    with connection.transaction():
        here = lock_progress(connection, customer_id=customer_id, dataset=dataset.name)
        if here.events != last - frames["outbox"].height:
            raise Conflict(
                f"Another load of {dataset.name} into this tenant is at work: wait for its end, then repeat."
            )
        for table, frame in frames.items():
            _copy(connection, table, frame)
        _close_history(connection, customer_id)
        written = sum(_merge(connection, table, customer_id) for table in frames if table != "outbox")
        connection.execute(
            "insert into outbox (customer_id, event_id, topic, envelope) "
            "select %s, event_id, topic, envelope from load_outbox order by position",
            (customer_id,),
        )
        write_progress(connection, dataset, customer_id=customer_id, events=last)
    return written


def _copy(connection: psycopg.Connection[Any], table: str, frame: pl.DataFrame) -> None:
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False)
    statement = sql.SQL("copy {} ({}) from stdin (format csv)").format(_temporary(table), _names(tuple(frame.columns)))
    with connection.cursor().copy(statement) as copy:
        copy.write(buffer.getvalue())


def _close_history(connection: psycopg.Connection[Any], customer_id: str) -> None:
    """End the interval that somebody else opened meanwhile where a newer one of the data set begins."""
    connection.execute("analyze load_opportunity_history")
    connection.execute(
        """
        update opportunity_history h set valid_to = greatest(h.valid_from, n.valid_from)
        from load_opportunity_history n
        where h.customer_id = %s and h.opportunity_id = n.opportunity_id and h.field = n.field
          and h.valid_to is null and n.valid_to is null
          and not exists (select from load_opportunity_history own where own.id = h.id)
        """,
        (customer_id,),
    )


def _merge(connection: psycopg.Connection[Any], table: str, customer_id: str) -> int:
    columns = tuple(TABLES[table])
    order = sql.SQL(" order by valid_from") if table == "opportunity_history" else sql.SQL("")
    statement = sql.SQL("insert into {} (customer_id, {}) select %s, {} from {}{} {}").format(
        sql.Identifier(table), _names(columns), _names(columns), _temporary(table), order, _on_conflict(table)
    )
    return connection.execute(statement, (customer_id,)).rowcount


def _on_conflict(table: str) -> sql.Composable:
    if table in _WRITTEN_ONCE:
        return sql.SQL("on conflict do nothing")
    sets = [
        sql.SQL("{0} = excluded.{0}").format(sql.Identifier(name))
        for name in TABLES[table]
        if name not in _NEVER_UPDATED
    ]
    if "version" in TABLES[table]:
        sets.append(sql.SQL("version = greatest({0}.version + 1, excluded.version)").format(sql.Identifier(table)))
    return sql.SQL("on conflict (customer_id, id) do update set {}").format(sql.SQL(", ").join(sets))


def _targets() -> dict[str, tuple[str, ...]]:
    return {name: tuple(columns) for name, columns in TABLES.items()} | {"outbox": _OUTBOX}


def _temporary(table: str) -> sql.Identifier:
    return sql.Identifier(f"load_{table}")


def _names(columns: tuple[str, ...]) -> sql.Composable:
    return sql.SQL(", ").join(map(sql.Identifier, columns))

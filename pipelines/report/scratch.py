"""A database for one report: the data set's events, and the marts that dbt makes of them. Dropped at the end."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import polars as pl
import psycopg
from psycopg import sql

from bevyly.datasets.dataset import Dataset
from bevyly.datasets.envelopes import events_frame
from bevyly.db.migrate import upgrade
from bevyly.settings import as_role
from pipelines.dbt import run_dbt
from pipelines.frames import read_frame


@contextmanager
def scratch_database(owner_url: str) -> Iterator[str]:
    """A migrated database beside the real one; yields the owner's URL."""
    name = f"report_{uuid4().hex[:8]}"
    with psycopg.connect(owner_url, autocommit=True) as connection:
        connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
    url = urlunsplit(urlsplit(owner_url)._replace(path=f"/{name}"))
    try:
        upgrade(url)
        yield url
    finally:
        with psycopg.connect(owner_url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))


def fill(owner_url: str, dataset: Dataset) -> int:
    """Put the data set's events where ingest would; returns their number."""
    events = events_frame(dataset)
    buffer = io.BytesIO()
    events.write_csv(buffer)
    columns = sql.SQL(", ").join(sql.Identifier(name) for name in events.columns)
    with psycopg.connect(as_role(owner_url, "bevyly_pipeline")) as connection, connection.cursor() as cursor:
        cursor.execute(
            "insert into customers (id, name) values (%s, %s)", (dataset.tenant.customer_id, dataset.tenant.slug)
        )
        cursor.execute("create temporary table incoming (like raw.events including identity including defaults)")
        with cursor.copy(sql.SQL("copy incoming ({}) from stdin (format csv, header)").format(columns)) as copy:
            copy.write(buffer.getbuffer())
        cursor.execute(sql.SQL("insert into raw.events ({0}) select {0} from incoming order by seq").format(columns))
    return events.height


def build_marts(owner_url: str, *, now: datetime, target: Path) -> None:
    """The marts that models learn from, as of `now`."""
    run_dbt(
        ["run", "--select", "+lead_snapshots", "+lead_outcomes", "+opportunity_snapshots", "+opportunity_outcomes"],
        url=as_role(owner_url, "bevyly_pipeline"),
        now=now,
        target=target,
    )


def read_mart(owner_url: str, mart: str) -> pl.DataFrame:
    """All rows of a mart; json as text."""
    return read_frame(as_role(owner_url, "bevyly_pipeline"), f"select * from marts.{mart}")

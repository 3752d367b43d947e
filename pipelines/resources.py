"""What assets are given: the warehouse, the artefact store, and the instant that a run works as of.

Resources hold addresses, not connections: each step opens what it needs and closes it.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import psycopg

from bevyly.objects import artefact_store, store_at
from bevyly.settings import get_settings
from pipelines.frames import read_frame
from pipelines.scoring.shelf import Shelf

AS_OF_TAG = "bevyly/as_of"
TENANT_TAG = "bevyly/tenant"
TRAIN_TAG = "bevyly/train"
"""A run with this tag trains every score; its value is the reason."""
Context = dg.AssetExecutionContext | dg.OpExecutionContext | dg.AssetCheckExecutionContext


class Warehouse(dg.ConfigurableResource[Any]):
    """PostgreSQL as the pipeline role; `url` empty means the one of the settings."""

    url: str = ""

    @property
    def address(self) -> str:
        """The URL in use."""
        return self.url or get_settings().require_pipeline_database()

    @contextmanager
    def connect(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection whose transaction commits at the end and rolls back on an error."""
        with psycopg.connect(self.address, application_name="bevyly-pipeline") as connection:
            yield connection

    def read(self, query: str, parameters: Sequence[Any] = ()) -> pl.DataFrame:
        """The rows of `query` as a frame, columnar all the way; json comes as text. Parameters are `$1`, `$2` …"""
        return read_frame(self.address, query, parameters)


class Folder(dg.ConfigurableResource[Any]):
    """A folder under the home of this machine's Bevyly; `path` empty means `<home>/<name>`."""

    name: str
    path: str = ""

    def root(self) -> Path:
        """The folder, made where it is missing."""
        root = Path(self.path) if self.path else get_settings().home / self.name
        root.mkdir(parents=True, exist_ok=True)
        return root


class Artefacts(dg.ConfigurableResource[Any]):
    """Where model artefacts are kept; `url` empty means that of the settings, else `<home>/artefacts`."""

    url: str = ""

    def shelf(self) -> Shelf:
        """The models there, for one step."""
        settings = get_settings()
        return Shelf(store_at(self.url, settings) if self.url else artefact_store(settings))


def run_tenants(context: Context) -> list[str] | None:
    """The tenants that a run is for: the ids in its tag `bevyly/tenant`, separated by commas; None means all."""
    tag = context.run.tags.get(TENANT_TAG)
    return tag.split(",") if tag else None


def run_instant(context: Context) -> datetime:
    """The one instant that all steps of a run work as of: the run's tag `bevyly/as_of`, else when it was created."""
    tag = context.run.tags.get(AS_OF_TAG)
    if tag:
        return datetime.fromisoformat(tag).astimezone(UTC)
    record = context.instance.get_run_record_by_id(context.run.run_id)
    return record.create_timestamp.astimezone(UTC) if record else datetime.now(UTC)


def seconds_and_rows(rows: int, started: datetime, **more: Any) -> Mapping[str, Any]:
    """Metadata that every asset returns."""
    elapsed = (datetime.now(UTC) - started).total_seconds()
    return {"rows": rows, "seconds": dg.MetadataValue.float(elapsed), **more}

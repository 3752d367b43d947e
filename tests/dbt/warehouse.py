"""A warehouse under test: events go in by COPY, dbt runs on it as a process of its own, rows come out as dictionaries.

Does not belong here: what any one test expects.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

from pipelines.dbt import run_dbt
from tests.support.databases import Database

MARTS = (
    *("account_features", "lead_features", "lead_next_actions", "lead_outcomes", "lead_snapshots"),
    *("opportunity_features", "opportunity_next_actions", "opportunity_outcomes", "opportunity_snapshots"),
    "stage_norms",
)
COLUMNS = (
    *("customer_id", "event_id", "type", "schema_version", "subject_type", "subject_id", "sequence", "occurred_at"),
    *("recorded_at", "data", "source", "topic", "partition", '"offset"'),
)


@dataclass(frozen=True)
class Event:
    """A row of raw.events before it is numbered; `recorded_at` is when it happened unless told otherwise."""

    customer_id: str
    event_id: str
    type: str
    subject_id: str
    version: int
    occurred_at: datetime
    data: dict[str, Any] = field(default_factory=dict)
    recorded_at: datetime | None = None

    def row(self) -> tuple[Any, ...]:
        """The values of `COLUMNS`."""
        recorded_at = self.recorded_at or self.occurred_at
        subject_type = self.type.partition(".")[0]
        head = (self.customer_id, self.event_id, self.type, 1, subject_type, self.subject_id, self.version)
        return (*head, self.occurred_at, recorded_at, json.dumps(self.data), "test", "bevyly.domain", 0, 0)


@dataclass(frozen=True)
class Warehouse:
    """The database of a test and the folder that dbt may write to."""

    database: Database
    folder: Path

    def load(self, events: Iterable[Event]) -> None:
        """Append events in the order given, each once."""
        names = ", ".join(COLUMNS)
        with psycopg.connect(self.database.owner_url) as connection, connection.cursor() as cursor:
            cursor.execute("create temporary table arrived (like raw.events) on commit drop")
            cursor.execute("alter table arrived add n bigint generated always as identity, alter seq drop not null")
            cursor.execute("alter table arrived alter ingested_at set default now()")
            with cursor.copy(f"copy arrived ({names}) from stdin") as copy:
                for event in events:
                    copy.write_row(event.row())
            cursor.execute(
                f"insert into raw.events ({names}) select {names} from arrived order by n on conflict do nothing"
            )

    def dbt(self, command: str, *arguments: str, now: str | None = None) -> None:
        """Run dbt as the pipeline role; raises `DbtFailed` with the end of its output."""
        run_dbt(
            [command, *arguments, "--no-write-json"],
            target=self.folder,
            url=self.database.owner_url,
            now=datetime.fromisoformat(now) if now else None,
            seconds=560,
        )

    def rows(self, query: str, parameters: Sequence[Any] = (), *, url: str | None = None) -> list[dict[str, Any]]:
        """The rows of a query, as the owner unless `url` says otherwise."""
        with psycopg.connect(url or self.database.owner_url, row_factory=dict_row) as connection:
            return connection.execute(query, parameters).fetchall()

    def row(self, query: str, parameters: Sequence[Any] = ()) -> dict[str, Any]:
        """The only row of a query."""
        (row,) = self.rows(query, parameters)
        return row

    def nameless(self, mart: str, tenant: str) -> list[dict[str, Any]]:
        """The rows of a tenant without what names it."""
        query = (
            f"select to_jsonb(m) - 'customer_id' - 'feature_hash' as row from marts.{mart} as m "
            "where customer_id = %s order by 1"
        )
        return [row["row"] for row in self.rows(query, (tenant,))]

    def contents(self) -> dict[str, list[str]]:
        """Every row of every mart as text, in a fixed order."""
        return {
            mart: [row["text"] for row in self.rows(f"select m::text as text from marts.{mart} as m order by 1")]
            for mart in MARTS
        }

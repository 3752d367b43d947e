"""Reading decision logs, a tenant at a time, in the order of their entries. Memory holds a few thousand at most."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pyarrow as pa  # type: ignore[import-untyped]  # no type information published
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # no type information published
from psycopg.rows import class_row

from bevyly.decisions.chain import Entry, Head
from bevyly.errors import NotFound

Connection = psycopg.Connection[Any]

BATCH = 5_000
_AT = """to_char({} at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"""
_ENTRIES = f"""
select d.customer_id, d.id, d.sequence, d.kind, d.recommendation_id, d.subject_type, d.subject_id, d.grounds,
  {_AT.format("d.occurred_at")} as occurred_at, {_AT.format("d.noted_at")} as noted_at, d.details_hash, d.previous,
  d.hash, x.salt, x.document as details, {_AT.format("x.noted_at")} as details_noted_at,
  case when d.kind = 'score.used' then score_hash(s) end as score_sha256
from decisions d
left join decision_details x on x.customer_id = d.customer_id and x.sequence = d.sequence
left join scores s on d.kind = 'score.used' and s.customer_id = d.customer_id and s.id = d.subject_id
where d.customer_id = %s
order by d.sequence
"""
_HEAD = f"select sequence, hash, {_AT.format('noted_at')} from decision_heads where customer_id = %s"
_TENANTS = "select id from customers where %(name)s::text is null or name = %(name)s order by created_at, id"
_SCHEMA = pa.schema(
    [
        pa.field(name, pa.int64() if name == "sequence" else pa.string())
        for name in Entry.__struct_fields__
        if name != "score_sha256"
    ]
)


def tenants(connection: Connection, name: str | None) -> list[str]:
    """Ids of all tenants, or of that one; raises `NotFound`."""
    found = [row[0] for row in connection.execute(_TENANTS, {"name": name})]
    if name is not None and not found:
        raise NotFound(f"There is no tenant {name!r}.")
    return found


def entries(connection: Connection, customer_id: str) -> Iterator[Entry]:
    """The log of a tenant as it is stored, the first entry first."""
    with connection.transaction(), connection.cursor("decisions", row_factory=class_row(Entry)) as cursor:
        cursor.itersize = BATCH
        yield from cursor.execute(_ENTRIES.encode(), (customer_id,))


def head(connection: Connection, customer_id: str) -> Head:
    """Where the log of a tenant ends."""
    row = connection.execute(_HEAD.encode(), (customer_id,)).fetchone()
    return Head(*row) if row else Head()


def read_file(path: Path) -> Iterator[Entry]:
    """The entries of an export as JSON lines; raises `msgspec.DecodeError`."""
    with path.open("rb") as file:
        for line in file:
            yield msgspec.json.decode(line, type=Entry)


def write_parquet(found: Iterator[Entry], path: Path) -> int:
    """`found` as one Parquet file, grounds as JSON text; how many entries."""
    count = 0
    with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
        batch: list[dict[str, Any]] = []
        for entry in found:
            row = {name: getattr(entry, name) for name in _SCHEMA.names}
            batch.append(row | {"grounds": msgspec.json.encode(entry.grounds, order="sorted").decode()})
            count += 1
            if len(batch) == BATCH:
                writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=_SCHEMA))
                batch = []
        if batch:
            writer.write_batch(pa.RecordBatch.from_pylist(batch, schema=_SCHEMA))
    return count

"""Rows as a Parquet file that is sent while it is written: one row group after the other, never the whole."""

import io
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]  # no type information published
import pyarrow.parquet as pq  # type: ignore[import-untyped]  # no type information published


class _Outlet(io.RawIOBase):
    """Takes what the writer writes, until it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self._held = bytearray()
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        held = bytes(data)
        self._held += held
        self._position += len(held)
        return len(held)

    def tell(self) -> int:
        return self._position

    def drain(self) -> bytes:
        """What was written since the last time."""
        held, self._held = bytes(self._held), bytearray()
        return held


async def parquet(schema: pa.Schema, groups: AsyncIterator[list[tuple[Any, ...]]]) -> AsyncIterator[bytes]:
    """The bytes of a file with `groups` as its row groups."""
    outlet = _Outlet()
    with pq.ParquetWriter(pa.PythonFile(outlet, mode="w"), schema, compression="zstd") as writer:
        async for rows in groups:
            arrays = [
                pa.array(values, field.type) for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=schema))
            yield outlet.drain()
    yield outlet.drain()


def schema_of(columns: Sequence[tuple[str, str]]) -> pa.Schema:
    """The schema of columns with the names of their PostgreSQL types."""
    return pa.schema([(name, _TYPES.get(type_, pa.string())) for name, type_ in columns])


_TYPES = {
    "int4": pa.int64(),
    "integer": pa.int64(),
    "bigint": pa.int64(),
    "double precision": pa.float64(),
    "int8": pa.int64(),
    "float8": pa.float64(),
    "bool": pa.bool_(),
    "text[]": pa.list_(pa.string()),
    "date": pa.date32(),
    "timestamptz": pa.timestamp("us", tz="UTC"),
}

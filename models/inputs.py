"""What a score was made from, kept as text: one JSON document per row of features, and back again.

Belongs here: the columns that a model may read, without keys (names, addresses and ids are none), in a form that gives
every number back to the last bit. Where documents are kept is the caller's business.
"""

from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

import orjson
import polars as pl

from models.contracts import Contract, Role

_INSTANT = pl.Datetime("us", "UTC")
_TYPES: dict[str, Any] = {"number": pl.Float64(), "text": pl.String(), "time": _INSTANT}


def documents(frame: pl.DataFrame, contract: Contract) -> pl.Series:
    """String (rows,): an object with the features of each row in the contract's order; what is missing is left out.

    Infinite numbers are missing, as they are to the encoder.
    """
    names = [column.name for column in contract.columns if column.role is not Role.KEY]
    given = frame.select(_finite(frame, name) for name in names)
    # polars encodes structs only, so each feature is one, and loses its braces
    members = [
        pl.when(pl.col(name).is_not_null()).then(pl.struct(name).struct.json_encode().str.slice(1).str.head(-1))
        for name in names
    ]
    inner = pl.concat_str(members, separator=",", ignore_nulls=True)
    return given.select(document=pl.concat_str(pl.lit("{"), inner, pl.lit("}"))).to_series()


def values(document: str) -> dict[str, Any]:
    """The features in `document`, by name."""
    found: dict[str, Any] = orjson.loads(document)
    return found


def digest(document: str) -> str:
    """SHA-256 of `document`."""
    return sha256(document.encode()).hexdigest()


def frame_of(rows: Sequence[dict[str, Any]], contract: Contract) -> pl.DataFrame:
    """A frame that a model can score, of rows with customer_id, entity_id, as_of, feature_hash and `document`.

    It has the columns of `contract`, and those that a document of another time has besides.
    """
    given = [values(row["document"]) for row in rows]
    known = {column.name: _TYPES[column.dtype] for column in contract.columns}
    others = sorted({name for one in given for name in one} - set(known))
    schema = known | {name: pl.Float64() if _is_number(given, name) else pl.String() for name in others}
    return pl.DataFrame([one | _keys(row, contract) for one, row in zip(given, rows, strict=True)], schema=schema)


def _finite(frame: pl.DataFrame, name: str) -> pl.Expr:
    return (
        pl.when(pl.col(name).is_finite()).then(pl.col(name))
        if frame.schema[name].is_float()
        else pl.col(name).cast(pl.Int64 if frame.schema[name].is_integer() else pl.String)
    )


def _keys(row: dict[str, Any], contract: Contract) -> dict[str, Any]:
    as_of = row["as_of"]
    return {
        "customer_id": row["customer_id"],
        contract.id_column: row["entity_id"],
        "feature_hash": row["feature_hash"],
        "as_of": datetime.fromisoformat(as_of) if isinstance(as_of, str) else as_of,
    }


def _is_number(given: Sequence[dict[str, Any]], name: str) -> bool:
    return all(isinstance(one.get(name), int | float | None) for one in given)

"""The briefings of a few people, made anew from what is stored now, in the caller's transaction.

Belongs here: when that may be published. The document is that of `compose`, whoever asks for it.
"""

from datetime import UTC, datetime

import orjson
import polars as pl

from pipelines.briefing.compose import compose, etag_of, to_json
from pipelines.repositories.briefings import publish
from pipelines.repositories.rankings import published
from pipelines.repositories.readers import read_own_inputs
from pipelines.repositories.staging import Connection


def recompose(connection: Connection, users: pl.DataFrame, *, at: datetime) -> int:
    """Publish the briefings of `users` (`pipelines.briefing.inputs.USERS`) that read otherwise now; how many.

    The caller holds the lock of their tenants (`pipelines.repositories.briefings`).

    Where a ranking has not passed its checks, the last briefing stays until one has. A mark of staleness stays too: it
    speaks of the refresh, which an event does not make good.
    """
    customers = users["customer_id"].unique().sort().to_list()
    ready = users.filter(pl.col("customer_id").is_in(published(connection, customers)))
    if ready.is_empty():
        return 0
    inputs = read_own_inputs(connection, ready)
    documents = compose(inputs, as_of=at, generated_at=datetime.now(UTC))
    return publish(connection, _still_marked(documents, inputs.latest), at=at)


def _still_marked(documents: pl.DataFrame, latest: pl.DataFrame) -> pl.DataFrame:
    """`documents` with the mark of the version before, where it had one."""
    marks = {(row["customer_id"], row["user_id"]): row for row in latest.iter_rows(named=True) if row["stale_reason"]}
    rows = [
        _marked(row, marks[row["customer_id"], row["user_id"]])
        if (row["customer_id"], row["user_id"]) in marks
        else row | {"stale_reason": None}
        for row in documents.iter_rows(named=True)
    ]
    return pl.DataFrame(rows, schema=dict(documents.schema) | {"stale_reason": pl.String})


def _marked(row: dict[str, object], mark: dict[str, object]) -> dict[str, object]:
    standing = {name: mark[name] for name in ("status", "stale_reason")}
    body = orjson.loads(str(row["document"])) | standing
    etag = etag_of(body)
    return row | standing | {"document": to_json(body).decode(), "etag": etag, "changed": etag != mark["etag"]}

"""Statements on briefings: a new version when the content changed; a stored version never changes.

Belongs here: publishing, and telling readers that the latest is not fresh. What a briefing says: `pipelines.briefing`.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import orjson
import polars as pl
from psycopg.rows import dict_row

from bevyly.errors import NotFound
from pipelines.briefing.compose import etag_of, moment, to_json
from pipelines.repositories.announcements import briefing_published, tell
from pipelines.repositories.staging import Connection, rows, stage

_COLUMNS = {
    "customer_id": "varchar(36)",
    "user_id": "varchar(36)",
    "version": "int",
    "as_of": "timestamptz",
    "status": "varchar(50)",
    "stale_reason": "text",
    "document": "text",
    "etag": "varchar(64)",
}
# The version must follow the latest and the content differ from it; a run that was overtaken writes nothing.
_PUBLISH = f"""
insert into briefings ({", ".join(_COLUMNS)}, created_at)
select {", ".join(f"g.{name}" for name in _COLUMNS)}, %(at)s
from briefings_given g
left join lateral (
  select b.version, b.etag from briefings b
  where b.customer_id = g.customer_id and b.user_id = g.user_id order by b.version desc limit 1
) latest on true
where g.version = coalesce(latest.version, 0) + 1 and g.etag is distinct from latest.etag
on conflict do nothing
returning customer_id, user_id, version, as_of, status, left(stale_reason, 10000) as stale_reason, etag,
  left(document::json ->> 'headline', 10000) as headline,
  case when json_typeof(document::json -> 'items') = 'array' then json_array_length(document::json -> 'items') end
    as items_shown
"""
_LATEST = """
select distinct on (customer_id, user_id) customer_id, user_id, version, as_of, etag, status, stale_reason, document
from briefings
where customer_id = any(%(customers)s)
order by customer_id, user_id, version desc
"""
_LOCK = "select pg_advisory_xact_lock(hashtextextended('briefings:' || id, 0)) from unnest(%s::varchar[]) as given (id)"
_TRY_LOCK = """
select id from unnest(%s::varchar[]) as given (id)
where pg_try_advisory_xact_lock(hashtextextended('briefings:' || id, 0))
"""
_LATEST_SCHEMA = {
    **dict.fromkeys(("customer_id", "user_id"), pl.String),
    "version": pl.Int64,
    "as_of": pl.Datetime("us", "UTC"),
    **dict.fromkeys(("etag", "status", "stale_reason", "document"), pl.String),
}
_FIND = """
select b.document, %(as_of)s::timestamptz is not null and api_briefing_thinned(c.id, u.id, %(as_of)s)
from customers c
join users u on u.customer_id = c.id
join briefings b on b.customer_id = c.id and b.user_id = u.id
where c.name = %(tenant)s and (u.email = %(email)s or (%(email)s::text is null and u.role = 'owner'))
  and (%(as_of)s::timestamptz is null or b.as_of <= %(as_of)s)
order by c.created_at, u.created_at, u.id, b.version desc
limit 1
"""


def lock_briefings(connection: Connection, customers: Sequence[str]) -> None:
    """Be the only one who publishes for `customers` until the transaction ends; lock before reading what is composed.

    Otherwise whoever read first and published last would take back what the other one told.
    """
    connection.execute(_LOCK, [sorted(set(customers))])


def try_lock_briefings(connection: Connection, customers: Iterable[str]) -> set[str]:
    """Those of `customers` whose lock nobody else holds, now held as by `lock_briefings`. Waits for nobody."""
    return {row[0] for row in connection.execute(_TRY_LOCK, [sorted(set(customers))]).fetchall()}


def publish(connection: Connection, documents: pl.DataFrame, *, at: datetime) -> int:
    """Store composed briefings that differ from the latest of their user; how many. Readers see old or new, whole."""
    changed = documents.filter(pl.col("changed")) if "changed" in documents.columns else documents
    if "stale_reason" not in changed.columns:
        changed = changed.with_columns(pl.lit(None, dtype=pl.String).alias("stale_reason"))
    stage(connection, "briefings_given", changed, _COLUMNS)
    with connection.cursor(row_factory=dict_row) as cursor:
        published = cursor.execute(_PUBLISH.encode(), {"at": at}).fetchall()
    tell(connection, (briefing_published(row, at=at) for row in published))
    return len(published)


def latest_briefings(connection: Connection, customers: Sequence[str]) -> pl.DataFrame:
    """The newest version of every user's briefing, with its document."""
    return rows(connection, _LATEST, {"customers": list(customers)}, _LATEST_SCHEMA)


def find_briefing(connection: Connection, *, tenant: str, email: str | None, as_of: datetime | None = None) -> str:
    """The document of a user of the tenant called `tenant`, of its first owner by default; raises `NotFound`.

    The latest one, or as it stood at `as_of`, where that is still kept.
    """
    row = connection.execute(_FIND, {"tenant": tenant, "email": email and email.lower(), "as_of": as_of}).fetchone()
    if row is None:
        whose = f"{email} of {tenant!r}" if email else f"the owner of {tenant!r}"
        raise NotFound(f"There is no briefing for {whose} yet: load data with `bevyly load`, then `bevyly run`.")
    if row[1]:
        raise NotFound(f"The briefing of {as_of:%Y-%m-%d %H:%M} is no longer kept; of that day only the last one is.")
    return str(row[0])


def mark_stale(connection: Connection, customers: Sequence[str], *, reason: str, at: datetime) -> int:
    """Say on the latest briefings of `customers` that they are not fresh, and why; how many were marked.

    The mark is a new version with the old content, so that the bytes of the day stay what they were.
    """
    lock_briefings(connection, customers)
    latest = latest_briefings(connection, customers)
    unmarked = latest.filter(
        ~((pl.col("status") == "stale") & (pl.col("stale_reason") == reason)).fill_null(value=False)
    )
    marked = [_stale(row["document"], row["version"] + 1, reason, at) for row in unmarked.iter_rows(named=True)]
    if not marked:
        return 0
    documents = unmarked.select("customer_id", "user_id", pl.col("version") + 1).with_columns(
        pl.lit(at).cast(pl.Datetime("us", "UTC")).alias("as_of"),
        pl.lit("stale").alias("status"),
        pl.lit(reason).alias("stale_reason"),
        pl.Series("document", [document for document, _ in marked]),
        pl.Series("etag", [etag for _, etag in marked]),
    )
    return publish(connection, documents, at=at)


def _stale(document: str, version: int, reason: str, at: datetime) -> tuple[str, str]:
    body = orjson.loads(document) | {
        "version": version, "status": "stale", "stale_reason": reason, "generated_at": moment(at),
    }  # fmt: skip
    return to_json(body).decode(), etag_of(body)

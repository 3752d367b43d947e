"""Statements on what was offered: kept once a period, read when what came of it is known."""

from datetime import datetime

import polars as pl

from models.ranking.exploration import LOG_SCHEMA
from pipelines.repositories.staging import Connection, rows, stage

_COLUMNS = {
    **dict.fromkeys(("customer_id", "entity_id"), "varchar(36)"),
    **dict.fromkeys(("entity_type", "cause", "action_type"), "varchar(50)"),
    **{"period": "date", "propensity": "float8", "options": "jsonb", "as_of": "timestamptz"},
}
_KEEP = f"""
insert into recommendation_offers ({", ".join(_COLUMNS)})
select {", ".join(_COLUMNS)} from offers_made
on conflict do nothing
"""
_READ = f"""
select {", ".join("options::text" if name == "options" else name for name in LOG_SCHEMA)}
from recommendation_offers where customer_id = %(customer_id)s and as_of <= %(until)s
order by entity_type, entity_id, cause, period
"""


def keep_offers(connection: Connection, offers: pl.DataFrame) -> int:
    """Keep what was offered (`models.ranking.exploration.LOG_SCHEMA`), the first of each period; how many are new."""
    stage(connection, "offers_made", offers, _COLUMNS)
    return connection.execute(_KEEP.encode()).rowcount


def offers_until(connection: Connection, customer_id: str, *, until: datetime) -> pl.DataFrame:
    """What a tenant's people were offered up to `until`."""
    return rows(connection, _READ, {"customer_id": customer_id, "until": until}, LOG_SCHEMA)

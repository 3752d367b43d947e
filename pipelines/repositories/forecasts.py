"""Statements on forecasts of deals: which are due, a row where something changed, and the series that stays."""

import polars as pl

from bevyly.ids import new_id
from pipelines.repositories.staging import Connection, stage

_COLUMNS = {
    "customer_id": "varchar(36)",
    "id": "varchar(36)",
    "opportunity_id": "varchar(36)",
    "as_of": "timestamptz",
    "win_probability": "float8",
    "basis": "varchar(50)",
    "score_id": "varchar(36)",
    "dependence": "float8",
    "close_low": "date",
    "close_median": "date",
    "close_high": "date",
    "close_days": "float8[]",
    "currency": "char(3)",
    "value_minor": "bigint",
    "amount_low_minor": "bigint",
    "amount_median_minor": "bigint",
    "amount_high_minor": "bigint",
    "amounts_minor": "bigint[]",
    "model_version_id": "varchar(36)",
    "feature_hash": "varchar(64)",
}
_NAMES = ", ".join(_COLUMNS)
# What the chance is from: the current win score, where its version may show a probability. A forecast is due where
# that,
# the features or the version in use are new.
DUE = """
select f.*, said.score_id, said.win_probability
from marts.opportunity_features f
left join lateral (
  select s.id as score_id, s.probability as win_probability
  from public.scores s join public.model_versions v on v.id = s.model_version_id
  where s.customer_id = f.customer_id and s.entity_type = 'opportunity' and s.entity_id = f.opportunity_id
    and s.score_type = 'win' and s.is_current and v.display = 'probability'
) said on true
left join public.model_versions own
  on own.customer_id = f.customer_id and own.score_type = 'forecast' and own.status = 'champion'
left join public.model_versions shared
  on shared.customer_id is null and shared.score_type = 'forecast' and shared.status = 'champion'
where exists (
  select from public.opportunities o where o.customer_id = f.customer_id and o.id = f.opportunity_id
) and not exists (
  select from public.opportunity_forecasts c
  where c.customer_id = f.customer_id and c.opportunity_id = f.opportunity_id and c.is_current
    and c.feature_hash = f.feature_hash and c.model_version_id = coalesce(own.id, shared.id)
    and c.score_id is not distinct from said.score_id
)
"""
_SAME = "known.customer_id = given.customer_id and known.opportunity_id = given.opportunity_id and known.is_current"
_RETIRE = f"""
update opportunity_forecasts known set is_current = false
from forecasts_given given where {_SAME} and known.as_of <= given.as_of
"""
# A newer one that is current already wins over an older run that arrives late.
_INSERT = f"""
insert into opportunity_forecasts ({_NAMES}, is_current)
select {", ".join(f"given.{name}" for name in _COLUMNS)}, true
from forecasts_given given
where not exists (select from opportunity_forecasts known where {_SAME})
"""
_RETIRE_GONE = """
update opportunity_forecasts known set is_current = false
where known.is_current and not exists (
  select from marts.opportunity_features f
  where f.customer_id = known.customer_id and f.opportunity_id = known.opportunity_id
)
"""


def write_forecasts(connection: Connection, forecasts: pl.DataFrame) -> dict[str, int]:
    """Write a frame of `models.forecast.model.FORECASTS` with `score_id` and `model_version_id`, all of them due."""
    ids = pl.Series("id", [new_id() for _ in range(forecasts.height)], dtype=pl.String)
    arrays = [_array(name) for name in ("close_days", "amounts_minor")]
    stage(connection, "forecasts_given", forecasts.with_columns(ids, *arrays), _COLUMNS)
    return {
        "replaced": connection.execute(_RETIRE).rowcount,
        "inserted": connection.execute(_INSERT).rowcount,
    }


def retire_gone(connection: Connection) -> int:
    """Take the current row from deals that are no longer open; how many. The series stays."""
    return connection.execute(_RETIRE_GONE).rowcount


def _array(name: str) -> pl.Expr:
    """A list as the text of a PostgreSQL array; null stays null."""
    inside = pl.col(name).cast(pl.List(pl.String)).list.join(",")
    return pl.concat_str(pl.lit("{"), inside, pl.lit("}")).alias(name)

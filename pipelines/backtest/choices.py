"""What a day offered and what was advised, as a frame for `models.backtest`. Nothing is judged here."""

from datetime import datetime

import polars as pl

from models.backtest.orders import CHOICES
from models.ranking.chances import SCORE_OF
from pipelines.briefing.selection import select
from pipelines.repositories.recommendations import open_recommendations
from pipelines.repositories.scores import current_scores
from pipelines.resources import Warehouse

_KEY = ("customer_id", "entity_type", "entity_id")
# A lead that became a deal is looked at as that deal.
_OPEN = """
select f.customer_id, 'opportunity' as entity_type, f.opportunity_id as entity_id, f.owner_id,
       f.value_minor::float8 as amount_minor, f.days_since_last_outbound, f.days_since_last_inbound, f.age_days
from marts.opportunity_features f
union all
select f.customer_id, 'lead', f.lead_id, f.owner_id, f.value_minor::float8, f.days_since_last_outbound,
       f.days_since_last_inbound, f.age_days
from marts.lead_features f where f.opportunity_id is null
"""


def choices_of(warehouse: Warehouse, customer_id: str, *, day: datetime, budget: int) -> pl.DataFrame:
    """Every open deal and lead of the day as `models.backtest.orders.CHOICES`, after the steps of that day have run."""
    rows = warehouse.read(_OPEN)
    with warehouse.connect() as connection:
        items = open_recommendations(connection, [customer_id]).filter(pl.col("status") == "pending")
        scores = current_scores(connection, [customer_id])
    advised = _best(items).with_columns(shown=pl.col("id").is_in(_shown(items, budget)))
    chance = pl.concat(
        scores.filter((pl.col("entity_type") == kind) & (pl.col("score_type") == score)).select(*_KEY, "probability")
        for kind, score in SCORE_OF.items()
    )
    known = (
        rows.join(advised.select(*_KEY, "rank", "action_type", "shown", "expected_value_minor"), on=_KEY, how="left")
        .join(chance, on=_KEY, how="left")
        .with_columns(pl.lit(day).dt.convert_time_zone("UTC").alias("day"), pl.col("shown").fill_null(value=False))
        .sort(_KEY)
    )
    return known.select([pl.col(name).cast(dtype) for name, dtype in CHOICES.items()])


def _best(items: pl.DataFrame) -> pl.DataFrame:
    """The best item of each entity."""
    return items.sort("rank").unique(_KEY, keep="first", maintain_order=True)


def _shown(items: pl.DataFrame, budget: int) -> list[str]:
    """Ids of what each owner's briefing shows."""
    owners = items.partition_by("owner_id", maintain_order=True)
    return [row["id"] for own in owners for row in select(list(own.iter_rows(named=True)), budget=budget)]

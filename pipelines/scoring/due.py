"""When a score is trained again: no model yet, too old, or much more is known than when it was trained."""

from datetime import datetime, timedelta

from models.schema import inputs
from pipelines.resources import Warehouse

MAX_AGE = timedelta(days=7)
GROWTH = 1.2


def reason_to_train(warehouse: Warehouse, score_type: str, instant: datetime) -> str | None:
    """Why `score_type` is due for training at `instant`, in words for the register; None where it is not."""
    _, _, outcomes = inputs(score_type)
    row = warehouse.read(
        f"""
        select
          (select count(*) from marts.{outcomes} where outcome <> 'open') as decided,
          champion.created_at,
          (champion.metrics->>'decided')::bigint as decided_then
        from (select) as one
        left join public.model_versions champion
          on champion.score_type = $1 and champion.status = 'champion' and champion.customer_id is null
        """,
        [score_type],
    ).row(0, named=True)
    if row["created_at"] is None:
        return "first model"
    if instant - row["created_at"] >= MAX_AGE:
        return f"the last one is {(instant - row['created_at']).days} days old"
    if row["decided"] > GROWTH * max(row["decided_then"] or 0, 1):
        return f"{row['decided']} decided entities, {row['decided_then']} when last trained"
    return None

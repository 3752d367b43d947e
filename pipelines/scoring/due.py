"""When a score is trained again: no model yet, too old, much more is known, or a monitor says that it is off."""

from datetime import datetime, timedelta
from typing import Any

from models.schema import inputs
from pipelines.repositories.model_versions import champions
from pipelines.resources import Warehouse
from pipelines.scoring.shelf import ShelfOf
from pipelines.scoring.training import unreadable

MAX_AGE = timedelta(days=7)
GROWTH = 1.2


def reason_to_train(warehouse: Warehouse, shelf: ShelfOf[Any], score_type: str, instant: datetime) -> str | None:
    """Why `score_type` is due for training at `instant`, in words for the register; None where it is not.

    The words go to every tenant's version, so that they tell nothing of any one tenant.
    """
    _, _, outcomes = inputs(score_type)
    row = warehouse.read(
        f"""
        select
          (select count(*) from marts.{outcomes} where outcome <> 'open') as decided,
          last.created_at,
          (last.metrics->>'decided')::bigint as decided_then,
          (select count(*) from public.model_monitors m join public.model_versions v on v.id = m.model_version_id
           where v.score_type = $1 and v.status = 'champion' and m.alarm and m.since > last.created_at) as alarms
        from (select) as one
        left join lateral (
          select v.created_at, v.metrics from public.model_versions v
          where v.score_type = $1 and v.customer_id is null order by v.created_at desc limit 1
        ) last on true
        """,
        [score_type],
    ).row(0, named=True)
    if row["created_at"] is None:
        return "first model"
    with warehouse.connect() as connection:
        in_use = champions(connection, [])
    if unreadable(in_use, shelf, score_type):
        return "the one in use cannot be read"
    if row["alarms"]:
        return "a monitor says that scores are off"
    if instant - row["created_at"] >= MAX_AGE:
        return f"the last one is {(instant - row['created_at']).days} days old"
    if row["decided"] > GROWTH * max(row["decided_then"] or 0, 1):
        return "much more is known than when the last one was trained"
    return None

"""How ready each tenant is for each score, written where the API reads it."""

from datetime import datetime
from typing import Any

import orjson
import polars as pl

from models import readiness
from models.schema import RECIPES, inputs
from pipelines.repositories.model_versions import champions
from pipelines.repositories.monitors import write_readiness
from pipelines.resources import Warehouse


def tell_readiness(warehouse: Warehouse, score_type: str, instant: datetime) -> int:
    """Write what every tenant has for `score_type`, and what it lacks; how many rows changed."""
    entity = RECIPES[score_type].entity
    _, _, outcomes = inputs(score_type)
    counted = warehouse.read(
        f"""
        select c.id as customer_id, c.pooling, count(o.outcome) as entities,
          count(*) filter (where o.outcome = 'won') as won, count(*) filter (where o.outcome = 'lost') as lost
        from public.customers c left join marts.{outcomes} o on o.customer_id = c.id
        group by 1, 2 order by 1
        """
    )
    if counted.is_empty():
        return 0
    with warehouse.connect() as connection:
        in_use = champions(connection, counted["customer_id"].to_list()).filter(pl.col("score_type") == score_type)
        versions = {row["customer_id"]: row for row in in_use.iter_rows(named=True)}
        rows = [_row(one, versions, entity, score_type, instant) for one in counted.iter_rows(named=True)]
        return write_readiness(connection, rows)


def _row(
    counted: dict[str, Any], versions: dict[str | None, dict[str, Any]], entity: str, score_type: str, instant: datetime
) -> dict[str, Any]:
    version = versions.get(counted["customer_id"]) or versions.get(None)
    own = version if version is not None and version["customer_id"] is not None else None
    metrics = orjson.loads(own["metrics"]) if own else {}
    held = readiness.Holdings(
        entity=entity,
        entities=counted["entities"],
        won=counted["won"],
        lost=counted["lost"],
        learned=own["n_outcomes"] if own else 0,
        own_weight=metrics.get("own_weight", 0.0),
        judged=int(metrics.get("n", 0)),
        judged_won=int(metrics.get("positives", 0)),
        display=version["display"] if version else None,
        display_reason=_reason(own),
        pooling=counted["pooling"],
    )
    return {
        "customer_id": counted["customer_id"],
        "score_type": score_type,
        "stage": readiness.stage(held),
        "have": readiness.have(held),
        "missing": readiness.missing(held),
        "checked_at": instant,
    }


def _reason(version: dict[str, Any] | None) -> str | None:
    """Why it is not shown as more: what monitors say, else what training said."""
    if version is None:
        return None
    if version["display"] != version["trained_display"]:
        return "a monitor alarms: see what watches the version in use"
    told: str | None = orjson.loads(version["metrics"]).get("display_reason")
    return told

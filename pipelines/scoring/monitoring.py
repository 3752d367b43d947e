"""Watching the versions in use: what their monitors say now, and what scores may be shown as because of it.

Each version is looked at again after `EVERY`, so that a look more is no chance more of a false alarm every minute.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from threadpoolctl import threadpool_limits

from models.later import known
from models.monitoring import calibration, findings
from models.monitoring.standing import Finding, alarming, shown
from models.schema import RECIPES, inputs
from models.training import Marts
from pipelines.repositories.model_versions import champions
from pipelines.repositories.monitors import State, show, states, write_monitors
from pipelines.resources import Warehouse
from pipelines.scoring.draws import Draws
from pipelines.scoring.shelf import Shelf

EVERY = timedelta(hours=6)
# the first score that a version gave an entity, with what became of it
_SAID = """
select distinct on (s.customer_id, s.model_version_id, s.entity_id)
  s.customer_id, s.model_version_id, s.as_of, s.probability, o.outcome, o.decided_at, o.{created} as created_at
from public.scores s
join marts.{outcomes} o on o.customer_id = s.customer_id and o.{entity}_id = s.entity_id
where s.score_type = $1 and s.model_version_id = any($2)
order by s.customer_id, s.model_version_id, s.entity_id, s.as_of, s.id
"""
Row = Mapping[str, Any]


def watch_versions(warehouse: Warehouse, shelf: Shelf, score_type: str, instant: datetime) -> dict[str, int]:
    """Look at each version whose time has come; how many were looked at, alarm, and are shown as something else now."""
    with warehouse.connect() as connection:
        tenants = [row[0] for row in connection.execute("select id from customers").fetchall()]
        in_use = champions(connection, tenants).filter(
            (pl.col("score_type") == score_type) & pl.col("customer_id").is_not_null()
        )
        before = states(connection, in_use["id"].to_list())
    looked_at = {version: checked for (version, _), (_, _, checked) in before.items()}
    due = [
        row
        for row in in_use.iter_rows(named=True)
        if instant - looked_at.get(row["id"], instant - EVERY) >= EVERY and shelf.readable(row)
    ]
    counts = {"looked_at": len(due), "alarms": 0, "shown_otherwise": 0}
    if not due:
        return counts
    said, draws = _said(warehouse, score_type, due), Draws(warehouse=warehouse, score_type=score_type)
    for version in due:
        with threadpool_limits(limits=1):
            found = _findings(version, shelf, instant, marts=draws.own(version["customer_id"]), said=said)
        alarms, otherwise = _keep(warehouse, version, found, before, instant)
        counts["alarms"] += alarms
        counts["shown_otherwise"] += otherwise
    return counts


def _said(warehouse: Warehouse, score_type: str, versions: Sequence[Row]) -> pl.DataFrame:
    recipe = RECIPES[score_type]
    _, _, outcomes = inputs(score_type)
    statement = _SAID.format(created=recipe.contract.created, outcomes=outcomes, entity=recipe.entity)
    return warehouse.read(statement, [score_type, [row["id"] for row in versions]])


def _findings(version: Row, shelf: Shelf, instant: datetime, *, marts: Marts, said: pl.DataFrame) -> list[Finding]:
    """What the three monitors say of one version, by the entities of its tenant that a training would draw."""
    model = shelf.load(version)
    tenant, since = version["customer_id"], version["created_at"]
    seen, ended = marts[0].filter(pl.col("as_of") <= instant), marts[1]
    own = known(model.recipe, seen, ended, as_of=instant)
    mature = calibration.mature(model.recipe, said.filter(pl.col("model_version_id") == version["id"]), as_of=instant)
    return [
        findings.of_base_rate(model, tenant, taught=own.until(since), later=own.after(since).firsts()),
        findings.of_features(model, tenant, seen, since=since, now=instant),
        findings.of_calibration(mature["probability"].to_numpy(), mature["y"].to_numpy()),
    ]


def _keep(
    warehouse: Warehouse, version: Row, found: list[Finding], before: dict[tuple[str, str], State], instant: datetime
) -> tuple[int, bool]:
    """Write the findings and the display that follows; (alarms, whether it is another display)."""
    written, caps, causes = [], [], []
    for finding in found:
        alarm, since, _ = before.get((version["id"], finding.monitor), (False, instant, instant))
        now = alarming(finding, before=alarm)
        if now:
            caps.append(finding.cap)
            causes.append(finding.reason)
        written.append(
            {
                "customer_id": version["customer_id"],
                "model_version_id": version["id"],
                "monitor": finding.monitor,
                "alarm": now,
                "since": since if now == alarm else instant,
                "reason": finding.reason,
                "figures": finding.figures,
                "checked_at": instant,
            }
        )
    display = shown(version["trained_display"], caps)
    with warehouse.connect() as connection:
        write_monitors(connection, written)
        if display != version["display"]:
            show(connection, version, display, reason="; ".join(causes) or "no monitor alarms any more", at=instant)
    return len(caps), display != version["display"]

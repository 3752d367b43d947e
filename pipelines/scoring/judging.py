"""Challengers beside the versions in use, on outcomes that came after both were trained; what passes is put in use.

A tenant's version is judged on that tenant. The pooled one is judged on all tenants that pool, as newcomers would be
scored, and on each of them: it must not be worse for any. What it says of others stays out of its reason.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import orjson
import polars as pl
import structlog
from threadpoolctl import threadpool_limits

from bevyly.intent.versions import BY_TRAINING
from models import gates
from models.later import Known, known
from models.schema import RECIPES
from models.scoring import TrainedModel
from pipelines.repositories.model_versions import challengers, champions, judged, promote
from pipelines.resources import Warehouse
from pipelines.scoring.draws import Draws
from pipelines.scoring.shelf import Shelf

NEWCOMER = ""  # a tenant that no version knows
Row = Mapping[str, Any]


def judge_challengers(warehouse: Warehouse, shelf: Shelf, score_type: str, instant: datetime) -> dict[str, int]:
    """Take each look that is due; how many challengers were promoted and refused."""
    counts = {gates.PROMOTED: 0, gates.REFUSED: 0, gates.WAITING: 0}
    with warehouse.connect() as connection:
        everybody = [row[0] for row in connection.execute("select id from customers where pooling").fetchall()]
        tenants = [row[0] for row in connection.execute("select id from customers").fetchall()]
        waiting = challengers(connection, tenants).filter(pl.col("score_type") == score_type)
        in_use = champions(connection, tenants).filter(pl.col("score_type") == score_type)
    if waiting.is_empty():
        return counts
    draws = Draws(warehouse=warehouse, score_type=score_type)
    marts = draws.later(tenants, min(waiting["created_at"]))
    rows = known(RECIPES[score_type], *marts, as_of=instant)
    champion_of = {row["customer_id"]: row for row in in_use.iter_rows(named=True)}
    for challenger in waiting.iter_rows(named=True):
        champion = champion_of.get(challenger["customer_id"]) or champion_of.get(None)
        verdict = _verdict(challenger, champion, rows, shelf, everybody)
        if verdict.look or verdict.outcome != gates.WAITING:
            counts[verdict.outcome] += 1
            keep_verdict(warehouse, challenger, champion, verdict, instant)
    return counts


def _verdict(challenger: Row, champion: Row | None, rows: Known, shelf: Shelf, everybody: list[str]) -> gates.Verdict:
    if champion is None or not shelf.readable(champion):
        reason = "there is none in use that can be read"
        return gates.Verdict(outcome=gates.PROMOTED, reason=reason, look=0, figures={})
    if not shelf.readable(challenger):
        reason = "it cannot be read by this version of Bevyly"
        return gates.Verdict(outcome=gates.REFUSED, reason=reason, look=0, figures={})
    later = rows.after(max(challenger["created_at"], champion["created_at"]))
    models = shelf.load(champion), shelf.load(challenger)
    looked = orjson.loads(challenger["judgement"])["look"] if challenger["judgement"] else 0
    if challenger["customer_id"] is not None:
        return _compared(models, later.of(challenger["customer_id"]), looked)
    pool = later.where(later.rows.frame["customer_id"].is_in(everybody).to_numpy())
    verdict = _compared(models, pool, looked, newcomers=True)
    if verdict.outcome != gates.PROMOTED:
        return verdict
    parts = [_compared(models, pool.of(tenant), 0, newcomers=True) for tenant in everybody]
    worse = sum(part.outcome == gates.REFUSED for part in parts)
    if not worse:
        return verdict
    reason = (
        f"as good over all, and worse for {worse} of the {sum(part.look > 0 for part in parts)} tenants with enough"
    )
    return gates.Verdict(outcome=gates.REFUSED, reason=reason, look=verdict.look, figures=verdict.figures)


def _compared(
    models: tuple[TrainedModel, TrainedModel], later: Known, looked: int, *, newcomers: bool = False
) -> gates.Verdict:
    """The verdict on `later` rows by both models."""
    if not gates.next_look(later.rows.entities, looked):
        return gates.compare(later.rows.y, later.rows.y, later.rows.y, groups=later.rows.entity, looked=looked)
    frame = later.rows.frame
    if newcomers:
        frame = frame.with_columns(customer_id=pl.lit(NEWCOMER))
    with threadpool_limits(limits=1):
        said = [np.asarray(model.score(frame, explain=False)["probability"].to_numpy()) for model in models]
    return gates.compare(later.rows.y, said[0], said[1], groups=later.rows.entity, looked=looked)


def keep_verdict(
    warehouse: Warehouse, challenger: Row, champion: Row | None, verdict: gates.Verdict, instant: datetime
) -> None:
    """Write down what was found of a challenger; one that passed is put in use."""
    judgement = {
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "look": verdict.look,
        "beside": champion and champion["id"],
        "at": instant.isoformat(),
        "figures": verdict.figures,
    }
    with warehouse.connect() as connection:
        judged(
            connection, challenger["id"], judgement=orjson.dumps(judgement).decode(), reason=verdict.reason,
            refused=verdict.outcome == gates.REFUSED,
        )  # fmt: skip
        if verdict.outcome == gates.PROMOTED:
            promote(
                connection, challenger["id"], customer_id=challenger["customer_id"], reason=verdict.reason,
                cause=BY_TRAINING, at=instant,
            )  # fmt: skip
    structlog.get_logger().info("challenger judged", version=challenger["id"], outcome=verdict.outcome)

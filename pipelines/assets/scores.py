"""Model versions and scores: fit, intent, conversion, win; calibrated, explained, versioned."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from models.schema import SCORE_TYPES, inputs
from pipelines.resources import Folder, Warehouse, run_instant, seconds_and_rows
from pipelines.scoring.due import reason_to_train
from pipelines.scoring.score import score_all
from pipelines.scoring.training import train_score

_LEARNED_FROM = sorted({mart for score_type in SCORE_TYPES for mart in (inputs(score_type)[0], inputs(score_type)[2])})
_SCORED = sorted({inputs(score_type)[1] for score_type in SCORE_TYPES})


@dg.asset(group_name="scores", owners=["team:models"], kinds={"scikitlearn"}, deps=_LEARNED_FROM)
def model_versions(
    context: dg.AssetExecutionContext, warehouse: Warehouse, artefacts: Folder
) -> dg.MaterializeResult[Any]:
    """Trains each score that is due, on past instants only, and registers it with its card."""
    started, instant = datetime.now(UTC), run_instant(context)
    trained: dict[str, Any] = {}
    for score_type in SCORE_TYPES:
        reason = reason_to_train(warehouse, score_type, instant)
        if reason:
            context.log.info(f"training {score_type}: {reason}")
            trained[score_type] = train_score(warehouse, artefacts.root(), score_type, instant=instant, reason=reason)
    return dg.MaterializeResult(metadata=seconds_and_rows(len(trained), started, trained=trained))


@dg.asset(
    group_name="scores", owners=["team:models"], kinds={"scikitlearn", "postgres"}, deps=[model_versions, *_SCORED]
)
def scores(warehouse: Warehouse, artefacts: Folder) -> dg.MaterializeResult[Any]:
    """Current scores of all undecided entities, with reasons that sum to the logit."""
    started = datetime.now(UTC)
    counts = {score_type: score_all(warehouse, artefacts.root(), score_type) for score_type in SCORE_TYPES}
    written = sum(count.get("inserted", 0) for count in counts.values())
    return dg.MaterializeResult(metadata=seconds_and_rows(written, started, by_score=counts))

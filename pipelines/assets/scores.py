"""Model versions, scores (fit, intent, conversion, win) and the forecast of open deals."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from models.schema import FORECAST, SCORE_TYPES, inputs
from pipelines.resources import TRAIN_TAG, Artefacts, Warehouse, run_instant, seconds_and_rows
from pipelines.scoring.due import reason_to_train
from pipelines.scoring.forecasting import forecast_all, judge_forecasts, train_forecast
from pipelines.scoring.judging import judge_challengers
from pipelines.scoring.monitoring import watch_versions
from pipelines.scoring.readiness import tell_readiness
from pipelines.scoring.score import score_all
from pipelines.scoring.training import train_score

_LEARNED_FROM = sorted({mart for score_type in SCORE_TYPES for mart in (inputs(score_type)[0], inputs(score_type)[2])})
_SCORED = sorted({inputs(score_type)[1] for score_type in SCORE_TYPES})


@dg.asset(group_name="scores", owners=["team:models"], kinds={"scikitlearn"}, deps=_LEARNED_FROM)
def model_versions(
    context: dg.AssetExecutionContext, warehouse: Warehouse, artefacts: Artefacts
) -> dg.MaterializeResult[Any]:
    """Judges waiting challengers on what came after them, and trains each score that is due, on past instants only."""
    started, instant, shelf = datetime.now(UTC), run_instant(context), artefacts.shelf()
    trained: dict[str, Any] = {}
    judged = {score_type: judge_challengers(warehouse, shelf, score_type, instant) for score_type in SCORE_TYPES}
    for score_type in SCORE_TYPES:
        reason = context.run.tags.get(TRAIN_TAG) or reason_to_train(warehouse, shelf, score_type, instant)
        if reason:
            context.log.info(f"training {score_type}: {reason}")
            trained[score_type] = train_score(warehouse, shelf, score_type, instant=instant, reason=reason)
    forecasts = shelf.forecasts()
    judged[FORECAST] = judge_forecasts(warehouse, forecasts, instant)
    reason = context.run.tags.get(TRAIN_TAG) or reason_to_train(warehouse, forecasts, FORECAST, instant)
    if reason:
        context.log.info(f"training the forecast: {reason}")
        trained[FORECAST] = train_forecast(warehouse, forecasts, instant=instant, reason=reason)
    return dg.MaterializeResult(metadata=seconds_and_rows(len(trained), started, trained=trained, judged=judged))


@dg.asset(group_name="scores", owners=["team:models"], kinds={"scikitlearn", "postgres"}, deps=[model_versions])
def model_monitors(
    context: dg.AssetExecutionContext, warehouse: Warehouse, artefacts: Artefacts
) -> dg.MaterializeResult[Any]:
    """Watches the versions in use, lowers and restores what scores are shown as, and says how ready tenants are."""
    started, instant, shelf = datetime.now(UTC), run_instant(context), artefacts.shelf()
    watched = {score_type: watch_versions(warehouse, shelf, score_type, instant) for score_type in SCORE_TYPES}
    told = sum(tell_readiness(warehouse, score_type, instant) for score_type in SCORE_TYPES)
    return dg.MaterializeResult(metadata=seconds_and_rows(told, started, watched=watched))


@dg.asset(
    group_name="scores", owners=["team:models"], kinds={"scikitlearn", "postgres"}, deps=[model_monitors, *_SCORED]
)
def scores(warehouse: Warehouse, artefacts: Artefacts) -> dg.MaterializeResult[Any]:
    """Current scores of all undecided entities, with reasons that sum to the logit."""
    started, shelf = datetime.now(UTC), artefacts.shelf()
    counts = {score_type: score_all(warehouse, shelf, score_type) for score_type in SCORE_TYPES}
    written = sum(count.get("inserted", 0) for count in counts.values())
    return dg.MaterializeResult(metadata=seconds_and_rows(written, started, by_score=counts))


@dg.asset(
    group_name="scores",
    owners=["team:models"],
    kinds={"scikitlearn", "postgres"},
    deps=["scores", inputs(FORECAST)[1]],
)
def opportunity_forecasts(warehouse: Warehouse, artefacts: Artefacts) -> dg.MaterializeResult[Any]:
    """When each open deal will be won and for how much, so that it can be added up."""
    started = datetime.now(UTC)
    counts = forecast_all(warehouse, artefacts.shelf().forecasts())
    return dg.MaterializeResult(metadata=seconds_and_rows(counts.get("inserted", 0), started, counts=counts))

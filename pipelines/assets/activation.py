"""From scores to briefings: signals, patterns, recommendations, and the document that the app serves."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import polars as pl

from bevyly.clock import SystemClock
from bevyly.integrations.openai.connect import connect_openai
from bevyly.settings import get_settings
from pipelines.activation import steps
from pipelines.activation.picture import take
from pipelines.resources import Artefacts, Warehouse, run_instant, run_tenants, seconds_and_rows
from pipelines.wording.fill import Wording

OWNERS = ["team:intelligence"]
GROUP = "activation"


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"polars", "postgres"},
    deps=["opportunity_snapshots", "lead_snapshots", "opportunity_outcomes", "lead_outcomes", "stage_norms"],
)
def detector_standings(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """How often each detector was right, with which line, and which are muted for it."""
    started = datetime.now(UTC)
    counts = steps.write_standings(warehouse, take(warehouse, run_tenants(context)), at=run_instant(context))
    return dg.MaterializeResult(metadata=seconds_and_rows(counts["written"], started, **counts))


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"polars", "postgres"},
    deps=["scores", "account_features", "stage_norms", detector_standings],
)
def signals(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """Every detector over every undecided entity; what streams found already is the same row."""
    started = datetime.now(UTC)
    counts = steps.write_signals(warehouse, take(warehouse, run_tenants(context)), at=run_instant(context))
    return dg.MaterializeResult(metadata=seconds_and_rows(counts["raised"], started, **counts))


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"scikitlearn", "postgres"},
    deps=[signals, "opportunity_snapshots", "lead_snapshots", "opportunity_outcomes", "lead_outcomes"],
)
def patterns(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """Signals that occur together on one entity, kept on their observed lift."""
    started = datetime.now(UTC)
    counts = steps.write_patterns(warehouse, take(warehouse, run_tenants(context)), at=run_instant(context))
    return dg.MaterializeResult(metadata=seconds_and_rows(counts["written"], started, **counts))


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"polars", "postgres"},
    deps=[patterns, "opportunity_next_actions", "lead_next_actions"],
)
def recommendations(
    context: dg.AssetExecutionContext, warehouse: Warehouse, artefacts: Artefacts
) -> dg.Output[pl.DataFrame]:
    """What is worth doing, by expected value. The value handed on is what was left out, with the reason."""
    started = datetime.now(UTC)
    picture = take(warehouse, run_tenants(context))
    counts, left_out = steps.write_recommendations(warehouse, artefacts.shelf(), picture, at=run_instant(context))
    written = counts["inserted"] + counts["refreshed"]
    return dg.Output(left_out, metadata=dict(seconds_and_rows(written, started, **counts)))


@dg.asset(
    group_name=GROUP,
    owners=OWNERS,
    kinds={"postgres"},
    freshness_policy=dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25)),
)
def briefings(
    context: dg.AssetExecutionContext, warehouse: Warehouse, recommendations: pl.DataFrame
) -> dg.MaterializeResult[Any]:
    """Each user's briefing as the bytes that are served; a new version only where the content changed."""
    started = datetime.now(UTC)
    customers = take(warehouse, run_tenants(context)).customers
    counts = steps.write_briefings(warehouse, customers, recommendations, at=run_instant(context))
    return dg.MaterializeResult(metadata=seconds_and_rows(counts["published"], started, **counts))


@dg.asset(group_name=GROUP, owners=OWNERS, kinds={"openai", "postgres"}, deps=[briefings])
def wordings(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """Sentences by OpenAI for tenants that want them, checked against the facts; briefings are out before."""
    started = datetime.now(UTC)
    settings = get_settings()
    step = Wording(
        warehouse=warehouse,
        client=lambda: connect_openai(settings),
        model=settings.openai_model,
        daily=settings.openai_daily_wordings,
        clock=SystemClock(),
    )
    counts = step.run(run_tenants(context))
    if counts.halted:
        context.log.warning(f"wording stopped early: {counts.halted}")
    return dg.MaterializeResult(metadata=seconds_and_rows(counts.used, started, **vars(counts)))

"""Enrichment: what an outside provider knows of our accounts, within each tenant's credits."""

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from bevyly.clock import SystemClock
from bevyly.db.engine import make_engine
from bevyly.integrations.apollo.connect import connect_apollo
from bevyly.settings import get_settings
from pipelines.enrichment.enrich import enrich_accounts
from pipelines.resources import Warehouse, seconds_and_rows


@dg.asset(group_name="enrichment", owners=["team:data"], kinds={"apollo", "postgres"}, deps=["raw_events"])
def enrichments(context: dg.AssetExecutionContext, warehouse: Warehouse) -> dg.MaterializeResult[Any]:
    """Accounts with a domain, asked about in batches; without APOLLO_API_KEY a simulator answers under its own name."""
    started, settings, clock = datetime.now(UTC), get_settings(), SystemClock()
    engine = make_engine(warehouse.address)
    try:
        with connect_apollo(settings, clock=clock) as apollo:
            counts = enrich_accounts(engine, apollo=apollo, clock=clock, daily_credits=settings.apollo_daily_credits)
    finally:
        engine.dispose()
    if counts.halted:
        context.log.warning(f"enrichment stopped early: {counts.halted}")
    return dg.MaterializeResult(metadata=seconds_and_rows(counts.asked, started, **vars(counts)))

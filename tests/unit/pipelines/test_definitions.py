"""What Dagster loads: the list of assets, and what each must have."""

from typing import Any

import dagster as dg
import pytest

from pipelines.dbt import PROJECT_DIR
from tests.support.pipeline_runs import definitions_module

STAGING = (
    *(
        "stg_events__accounts",
        "stg_events__activities",
        "stg_events__contacts",
        "stg_events__enrichments",
        "stg_events__leads",
    ),
    *("stg_events__opportunities", "stg_events__withdrawals"),
)
INTERMEDIATE = (
    *("int_accounts_changed", "int_accounts_enriched", "int_accounts_linked", "int_accounts_touched"),
    "int_activities_linked",
    *("int_activities_recorded", "int_activities_revised", "int_contacts_changed", "int_leads_changed"),
    "int_leads_created",
    *("int_leads_credited", "int_opportunities_credited"),
    *("int_leads_decided", "int_leads_linked", "int_leads_touched", "int_opportunities_changed"),
    *("int_opportunities_decided", "int_opportunities_opened"),
    *("int_contacts_placed", "int_norms_due", "int_tenants_profiled"),
    *("int_opportunities_touched", "int_records_hidden", "int_records_merged", "int_records_withdrawn"),
)
MARTS = (
    *("account_features", "lead_features", "lead_next_actions", "lead_outcomes", "lead_snapshots"),
    *("opportunity_features", "opportunity_next_actions", "opportunity_outcomes", "opportunity_snapshots"),
    "stage_norms",
)
OURS = (
    *("raw_events", "enrichments", "model_versions", "model_monitors", "scores", "signals", "patterns"),
    *("opportunity_forecasts", "detector_standings", "recommendations", "briefings", "wordings", "parquet_export"),
)


@pytest.fixture(scope="module")
def definitions() -> Any:
    """As Dagster loads them."""
    return definitions_module().defs


def assets(definitions: Any) -> dict[str, dg.AssetSpec]:
    """Specs by key, but of what others write."""
    executable = definitions.resolve_asset_graph().executable_asset_keys
    specs = {spec.key.to_user_string(): spec for spec in definitions.resolve_all_asset_specs()}
    return {name: spec for name, spec in specs.items() if spec.key in executable}


def test_the_assets_are_these(definitions: Any) -> None:
    assert set(assets(definitions)) == {*STAGING, *INTERMEDIATE, *MARTS, *OURS}


def test_every_asset_has_a_group_and_an_owner(definitions: Any) -> None:
    for name, spec in assets(definitions).items():
        assert spec.group_name not in (None, "default"), name
        assert spec.owners, name


def test_no_asset_is_partitioned_by_tenant(definitions: Any) -> None:
    assert all(spec.partitions_def is None for spec in assets(definitions).values())


def test_one_job_refreshes_everything(definitions: Any) -> None:
    job = definitions.resolve_job_def("refresh")
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == set(assets(definitions))


def test_briefings_come_after_every_blocking_check(definitions: Any) -> None:
    graph = definitions.resolve_asset_graph()
    checked = {"raw_events", "scores", "recommendations"}
    ours = [key for key in graph.asset_check_keys if key.asset_key.to_user_string() in checked]
    assert len(ours) >= 5
    # what did arrive is right: an incomplete event path is told, and stops nothing
    assert {key.name for key in ours if not graph.get(key).blocking} == {"reconciled"}
    above = {key.to_user_string() for key in graph.get_ancestor_asset_keys(dg.AssetKey("briefings"))}
    assert checked <= above


def test_overrides_replace_resources_by_name() -> None:
    from pipelines.resources import Warehouse

    mine = Warehouse(url="postgresql://elsewhere/other")
    made = definitions_module().build_definitions({"warehouse": mine})
    assert made.resources["warehouse"] is mine
    assert set(made.resources) == {"warehouse", "dbt", "artefacts", "exports"}


def test_whatever_dbt_tests_is_a_check_that_operators_see(definitions: Any) -> None:
    checks = {key.name for key in definitions.resolve_asset_graph().asset_check_keys}
    singular = {path.stem for path in (PROJECT_DIR / "tests").glob("*.sql")}
    assert len(singular) == 3
    assert checks >= singular | {"source_not_null_raw_events_customer_id"}

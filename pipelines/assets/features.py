"""dbt models as assets: staging, intermediate, and the marts with point-in-time features."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg
import orjson
from dagster_dbt import DagsterDbtTranslator, DbtCliResource, DbtProject, dbt_assets

from bevyly.settings import home_dir
from pipelines.dbt import DBT, PROJECT_DIR, connection_environment, run_dbt
from pipelines.resources import Warehouse, run_instant

OWNERS = ["team:data"]


class Translator(DagsterDbtTranslator):
    """Asset keys are table names; groups are the layers; the source `raw.events` is the asset `raw_events`."""

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """`raw_events` for the source `raw.events`, the model's name otherwise."""
        name = str(dbt_resource_props["name"])
        return dg.AssetKey(f"raw_{name}" if dbt_resource_props.get("source_name") == "raw" else name)

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The layer: staging, intermediate or marts."""
        return str(dbt_resource_props["fqn"][1]) if len(dbt_resource_props["fqn"]) > 1 else "staging"

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """Who answers for the models."""
        return OWNERS


def dbt_project() -> DbtProject:
    """The project, parsed into a manifest under the machine's home when the sources are newer than the last one."""
    target = home_dir() / "dbt"
    target.mkdir(parents=True, exist_ok=True)
    project = DbtProject(project_dir=PROJECT_DIR, profiles_dir=PROJECT_DIR, target_path=target)
    newest = max(path.stat().st_mtime for path in PROJECT_DIR.rglob("*") if path.suffix in {".sql", ".yml"})
    manifest = project.manifest_path
    if not manifest.exists() or manifest.stat().st_mtime < newest:
        run_dbt(["parse"], target=target)
    return project


def dbt_variables(context: dg.AssetExecutionContext) -> dict[str, str]:
    """The instant of the run, for dbt: all models compute as of it."""
    instant = run_instant(context)
    return {"now": instant.isoformat(), "briefing_day": instant.date().isoformat()}


def build_dbt_assets() -> tuple[dg.AssetsDefinition, DbtCliResource]:
    """The assets of all dbt models, and the resource that runs dbt."""
    project = dbt_project()

    @dbt_assets(manifest=project.manifest_path, dagster_dbt_translator=Translator())
    def dbt_models(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: Warehouse) -> Iterator[Any]:
        # dbt reads its connection from the environment, and the resource passes ours on
        os.environ.update(connection_environment(warehouse.address))
        arguments = ["build", "--vars", orjson.dumps(dbt_variables(context)).decode()]
        # one folder for all runs: theirs would pile up inside the project, and each would parse it anew
        yield from dbt.cli(arguments, context=context, target_path=home_dir() / "dbt" / "run").stream()

    return dbt_models, DbtCliResource(project_dir=project, dbt_executable=str(DBT))

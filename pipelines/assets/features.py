"""dbt models as assets: staging, intermediate, and the marts with point-in-time features.

What other code built is built anew: incremental models neither change their columns nor look again at what they saw.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import orjson
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, DbtProject, dbt_assets

from bevyly.settings import get_settings, home_dir
from pipelines.dbt import DBT, PROJECT_DIR, connection_environment, run_dbt
from pipelines.dbt_code import marts_of
from pipelines.repositories.warehouse_code import code_of, is_built_by, keep_code, note_built_by
from pipelines.resources import Warehouse, run_instant

OWNERS = ["team:data"]
RUN_FOLDER = "dbt_models"
KEPT_RUNS = 10


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


def target_path() -> Path:
    """Where dbt keeps what it made of the project, so that the next run need not parse it again."""
    target = home_dir() / "dbt"
    target.mkdir(parents=True, exist_ok=True)
    return target


def forget_old_runs(target: Path) -> None:
    """Remove the folders of all but the newest runs: each holds a copy of the parsed project."""
    folders = sorted(target.glob(f"{RUN_FOLDER}-*"), key=lambda folder: folder.stat().st_mtime)
    for folder in folders[:-KEPT_RUNS]:
        shutil.rmtree(folder, ignore_errors=True)


def dbt_project() -> DbtProject:
    """The project, parsed into a manifest when the sources are newer than the last one."""
    project = DbtProject(project_dir=PROJECT_DIR, profiles_dir=PROJECT_DIR, target_path=target_path())
    newest = max(path.stat().st_mtime for path in PROJECT_DIR.rglob("*") if path.suffix in {".sql", ".yml"})
    manifest = project.manifest_path
    if not manifest.exists() or manifest.stat().st_mtime < newest:
        settings = get_settings()
        known = settings.database_pipeline_url or settings.database_url
        run_dbt(["parse"], target=target_path(), url=settings.require_pipeline_database() if known else None)
    return project


def dbt_environment(warehouse: Warehouse, instant: datetime) -> dict[str, str]:
    """What dbt reads from the environment: the connection, the instant of the run, and where its parsed project is."""
    return connection_environment(warehouse.address) | {
        "BEVYLY_NOW": instant.isoformat(),
        "DBT_TARGET_PATH": str(target_path()),
    }


def build_dbt_assets() -> tuple[dg.AssetsDefinition, DbtCliResource]:
    """The assets of all dbt models, and the resource that runs dbt."""
    project = dbt_project()

    translator = Translator(DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True))

    @dbt_assets(manifest=project.manifest_path, dagster_dbt_translator=translator)
    def dbt_models(context: dg.AssetExecutionContext, dbt: DbtCliResource, warehouse: Warehouse) -> Iterator[Any]:
        os.environ.update(dbt_environment(warehouse, run_instant(context)))
        forget_old_runs(target_path())
        code = code_of(PROJECT_DIR)
        with warehouse.connect() as connection:
            anew = not context.is_subset and not is_built_by(connection, code)
        # unit tests say whether the code is right, which does not change with the data
        arguments = ["build", "--exclude-resource-type", "unit_test", *(["--full-refresh"] if anew else [])]
        yield from dbt.cli(arguments, context=context).stream()
        with warehouse.connect() as connection:
            keep_code(connection, code, marts_of(orjson.loads(project.manifest_path.read_bytes())))
            if anew:
                note_built_by(connection, code)

    return dbt_models, DbtCliResource(project_dir=project, dbt_executable=str(DBT))

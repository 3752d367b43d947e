"""The export for analysts: marts, scores and decisions as Parquet, one folder a table, read by DuckDB."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from pipelines.resources import Folder, Warehouse, seconds_and_rows

TABLES = {
    "lead_features": "marts.lead_features",
    "lead_snapshots": "marts.lead_snapshots",
    "lead_outcomes": "marts.lead_outcomes",
    "opportunity_features": "marts.opportunity_features",
    "opportunity_snapshots": "marts.opportunity_snapshots",
    "opportunity_outcomes": "marts.opportunity_outcomes",
    "account_features": "marts.account_features",
    "stage_norms": "marts.stage_norms",
    "model_versions": "public.model_versions",
    "scores": "public.scores",
    "opportunity_forecasts": "public.opportunity_forecasts",
    "signals": "public.signals",
    "patterns": "public.patterns",
    "recommendations": "public.recommendations",
}


def export_table(warehouse: Warehouse, relation: str, target: Path) -> int:
    """Write all rows of `relation` to `target`; the old file stays readable until the new one is whole."""
    frame = warehouse.read(f"select * from {relation}")
    partial = target.with_suffix(".partial")
    frame.write_parquet(partial, compression="zstd", statistics=True)
    partial.rename(target)
    return frame.height


@dg.asset(
    group_name="export",
    owners=["team:data"],
    kinds={"parquet", "duckdb"},
    deps=[
        "briefings",
        "opportunity_forecasts",
        *[name for name, relation in TABLES.items() if relation.startswith("marts.")],
    ],
)
def parquet_export(warehouse: Warehouse, exports: Folder) -> dg.MaterializeResult[Any]:
    """All tables of the export, each as one Parquet file that replaces the last one in one step."""
    started = datetime.now(UTC)
    rows = {
        name: export_table(warehouse, relation, exports.root() / f"{name}.parquet") for name, relation in TABLES.items()
    }
    size = sum(path.stat().st_size for path in exports.root().glob("*.parquet"))
    return dg.MaterializeResult(metadata=seconds_and_rows(sum(rows.values()), started, bytes=size, tables=rows))

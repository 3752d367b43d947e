"""The forecast of open deals from marts to table: trained when due, judged before it is used, said of each deal.

A tenant's version is its own row in the register, with its own figures; what a row says is of that tenant alone.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
import polars as pl
from threadpoolctl import threadpool_limits

from bevyly.ids import derived_id
from models import gates
from models.contracts import without_leaking_fields
from models.display import PROBABILITY
from models.forecast.artefact import card, of_tenant, render
from models.forecast.gate import compare
from models.forecast.landmarks import landmarks
from models.forecast.model import ForecastModel, train
from models.schema import FORECAST
from pipelines.repositories.forecasts import DUE, retire_gone, write_forecasts
from pipelines.repositories.model_versions import challengers, champions, write_model_versions
from pipelines.resources import Warehouse
from pipelines.scoring.draws import EACH, TOGETHER, Draws
from pipelines.scoring.judging import keep_verdict
from pipelines.scoring.shelf import ShelfOf
from pipelines.scoring.training import WAIT

Forecasts = ShelfOf[ForecastModel]
Row = Mapping[str, Any]
_INSTANT = pl.Datetime("us", "UTC")
_MADE_WITH = ("version_id", "as_of", "seed", "contract", "horizon_days", "versions")


def train_forecast(warehouse: Warehouse, shelf: Forecasts, *, instant: datetime, reason: str) -> dict[str, Any]:
    """Train, save and register; returns what an operator wants to see of it."""
    draws = Draws(warehouse=warehouse, score_type=FORECAST)
    counts = draws.counts()
    opted_out = warehouse.read("select id from public.customers where not pooling")["id"].to_list()
    seen, ended = draws.pool(counts["customer_id"].to_list(), each=EACH, together=TOGETHER)
    with threadpool_limits(limits=1):
        model = train(seen, ended, as_of=instant, opted_out=opted_out)
    artefact, digest = shelf.put(model)
    taught = landmarks(seen, ended, as_of=instant)
    decided, deals = (dict(counts.select("customer_id", name).iter_rows()) for name in ("decided", "entities"))
    drawn = dict(ended.group_by("customer_id").len().iter_rows())
    with warehouse.connect() as connection:
        tenants = sorted(model.outcomes)
        in_use, waiting = (_by_tenant(read(connection, tenants)) for read in (champions, challengers))
        told, rows = card(model), []
        parts = {tenant: part for (tenant,), part in taught.group_by("customer_id")}
        for tenant in (None, *tenants):
            status = _standing(in_use.get(tenant), waiting.get(tenant), shelf, reason=reason, instant=instant)
            if status is not None:
                own = taught if tenant is None else parts[tenant]
                number = sum(decided.values()) if tenant is None else decided.get(tenant, 0)
                looked_at = {} if tenant is None else {"drawn": drawn[tenant], "of": deals[tenant]}
                rows.append(
                    _version(told | looked_at, tenant, own, number)
                    | status
                    | {"artefact": artefact, "artefact_sha256": digest, "created_at": instant}
                )
        schema: dict[str, Any] = {"customer_id": pl.String, "trained_from": _INSTANT, "trained_to": _INSTANT}
        if rows:
            write_model_versions(connection, pl.DataFrame(rows, schema_overrides=schema, infer_schema_length=None))
    return {"version": model.version_id, "reason": reason, "tenants": len(tenants), "registered": len(rows)}


def judge_forecasts(warehouse: Warehouse, shelf: Forecasts, instant: datetime) -> dict[str, int]:
    """Take each look at a waiting version that is due; how many were promoted and refused."""
    counts = {gates.PROMOTED: 0, gates.REFUSED: 0, gates.WAITING: 0}
    with warehouse.connect() as connection:
        everybody = [row[0] for row in connection.execute("select id from customers where pooling").fetchall()]
        tenants = [row[0] for row in connection.execute("select id from customers").fetchall()]
        in_use, waiting = (_by_tenant(read(connection, tenants)) for read in (champions, challengers))
    if not waiting:
        return counts
    draws = Draws(warehouse=warehouse, score_type=FORECAST)
    seen, ended = draws.since(tenants, min(row["created_at"] for row in waiting.values()))
    for tenant, challenger in waiting.items():
        champion = in_use.get(tenant) or in_use.get(None)
        wanted = pl.col("customer_id").is_in(everybody if tenant is None else [tenant])
        marts = seen.filter(wanted), ended.filter(wanted)
        verdict = _verdict(champion, challenger, marts, shelf, instant)
        if verdict.look or verdict.outcome != gates.WAITING:
            counts[verdict.outcome] += 1
            keep_verdict(warehouse, challenger, champion, verdict, instant)
    return counts


def forecast_all(warehouse: Warehouse, shelf: Forecasts) -> dict[str, int]:
    """Bring the forecasts of open deals up to date; counts of rows looked at and written."""
    features = without_leaking_fields(warehouse.read(DUE))
    with warehouse.connect() as connection:
        in_use = _by_tenant(champions(connection, features["customer_id"].unique().to_list()))
        parts = [
            shelf.load(version)
            .score(rows)
            .with_columns(rows["score_id"].cast(pl.String), model_version_id=pl.lit(version["id"]))
            for (tenant,), rows in features.group_by("customer_id", maintain_order=True)
            if (version := in_use.get(str(tenant)) or in_use.get(None)) is not None
        ]
        counts = write_forecasts(connection, pl.concat(parts)) if parts else {}
        counts["retired"] = retire_gone(connection)
    return {"looked_at": features.height} | counts


def _by_tenant(versions: pl.DataFrame) -> dict[str | None, Row]:
    return {row["customer_id"]: row for row in versions.filter(pl.col("score_type") == FORECAST).iter_rows(named=True)}


def _version(whole: Mapping[str, Any], tenant: str | None, taught: pl.DataFrame, decided: int) -> dict[str, Any]:
    told = of_tenant(whole, tenant)
    own = told["tenants"].get(tenant, {"outcomes": taught["opportunity_id"].n_unique(), "later": {}})
    figures = own["later"] | {"dependence": own.get("dependence"), "days_by": told["days_by"], "decided": decided}
    return {
        "id": derived_id("model_version", told["version_id"], tenant or ""),
        "customer_id": tenant,
        "score_type": FORECAST,
        "display": PROBABILITY,
        "trained_display": PROBABILITY,
        "trained_from": taught["opened_at"].min(),
        "trained_to": taught["opened_at"].max(),
        "n_rows": taught.height,
        "n_outcomes": own["outcomes"],
        "metrics": orjson.dumps(figures).decode(),
        "card": render(told),
        "made_with": orjson.dumps({name: told[name] for name in _MADE_WITH}).decode(),
    }


def _standing(
    champion: Row | None, waiting: Row | None, shelf: Forecasts, *, reason: str, instant: datetime
) -> dict[str, str] | None:
    """Whether a new version is used at once or waits to be judged; None where an older one waits already."""
    if champion is None:
        return {"status": "champion", "status_reason": "the first one"}
    if not shelf.readable(champion):
        return {"status": "champion", "status_reason": "the one in use cannot be read by this version of Bevyly"}
    if waiting is not None and instant - waiting["created_at"] < WAIT:
        return None
    return {"status": "challenger", "status_reason": f"{reason}; waits for outcomes that neither it nor the other knew"}


def _verdict(
    champion: Row | None, challenger: Row, marts: tuple[pl.DataFrame, pl.DataFrame], shelf: Forecasts, instant: datetime
) -> gates.Verdict:
    if champion is None or not shelf.readable(champion):
        return gates.Verdict(outcome=gates.PROMOTED, reason="there is none in use that can be read", look=0, figures={})
    if not shelf.readable(challenger):
        reason = "it cannot be read by this version of Bevyly"
        return gates.Verdict(outcome=gates.REFUSED, reason=reason, look=0, figures={})
    looked = orjson.loads(challenger["judgement"])["look"] if challenger["judgement"] else 0
    return compare(shelf.load(champion), shelf.load(challenger), *marts, as_of=instant, looked=looked)

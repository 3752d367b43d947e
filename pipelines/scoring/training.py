"""Training a score for all tenants, keeping its artefact, and registering what each tenant got."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import polars as pl
from threadpoolctl import threadpool_limits

from bevyly.ids import derived_id
from models import artefacts
from models.card import render
from models.contracts import without_leaking_fields
from models.display import BAND, PROBABILITY, RULES
from models.heads import Facts
from models.schema import inputs
from models.scoring import TrainedModel
from models.training import train
from pipelines.repositories.model_versions import champions, write_model_versions
from pipelines.resources import Warehouse

_INSTANT = pl.Datetime("us", "UTC")
_MADE_WITH = ("version_id", "as_of", "seed", "contract", "horizon_days", "versions")
_STRENGTH = {RULES: 0, BAND: 1, PROBABILITY: 2}


def version_of(model: TrainedModel, customer_id: str | None) -> str:
    """Id under which a tenant's part of `model` is registered; None stands for tenants that it does not know."""
    return derived_id("model_version", model.version_id, customer_id or "")


def train_score(warehouse: Warehouse, root: Path, score_type: str, *, instant: datetime, reason: str) -> dict[str, Any]:
    """Train, save and register `score_type`; returns what an operator wants to see of it."""
    snapshots, _, outcomes = inputs(score_type)
    ended = warehouse.read(f"select * from marts.{outcomes}")
    opted_out = warehouse.read("select id from public.customers where not pooling")["id"].to_list()
    learned_from = without_leaking_fields(warehouse.read(f"select * from marts.{snapshots}"))
    # many small fits: threads of one fit wait for each other longer than they work
    with threadpool_limits(limits=1):
        model = train(score_type, learned_from, ended, as_of=instant, opted_out=opted_out)
    key = f"{score_type}/{model.version_id}"
    path = artefacts.save(model, artefacts.place(root, key))
    decided = ended.filter(pl.col("outcome") != "open").height
    with warehouse.connect() as connection:
        before = champions(connection, list(model.heads)).filter(pl.col("score_type") == score_type)
        versions = _versions(model, before, path=path, key=key, reason=reason, decided=decided, instant=instant)
        write_model_versions(connection, versions)
    return {
        "version": model.version_id,
        "reason": reason,
        "outcomes": model.window.entities,
        "tenants": len(model.heads),
    }


def _versions(
    model: TrainedModel, before: pl.DataFrame, *, path: Path, key: str, reason: str, decided: int, instant: datetime
) -> pl.DataFrame:
    """One row a tenant and one, without tenant, for newcomers."""
    facts_of_all = artefacts.card(model)
    made_with = orjson.dumps({name: facts_of_all[name] for name in _MADE_WITH}).decode()
    card, sha256 = render(facts_of_all), artefacts.digest(path)
    shown = {row["customer_id"]: row["display"] for row in before.iter_rows(named=True)}
    parts = {None: model.newcomer.facts} | {tenant: head.facts for tenant, head in model.heads.items()}
    window = model.window
    return pl.DataFrame(
        [
            {
                "id": version_of(model, tenant),
                "customer_id": tenant,
                "score_type": model.score_type,
                **_standing(facts, shown.get(tenant), reason),
                "display": facts.display,
                "trained_from": window.trained_from,
                "trained_to": window.trained_to,
                "n_rows": window.rows,
                "n_outcomes": facts.outcomes if tenant else window.entities,
                "metrics": orjson.dumps(_metrics(facts, decided)).decode(),
                "card": card,
                "artefact": key,
                "artefact_sha256": sha256,
                "made_with": made_with,
                "created_at": instant,
            }
            for tenant, facts in parts.items()
        ],
        schema_overrides={"customer_id": pl.String, "trained_from": _INSTANT, "trained_to": _INSTANT},
    )


def _standing(facts: Facts, shown: str | None, reason: str) -> dict[str, str]:
    """A version that could be shown as less than the one in use is refused, and the refusal kept with its reason."""
    if shown is not None and _STRENGTH[facts.display] < _STRENGTH[shown]:
        return {"status": "refused", "status_reason": f"{facts.display_reason}; the one in use is shown as {shown}"}
    return {"status": "champion", "status_reason": f"{reason}; {facts.display_reason}"}


def _metrics(facts: Facts, decided: int) -> dict[str, Any]:
    return {
        **facts.metrics,
        "learner": facts.learner,
        "own_weight": facts.own_weight,
        "reliability": facts.reliability,
        "decided": decided,
    }

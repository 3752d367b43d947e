"""Training a score for all tenants, keeping its artefact, and registering what each tenant got.

What a tenant's row says is of that tenant alone: window, counts and card. How much others have is nobody's business.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
import polars as pl
from joblib import cpu_count
from threadpoolctl import threadpool_limits

from bevyly.ids import derived_id
from models import artefacts
from models.card import of_pool, of_tenant, render
from models.display import RULES
from models.heads import Facts
from models.later import known
from models.schema import RECIPES
from models.scoring import TrainedModel
from models.training import Marts, train_apart
from pipelines.repositories.model_versions import challengers, champions, write_model_versions
from pipelines.repositories.monitors import alarms
from pipelines.resources import Warehouse
from pipelines.scoring.draws import Draws
from pipelines.scoring.shelf import Shelf, ShelfOf

WAIT = timedelta(days=56)  # for the outcomes that a challenger is judged on, before a newer one takes its place
_INSTANT = pl.Datetime("us", "UTC")
_MADE_WITH = ("version_id", "as_of", "seed", "contract", "horizon_days", "versions")
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Before:
    """What a score had before a training: rows in use and waiting by tenant, the latest alarm of each version."""

    champions: dict[str | None, Row]
    challengers: dict[str | None, Row]
    alarms: dict[str, datetime]
    unreadable: frozenset[str]


def version_of(model: TrainedModel, customer_id: str | None) -> str:
    """Id under which a tenant's part of `model` is registered; None stands for tenants that it does not know."""
    return derived_id("model_version", model.version_id, customer_id or "")


def train_score(
    warehouse: Warehouse, shelf: Shelf, score_type: str, *, instant: datetime, reason: str
) -> dict[str, Any]:
    """Train, save and register `score_type`; returns what an operator wants to see of it."""
    draws = Draws(warehouse=warehouse, score_type=score_type)
    counts = {row["customer_id"]: row for row in draws.counts().iter_rows(named=True)}
    model, taught = _learn(draws, counts, instant)
    artefact, digest = shelf.put(model)
    decided = {tenant: int(row["decided"]) for tenant, row in counts.items()}
    with warehouse.connect() as connection:
        tenants = list(model.heads)
        before = Before(
            champions=_by_tenant(champions(connection, tenants), score_type),
            challengers=_by_tenant(challengers(connection, tenants), score_type),
            alarms=alarms(connection, score_type),
            unreadable=unreadable(champions(connection, tenants), shelf, score_type),
        )
        rows = _versions(model, before, taught, decided=decided, reason=reason, instant=instant)
        stored = pl.DataFrame(
            [row | {"artefact": artefact, "artefact_sha256": digest} for row in rows],
            schema_overrides={"customer_id": pl.String, "trained_from": _INSTANT, "trained_to": _INSTANT},
            infer_schema_length=None,
        )
        write_model_versions(connection, stored)
    return {
        "version": model.version_id,
        "reason": reason,
        "outcomes": model.window.entities,
        "tenants": len(model.heads),
        "in_use": sum(row["status"] == "champion" for row in rows),
        "challengers": sum(row["status"] == "challenger" for row in rows),
    }


def _learn(
    draws: Draws, counts: Mapping[str, Row], instant: datetime
) -> tuple[TrainedModel, dict[str | None, dict[str, Any]]]:
    """The model, and what it learned from by tenant; under None from the pool."""
    pooling = dict(draws.warehouse.read("select id, pooling from public.customers").iter_rows())
    pool = draws.pool([tenant for tenant, lends in pooling.items() if lends])
    taught: dict[str | None, dict[str, Any]] = {None: _taught(draws.score_type, pool, instant)}

    def tenants() -> Iterator[tuple[str, Marts]]:
        for tenant, counted in counts.items():
            marts = draws.own(tenant)
            if marts[0].height:
                taught[tenant] = _taught(draws.score_type, marts, instant) | {"of": counted["entities"]}
                yield tenant, marts

    alone = [tenant for tenant, lends in pooling.items() if not lends]
    # tenants take the cores, not the steps of one fit
    with threadpool_limits(limits=1):
        model = train_apart(draws.score_type, pool, tenants(), as_of=instant, opted_out=alone, workers=cpu_count())
    return model, taught


def _taught(score_type: str, marts: Marts, instant: datetime) -> dict[str, Any]:
    """What the register says of the labelled rows in `marts`, and how many entities were drawn."""
    rows = known(RECIPES[score_type], *marts, as_of=instant).rows
    created = rows.frame[RECIPES[score_type].contract.created]
    return {
        "rows": len(rows.y),
        "entities": rows.entities,
        "trained_from": created.min(),
        "trained_to": created.max(),
        "drawn": marts[1].height,
    }


def unreadable(versions: pl.DataFrame, shelf: ShelfOf[Any], score_type: str) -> frozenset[str]:
    """Artefacts in use that are gone, or were trained on other columns than this code reads."""
    rows = versions.filter(pl.col("score_type") == score_type).unique("artefact").iter_rows(named=True)
    return frozenset(row["artefact"] for row in rows if not shelf.readable(row))


def _by_tenant(versions: pl.DataFrame, score_type: str) -> dict[str | None, Row]:
    rows = versions.filter(pl.col("score_type") == score_type).iter_rows(named=True)
    return {row["customer_id"]: row for row in rows}


def _versions(
    model: TrainedModel,
    before: Before,
    taught: Mapping[str | None, Row],
    *,
    decided: Mapping[str, int],
    reason: str,
    instant: datetime,
) -> list[dict[str, Any]]:
    """One row a tenant and one, without tenant, for newcomers; none for tenants whose challenger is being judged."""
    card = artefacts.card(model)
    parts = {None: model.newcomer.facts} | {tenant: head.facts for tenant, head in model.heads.items()}
    rows = []
    for tenant, facts in parts.items():
        standing = _standing(tenant, facts, before, reason=reason, instant=instant)
        if standing is None:
            continue
        own = taught[tenant]
        window = {
            "n_rows": own["rows"],
            "n_outcomes": facts.outcomes if tenant else own["entities"],
            "trained_from": own["trained_from"],
            "trained_to": own["trained_to"],
        }
        told = of_tenant(card, tenant, window | {"drawn": own["drawn"], "of": own["of"]}) if tenant else of_pool(card)
        rows.append(
            {
                "id": version_of(model, tenant),
                "customer_id": tenant,
                "score_type": model.score_type,
                **standing,
                "display": facts.display,
                "trained_display": facts.display,
                **window,
                "metrics": orjson.dumps(
                    _metrics(facts, decided.get(tenant, 0) if tenant else sum(decided.values()))
                ).decode(),
                "card": render(told),
                "made_with": orjson.dumps({name: card[name] for name in _MADE_WITH}).decode(),
                "created_at": instant,
            }
        )
    return rows


def _standing(
    tenant: str | None, facts: Facts, before: Before, *, reason: str, instant: datetime
) -> dict[str, str] | None:
    """Whether a new version is used at once or waits for outcomes to be judged on; None where an older one waits.

    Nothing that works is replaced without proof. Where there is nothing to lose there is nothing to prove.
    """
    champion, waiting = before.champions.get(tenant), before.challengers.get(tenant)
    told = f"{reason}; {facts.display_reason}"
    if champion is None:
        return {"status": "champion", "status_reason": f"the first one; {facts.display_reason}"}
    if champion["artefact"] in before.unreadable:
        return {
            "status": "champion",
            "status_reason": f"the one in use cannot be read by this version of Bevyly; {told}",
        }
    if tenant is not None and champion["trained_display"] == facts.display == RULES:
        return {
            "status": "champion",
            "status_reason": f"neither may be shown, so the one that knows more ranks; {told}",
        }
    if waiting is not None:
        alarmed = before.alarms.get(champion["id"])
        if (alarmed is None or alarmed <= waiting["created_at"]) and instant - waiting["created_at"] < WAIT:
            return None
    return {
        "status": "challenger",
        "status_reason": f"{told}; waits for outcomes that neither it nor the other learned from",
    }


def _metrics(facts: Facts, decided: int) -> dict[str, Any]:
    return {
        **facts.metrics,
        "display_reason": facts.display_reason,
        "learner": facts.learner,
        "own_weight": facts.own_weight,
        "reliability": facts.reliability,
        "decided": decided,
    }

"""Scores and model versions on real PostgreSQL: one current row, an untouched series, one champion."""

from datetime import timedelta
from typing import Any

import polars as pl
import psycopg
import pytest

from bevyly.ids import new_id
from pipelines.repositories.model_versions import champions, promote, write_model_versions
from pipelines.repositories.scores import current_scores, write_scores
from tests.integration.repositories.builders import NOW, Tenant
from tests.unit.models.signals.builders import score

Connection = psycopg.Connection[Any]
Tenants = tuple[Tenant, Tenant]


def version(**values: Any) -> dict[str, Any]:
    return {
        "id": new_id(), "customer_id": None, "score_type": "win", "status": "champion", "status_reason": None,
        "display": "probability", "trained_display": "probability", "trained_from": NOW, "trained_to": NOW,
        "n_rows": 900, "n_outcomes": 300, "metrics": '{"auc": 0.7}', "card": "A card,\nwith \"quotes\" and lines",
        "artefact": "win/1", "artefact_sha256": "0" * 64, "made_with": "{}", "created_at": NOW,
    } | values  # fmt: skip


@pytest.fixture
def model(connection: Connection) -> str:
    row = version()
    assert write_model_versions(connection, pl.DataFrame([row])) == 1
    return str(row["id"])


def frame(tenants: Tenants, model: str, **values: Any) -> pl.DataFrame:
    rows = [
        score(customer_id=t.customer_id, entity_id=t.opportunity_id, model_version_id=model, as_of=NOW, **values)
        for t in tenants
    ]
    return pl.DataFrame(rows).drop("display")


def counts(connection: Connection) -> tuple[int, int]:
    row = connection.execute("select count(*), count(*) filter (where is_current) from scores").fetchone()
    assert row is not None
    return row


def test_only_changed_features_or_models_make_a_new_row(connection: Connection, tenants: Tenants, model: str) -> None:
    assert write_scores(connection, frame(tenants, model))["inserted"] == 2
    again = write_scores(connection, frame(tenants, model))
    assert set(again.values()) == {0}
    changed = frame(tenants[:1], model, feature_hash="h2", probability=0.6)
    assert write_scores(connection, changed) == {"replaced": 1, "inserted": 1}
    assert counts(connection) == (3, 2)
    now = current_scores(connection, [tenants[0].customer_id])
    assert now.select("probability", "feature_hash", "display").rows() == [(0.6, "h2", "probability")]
    assert now["reasons"].to_list()[0][0]["code"] == "replied"
    assert current_scores(connection, [tenants[1].customer_id])["feature_hash"].to_list() == ["h1"]


def test_an_older_run_that_arrives_late_changes_nothing(connection: Connection, tenants: Tenants, model: str) -> None:
    write_scores(connection, frame(tenants, model))
    old = frame(tenants, model, feature_hash="h0").with_columns(as_of=pl.col("as_of") - timedelta(days=1))
    assert write_scores(connection, old) == {"replaced": 0, "inserted": 0}


def test_one_champion_a_score_and_tenant_and_any_version_back(
    connection: Connection, tenants: Tenants, model: str
) -> None:
    own, newer = version(customer_id=tenants[0].customer_id), version()
    assert write_model_versions(connection, pl.DataFrame([own, newer], infer_schema_length=None)) == 2
    in_use = champions(connection, [tenants[0].customer_id])
    assert set(in_use["id"]) == {own["id"], newer["id"]}
    assert champions(connection, [tenants[1].customer_id])["id"].to_list() == [newer["id"]]
    back = {"customer_id": None, "reason": "rolled back", "cause": "promotion", "at": NOW}
    assert promote(connection, model, **back)
    assert promote(connection, model, **back) is False, "it is in use already"
    assert champions(connection, [tenants[1].customer_id])["id"].to_list() == [model]
    assert promote(connection, new_id(), **back) is None
    card = connection.execute("select card from model_versions where id = %s", (model,)).fetchone()
    assert card == ('A card,\nwith "quotes" and lines',)

"""Which scores are due, which are over, and how they stand: the same as if all were scored again."""

from typing import Any

import polars as pl
import psycopg
import pytest

from pipelines.repositories.model_versions import write_model_versions
from pipelines.repositories.score_standings import due, retire_gone, stand
from pipelines.repositories.scores import write_scores
from tests.integration.repositories.builders import Tenant
from tests.integration.repositories.test_scores import version
from tests.unit.models.signals.builders import score

Connection = psycopg.Connection[Any]
MART = "standing_features"


@pytest.fixture
def tenant(connection: Connection, tenants: tuple[Tenant, Tenant]) -> str:
    """A tenant with three scored deals, b and c alike; the version in use is `v`."""
    customer_id = tenants[0].customer_id
    connection.execute("create schema if not exists marts")
    connection.execute(f"create table marts.{MART} (customer_id text, opportunity_id text, feature_hash text)")
    for deal in "abc":
        connection.execute(f"insert into marts.{MART} values (%s, %s, 'h1')", (customer_id, deal))
    write_model_versions(connection, pl.DataFrame([version(id="v")]))
    logits = {"a": 0.1, "b": 0.5, "c": 0.5}
    given = [
        score(customer_id=customer_id, entity_id=deal, model_version_id="v", logit=logit, rank=1)
        for deal, logit in logits.items()
    ]
    write_scores(connection, pl.DataFrame(given).drop("display"))
    return customer_id


def entities(connection: Connection) -> list[str]:
    statement = due(MART, "opportunity").replace("$1", "%(type)s")
    return sorted(row[1] for row in connection.execute(statement.encode(), {"type": "win"}))


def test_what_changed_is_due_and_nothing_else(connection: Connection, tenant: str) -> None:
    assert entities(connection) == []
    connection.execute(f"update marts.{MART} set feature_hash = 'h2' where opportunity_id = 'b'")
    connection.execute(f"insert into marts.{MART} values (%s, 'new', 'h1')", (tenant,))
    assert entities(connection) == ["b", "new"]


def test_all_are_due_for_a_new_version_of_all_and_for_one_of_the_tenants_own(
    connection: Connection, tenant: str
) -> None:
    write_model_versions(connection, pl.DataFrame([version(id="w")]))
    assert entities(connection) == ["a", "b", "c"]
    write_model_versions(connection, pl.DataFrame([version(id="v2", customer_id=tenant)]))
    connection.execute("update scores set model_version_id = 'v2'")
    assert entities(connection) == []


def test_ranks_are_by_logit_and_then_by_id(connection: Connection, tenant: str) -> None:
    assert stand(connection, "win", ["another"]) == 0
    assert stand(connection, "win", [tenant]) == 2
    ranks = connection.execute("select entity_id, rank from scores order by entity_id").fetchall()
    assert ranks == [("a", 3), ("b", 1), ("c", 2)]
    assert stand(connection, "win", [tenant]) == 0


def test_what_was_decided_has_no_current_score(connection: Connection, tenant: str) -> None:
    connection.execute(f"delete from marts.{MART} where opportunity_id = 'a'")
    assert retire_gone(connection, "win", MART, "opportunity") == [tenant]
    assert retire_gone(connection, "win", MART, "opportunity") == []
    gone = connection.execute("select entity_id from scores where not is_current").fetchall()
    assert gone == [("a",)]

"""Blocking checks pass on good data, and each fails on what it is there for."""

from typing import Any

import psycopg
import pytest

from tests.support.pipeline_runs import Chapter, definitions_module

_ONE = "where id = (select id from {0} where {1} order by id limit 1)"
TAMPERED = {
    "entities_in_order": """
        update raw.events set sequence = 0 where seq = (
          select seq from raw.events newest where type = 'opportunity.stage_changed' order by seq desc limit 1)
    """,
    "probabilities_inside_their_interval": (
        "update scores set probability = probability_high + 0.001 " + _ONE.format("scores", "is_current")
    ),
    "reasons_sum_to_the_logit": "update scores set logit = logit + 0.001 " + _ONE.format("scores", "is_current"),
    "recommendations_have_reason_value_and_proof": (
        "update recommendations set evidence = '[]' " + _ONE.format("recommendations", "status = 'pending'")
    ),
    "nothing_is_recommended_for_what_is_decided": """
        delete from marts.opportunity_features where opportunity_id = (
          select entity_id from recommendations where status = 'pending' and entity_type = 'opportunity' limit 1)
    """,
}


def rules() -> dict[str, str]:
    """The statements of all blocking checks, by name."""
    definitions_module()
    from pipelines.checks.blocking import RULES

    return {name: statement for _, name, _, statement in RULES}


def offenders(connection: psycopg.Connection[Any], statement: str) -> int:
    """What the check counts."""
    row = connection.execute(statement).fetchone()
    assert row is not None
    return int(row[0])


def test_every_check_is_tried() -> None:
    assert set(rules()) == set(TAMPERED)


@pytest.mark.parametrize("name", TAMPERED)
def test_a_check_finds_one_wrong_row(name: str, present: Chapter) -> None:
    statement = rules()[name]
    with psycopg.connect(present.pipeline.settings.require_database()) as connection:
        assert offenders(connection, statement) == 0
        connection.execute(TAMPERED[name])
        assert offenders(connection, statement) >= 1
        connection.rollback()

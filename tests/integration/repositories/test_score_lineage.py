"""Inputs of scores and the events behind them, as the app finds them: what counts, what does not, what others see."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import psycopg
import pytest

from bevyly.ids import new_id
from pipelines.repositories.model_versions import write_model_versions
from pipelines.repositories.score_inputs import keep_inputs, lacking_inputs
from pipelines.repositories.scores import write_scores
from pipelines.repositories.warehouse_code import keep_code, note_built_by
from tests.integration.repositories.builders import NOW
from tests.integration.repositories.test_scores import version
from tests.support.databases import Database
from tests.unit.models.signals.builders import score

FAR = datetime(2199, 1, 1, tzinfo=UTC)
DOCUMENT = '{"age_days":1.5,"owner_decided_180d":3.0}'
CHANGE = (
    "customer_id text, event_id text, event_type text, version int, occurred_at timestamptz, recorded_at timestamptz"
)
# the columns of dbt's models that the question reads
MODELS = {
    "int_leads_changed": f"{CHANGE}, lead_id text, opportunity_id text, account_id text, owner_id text",
    "int_opportunities_changed": f"{CHANGE}, opportunity_id text, account_id text, owner_id text",
    "int_accounts_changed": f"{CHANGE}, account_id text",
    "int_contacts_changed": f"{CHANGE}, account_id text",
    "int_contacts_placed": "customer_id text, contact_id text, account_id text, placed tstzmultirange",
    "int_leads_linked": "customer_id text, lead_id text, opportunity_id text, linked_at timestamptz",
    "int_activities_linked": "customer_id text, entity_type text, entity_id text, event_id text, revision_id text, "
    "known_at timestamptz, occurred_at timestamptz, hidden tstzmultirange",
    "int_leads_decided": "customer_id text, owner_id text, event_id text, decided_at timestamptz, "
    "known_at timestamptz, hidden tstzmultirange",
    "int_opportunities_decided": "customer_id text, owner_id text, event_id text, decided_at timestamptz, "
    "recorded_at timestamptz, hidden tstzmultirange",
}


@dataclass
class Traced:
    """An opportunity with two scores, a day apart, and the events of its story by name."""

    database: Database
    ours: str
    theirs: str
    opportunity: str
    score: str
    events: dict[str, str]

    def ask(self, function: str, *arguments: Any, tenant: str | None = None) -> tuple[Any, ...]:
        """What the app is answered."""
        places = ", %s" * len(arguments)
        statement = f"select * from {function}(set_config('bevyly.customer_id', %s, true){places})"
        with psycopg.connect(self.database.app_url) as connection:
            row = connection.execute(statement.encode(), (tenant or self.ours, *arguments)).fetchone()
        assert row is not None
        return row


@pytest.fixture
def traced(database: Database) -> Traced:
    ours, theirs, opportunity = database.add_tenant("ours"), database.add_tenant("theirs"), new_id()
    with psycopg.connect(database.pipeline_url) as connection:
        _make_models(connection)
        events = _tell(connection, ours, opportunity)
        model = version()
        write_model_versions(connection, pl.DataFrame([model]))
        note_built_by(connection, "code")
        keep_code(connection, "code", {"opportunity_features": {"hash": "h"}})
    for number, at in enumerate((NOW - timedelta(days=1), NOW)):
        with psycopg.connect(database.pipeline_url) as connection:
            row = score(
                customer_id=ours,
                entity_id=opportunity,
                model_version_id=model["id"],
                as_of=at,
                feature_hash=f"h{number}",
            )
            write_scores(connection, pl.DataFrame([row]).drop("display"))
            lacking = lacking_inputs(connection)
            inputs = lacking.with_columns(entity_type=pl.lit("opportunity"), document=pl.lit(DOCUMENT))
            assert keep_inputs(connection, inputs) == 1
            assert lacking_inputs(connection).is_empty()
    with psycopg.connect(database.pipeline_url) as connection:
        (current,) = connection.execute("select id from scores where is_current").fetchone() or ("",)
    return Traced(database, ours, theirs, opportunity, current, events)


def _make_models(connection: psycopg.Connection[Any]) -> None:
    connection.execute("create schema intermediate")
    for name, columns in MODELS.items():
        table = f"intermediate.{name}"
        for statement in (
            f"create table {table} ({columns})",
            f"alter table {table} enable row level security",
            f"create policy own on {table} to bevyly_app using (customer_id = current_setting('bevyly.customer_id'))",
            f"grant select on {table} to bevyly_app",
        ):
            connection.execute(statement.encode())
    connection.execute("grant usage on schema intermediate to bevyly_app")


def _tell(connection: psycopg.Connection[Any], tenant: str, opportunity: str) -> dict[str, str]:
    story = {
        "created": ("opportunity.created", -9.0),
        "account": ("account.created", -9.0),
        "decision": ("opportunity.stage_changed", -30.0),
        "call": ("call.completed", -5.0),
        "meeting": ("meeting.scheduled", -0.1),
        "later": ("note.created", 0.1),
        "deleted": ("note.created", -6.0),
        "mail": ("email.sent", -3.0),
        "mail today": ("email.sent", -0.05),
    }
    ids = {name: new_id() for name in story}
    at = {name: NOW + timedelta(days=days) for name, (_, days) in story.items()}
    for offset, (name, (kind, _)) in enumerate(story.items()):
        connection.execute(
            "insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, sequence, "
            'occurred_at, recorded_at, data, source, topic, partition, "offset", ingested_at) '
            "values (%s, %s, %s, 1, 's', 's', 1, %s, %s, '{}', 'x', 'bevyly.domain', 2, %s, %s)",
            (tenant, ids[name], kind, at[name], at[name], offset, at[name]),
        )
    connection.execute(
        "insert into intermediate.int_opportunities_changed "
        "values (%s, %s, 'opportunity.created', 1, %s, %s, %s, 'a', 'o')",
        (tenant, ids["created"], at["created"], at["created"], opportunity),
    )
    connection.execute(
        "insert into intermediate.int_accounts_changed values (%s, %s, 'account.created', 1, %s, %s, 'a')",
        (tenant, ids["account"], at["account"], at["account"]),
    )
    connection.execute(
        "insert into intermediate.int_opportunities_decided values (%s, 'o', %s, %s, %s, null)",
        (tenant, ids["decision"], at["decision"], at["decision"]),
    )
    for name, hidden in {"call": None, "meeting": None, "later": None, "deleted": "{(,)}"}.items():
        connection.execute(
            "insert into intermediate.int_activities_linked values (%s, 'opportunity', %s, %s, %s, %s, %s, %s)",
            (tenant, opportunity, ids[name], ids[name], at[name], at[name], hidden),
        )
    connection.execute(
        "insert into intermediate.int_contacts_placed values (%s, 'c', 'a', '{(,)}'), (%s, 'gone', 'a', '{}')",
        (tenant, tenant),
    )
    for name, contact in {"mail": "c", "mail today": "c", "later": "gone"}.items():
        connection.execute(
            "insert into intermediate.int_activities_linked values (%s, 'contact', %s, %s, %s, %s, %s, null)",
            (tenant, contact, ids[name], ids[name], at[name], at[name]),
        )
    return ids


def test_the_events_behind_a_score_are_those_that_counted_then(traced: Traced) -> None:
    body, _, _ = traced.ask("api_list_score_events", FAR, "z", 50, traced.score)
    names = {event_id: name for name, event_id in traced.events.items()}
    found = [
        (names[one["event_id"]], one["relation"], one["partition"], one["offset"]) for one in json.loads(f"[{body}]")
    ]
    assert found[0] == ("meeting", "activity", 2, 4)
    assert found[1] == ("mail", "account_activity", 2, 7), (
        "and not the one of today: the account's day is over at its end"
    )
    assert found[2] == ("call", "activity", 2, 3)
    assert sorted(found[3:5]) == [("account", "account", 2, 1), ("created", "record", 2, 0)]
    assert found[5:] == [("decision", "owner_record", 2, 2)]


def test_a_page_goes_on_where_the_one_before_ended(traced: Traced) -> None:
    body, at, last = traced.ask("api_list_score_events", FAR, "z", 2, traced.score)
    rest, end, _ = traced.ask("api_list_score_events", at, last, 50, traced.score)
    assert (len(json.loads(f"[{body}]")), len(json.loads(f"[{rest}]")), end) == (2, 4, None)


def test_a_history_names_what_came_in_between(traced: Traced) -> None:
    body, _, _ = traced.ask("api_list_score_history", FAR, "z", 50, None, "opportunity", traced.opportunity)
    newer, older = json.loads(f"[{body}]")
    assert [one["event_id"] for one in newer["events"]] == [traced.events["meeting"]]
    assert (newer["previous"]["id"], newer["document"], newer["code"]) == (older["id"], DOCUMENT, "code")
    assert (older["previous"], older["events"]) == (None, [])


def test_lineage_holds_model_inputs_and_code(traced: Traced) -> None:
    (body,) = traced.ask("api_get_score_lineage", traced.score)
    found = json.loads(body)
    assert found["model"]["artefact_sha256"] == "0" * 64
    assert found["inputs"]["features"] == json.loads(DOCUMENT)
    assert found["dbt"] == {"project": "code", "model": "opportunity_features", "built": {"hash": "h"}}


def test_another_tenant_is_answered_nothing(traced: Traced) -> None:
    other = {"tenant": traced.theirs}
    assert traced.ask("api_get_score_lineage", traced.score, **other) == (None,)
    assert traced.ask("api_get_stored_score", traced.score, **other) == (None,)
    assert traced.ask("api_list_score_events", FAR, "z", 50, traced.score, **other)[0] == ""
    history = (FAR, "z", 50, None, "opportunity", traced.opportunity)
    assert traced.ask("api_list_score_history", *history, **other) == (None, None, None)


def test_nobody_changes_inputs(traced: Traced) -> None:
    for url in (traced.database.app_url, traced.database.pipeline_url):
        with psycopg.connect(url) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("update score_inputs set document = '{}'")

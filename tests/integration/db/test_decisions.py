"""The decision log on real PostgreSQL: whoever writes is noted, in one unbroken chain, and nobody changes it later."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg.types.json import Jsonb

from bevyly.decisions import log
from bevyly.decisions.chain import Verdict, verify
from bevyly.ids import new_id
from tests.support.databases import Database

NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
Connection = psycopg.Connection[Any]


def looked_at(connection: Connection, tenant: str) -> Verdict:
    return verify(tenant, log.entries(connection, tenant), head=log.head(connection, tenant))


def kinds(connection: Connection, tenant: str) -> list[str]:
    return [entry.kind for entry in log.entries(connection, tenant)]


def add_deal(connection: Connection, tenant: str) -> str:
    account, deal = new_id(), new_id()
    connection.execute("insert into accounts (customer_id, id, name) values (%s, %s, 'Blue Harbor')", (tenant, account))
    connection.execute(
        "insert into opportunities (customer_id, id, account_id, name, stage, value, currency, stage_entered_at) "
        "values (%s, %s, %s, 'Renewal', 'proposal', 1500000, 'EUR', %s)",
        (tenant, deal, account, NOW),
    )
    return deal


def add_score(connection: Connection, tenant: str, deal: str) -> str:
    model, score = new_id(), new_id()
    connection.execute(
        "insert into model_versions (id, customer_id, score_type, status, display, trained_display, n_rows, "
        "n_outcomes, metrics, card, artefact) values (%s, %s, 'win', 'retired', 'band', 'band', 1, 1, '{}', '', 'x')",
        (model, tenant),
    )
    connection.execute(
        "insert into scores (customer_id, id, entity_type, entity_id, score_type, as_of, probability, probability_low, "
        "probability_high, logit, baseline_logit, points, rank, band, reasons, model_version_id, feature_hash, "
        "is_current) values (%s, %s, 'opportunity', %s, 'win', %s, .1, 1e-9, .3, -2.2, -1, 10, 1, 'C', '[]', %s, 'f', "
        "false)",
        (tenant, score, deal, NOW, model),
    )
    return score


def recommend(
    connection: Connection, tenant: str, deal: str, *, count: int = 1, at: datetime = NOW, **links: str
) -> list[str]:
    """`count` recommendations in one statement; `links`: score and signal."""
    ids = [new_id() for _ in range(count)]
    connection.execute(
        "insert into recommendations (customer_id, id, entity_type, entity_id, action_type, payload, priority, title, "
        "rationale, reasons, evidence, urgency, expected_value_minor, expected_value_low_minor, "
        "expected_value_high_minor, basis, rank, expires_at, dedupe_key, as_of, created_at, updated_at, score_id, "
        "signal_id) select %(tenant)s, id, 'opportunity', %(deal)s, 'call', '{}', 'high', 'Call “Renewal”\n', 'r', "
        "'[]', '[]', 1, 100, 50, 200, 'prior', n, %(later)s, id, %(at)s, %(at)s, %(at)s, %(score)s, %(signal)s "
        "from unnest(%(ids)s::text[]) with ordinality as given(id, n)",
        {"tenant": tenant, "deal": deal, "ids": ids, "at": at, "later": at + timedelta(days=9)}
        | {name: links.get(name) for name in ("score", "signal")},
    )
    return ids


def answer(connection: Connection, tenant: str, item: str, status: str, at: datetime = NOW) -> None:
    connection.execute(
        "update recommendations set status = %s, acted_at = %s, updated_at = %s, feedback = %s, version = version + 1 "
        "where customer_id = %s and id = %s",
        (status, at, at, Jsonb({"comment": "ok"}), tenant, item),
    )


@contextmanager
def as_app(database: Database, tenant: str) -> Iterator[Connection]:
    with psycopg.connect(database.app_url) as connection:
        connection.execute("select set_config('bevyly.customer_id', %s, false)", (tenant,))
        yield connection


def test_a_whole_life_is_one_chain(database: Database) -> None:
    tenant = database.add_tenant("A")
    with psycopg.connect(database.pipeline_url) as connection:
        deal = add_deal(connection, tenant)
        score = add_score(connection, tenant, deal)
        [item] = recommend(connection, tenant, deal, score=score)
        assert kinds(connection, tenant) == [], "an entry is there when the transaction has committed"
    run, approval = new_id(), new_id()
    asked = Jsonb({"command": "agent.make_call", "recommendation_id": item})
    with as_app(database, tenant) as connection:
        answer(connection, tenant, item, "accepted")
    with psycopg.connect(database.pipeline_url) as connection:
        connection.execute(
            "insert into agent_runs (customer_id, id, agent_type, command_id, status, input, started_at) "
            "values (%s, %s, 'voice', %s, 'waiting', %s, %s)",
            (tenant, run, new_id(), asked, NOW),
        )
        connection.execute(
            "insert into approval_items (customer_id, id, agent_run_id, item_type, content, content_hash) "
            "values (%s, %s, %s, 'call', %s, %s)",
            (tenant, approval, run, asked, "a" * 64),
        )
    with as_app(database, tenant) as connection:
        connection.execute("update approval_items set content_hash = %s, edited_at = %s", ("b" * 64, NOW))
        connection.execute("update approval_items set status = 'approved', reviewed_at = %s", (NOW,))
        connection.execute(
            "update opportunities set status = 'won', closed_at = %(at)s, updated_at = %(at)s",
            {"at": NOW + timedelta(days=3)},
        )
    with psycopg.connect(database.pipeline_url) as connection:
        connection.execute("update agent_runs set status = 'succeeded', completed_at = %s", (NOW,))
        connection.commit()
        entries = list(log.entries(connection, tenant))
        assert [entry.kind for entry in entries] == [
            "score.used", "recommendation.made", "recommendation.accepted", "execution.waiting", "approval.asked",
            "approval.edited", "approval.approved", "outcome.won", "execution.succeeded",
        ]  # fmt: skip
        assert {entry.recommendation_id for entry in entries} == {item}
        assert entries[0].subject_id == entries[1].grounds["score_id"] == score
        assert entries[6].grounds["content_sha256"] == "b" * 64
        assert entries[7].occurred_at == "2026-11-26T08:00:00.000000Z"
        verdict = looked_at(connection, tenant)
        assert (verdict.holds, verdict.head.sequence) == (True, 9)
        assert connection.execute("select count(*) from decisions_pending").fetchone() == (0,)


def test_only_what_changes_a_decision_is_noted(database: Database) -> None:
    tenant = database.add_tenant("A")
    with psycopg.connect(database.pipeline_url, autocommit=True) as connection:
        deal = add_deal(connection, tenant)
        [item] = recommend(connection, tenant, deal)
        other = add_deal(connection, tenant)
        connection.execute("update recommendations set rank = 7, rationale = 'x', as_of = now(), version = 2")
        connection.execute("update opportunities set status = 'lost', closed_at = now() where id = %s", (other,))
        assert kinds(connection, tenant) == ["recommendation.made"]
        connection.execute("update recommendations set expected_value_minor = 90")
        answer(connection, tenant, item, "snoozed", NOW)
        answer(connection, tenant, item, "snoozed", NOW + timedelta(days=1))
        connection.execute("update recommendations set status = 'pending'")
        answer(connection, tenant, item, "superseded", NOW + timedelta(days=1))
        connection.execute("update opportunities set status = 'won', closed_at = now() where id = %s", (deal,))
        assert kinds(connection, tenant)[1:] == [
            "recommendation.revised", "recommendation.snoozed", "recommendation.snoozed", "recommendation.reopened",
            "recommendation.superseded",
        ]  # fmt: skip


def test_many_writers_make_one_unbroken_chain(database: Database) -> None:
    tenants = [database.add_tenant(name) for name in "AB"]
    with psycopg.connect(database.pipeline_url) as connection:
        deals = [add_deal(connection, tenant) for tenant in tenants]
        items = [recommend(connection, tenant, deal, count=40) for tenant, deal in zip(tenants, deals, strict=True)]

    def person(number: int) -> None:
        """Answers one item after the other, in a transaction each; half of them take it back."""
        for item in items[0][number::4]:
            with as_app(database, tenants[0]) as connection:
                answer(connection, tenants[0], item, "accepted")
                if number % 2:
                    connection.rollback()

    def run(number: int) -> None:
        """Writes for both tenants in one transaction, in either order."""
        for _ in range(10):
            with psycopg.connect(database.pipeline_url) as connection:
                for place in (0, 1) if number % 2 else (1, 0):
                    recommend(connection, tenants[place], deals[place], count=3)
                    answer(connection, tenants[place], items[place][number], "completed")

    with ThreadPoolExecutor(8) as pool:
        done = [pool.submit(work, number) for work in (person, run) for number in range(4)]
        for one in done:
            one.result(timeout=60)
    with psycopg.connect(database.pipeline_url) as connection:
        for tenant in tenants:
            assert looked_at(connection, tenant).holds
        found = [kinds(connection, tenant) for tenant in tenants]
        assert [one.count("recommendation.made") for one in found] == [40 + 120] * 2
        assert found[0].count("recommendation.accepted") >= 18


def test_thousands_are_chained_in_one_pass(database: Database) -> None:
    tenant = database.add_tenant("A")
    with psycopg.connect(database.pipeline_url) as connection:
        recommend(connection, tenant, add_deal(connection, tenant), count=3_000)
        connection.commit()
        verdict = looked_at(connection, tenant)
        assert (verdict.holds, verdict.head.sequence) == (True, 3_000)


@pytest.mark.parametrize("role", ["bevyly_app", "bevyly_pipeline", None])
@pytest.mark.parametrize(
    "statement",
    [
        "update decisions set kind = 'x'",
        "delete from decisions",
        "truncate decisions cascade",
        "update decision_details set document = 'x'",
        "update decision_details set noted_at = now()",
    ],
)
def test_nobody_changes_the_log(database: Database, role: str | None, statement: str) -> None:
    tenant = database.add_tenant("A")
    with psycopg.connect(database.owner_url) as connection:
        recommend(connection, tenant, add_deal(connection, tenant))
        connection.commit()
        if role:
            connection.execute(f"set role {role}")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute(statement.encode())


def _tamper(table: str, column: str, value: str) -> Callable[[Connection], Any]:
    place = "" if table == "decision_heads" else " where sequence = 4"
    return lambda connection: connection.execute(f'update {table} set "{column}" = {value}{place}'.encode())


TAMPERING = {
    f"{table}.{column}": _tamper(table, column, value)
    for table, columns in {
        "decisions": {
            "id": "'00000000-0000-8000-8000-000000000999'",
            "kind": "'recommendation.dismissed'",
            "recommendation_id": "null",
            "subject_type": "'score'",
            "subject_id": "'x'",
            "grounds": """'{"score_id": "x"}'""",
            "occurred_at": "occurred_at + interval '1 microsecond'",
            "noted_at": "noted_at - interval '1 microsecond'",
            "details_hash": "repeat('0', 64)",
            "previous": "repeat('0', 64)",
            "hash": "repeat('0', 64)",
        },
        "decision_details": {
            "salt": "repeat('0', 32)",
            "document": "replace(document, '\"call\"', '\"none\"')",
            "noted_at": "noted_at + interval '1 second'",
        },
        "decision_heads": {
            "sequence": "sequence - 1",
            "hash": "repeat('0', 64)",
            "noted_at": "noted_at + interval '1 second'",
        },
    }.items()
    for column, value in columns.items()
} | {
    "an entry is gone": lambda c: c.execute("delete from decisions where sequence = 3"),
    "the end is gone": lambda c: c.execute("delete from decisions where sequence >= 4"),
    "details are gone": lambda c: c.execute("delete from decision_details where sequence = 4"),
    "two changed places": lambda c: c.execute(
        "update decisions a set kind = b.kind from decisions b where (a.sequence, b.sequence) in ((3, 4), (4, 3))"
    ),
    "a score was changed": lambda c: c.execute("update scores set probability = probability + 1e-12"),
}  # fmt: skip


@pytest.mark.parametrize("what", TAMPERING)
def test_whoever_may_do_everything_is_found_out(module_database: Database, what: str) -> None:
    database = module_database
    tenant = database.add_tenant(what)
    with psycopg.connect(database.owner_url) as connection:
        deal = add_deal(connection, tenant)
        items = recommend(connection, tenant, deal, count=2, score=add_score(connection, tenant, deal))
        connection.commit()
        answer(connection, tenant, items[0], "accepted")
        connection.commit()
        before = looked_at(connection, tenant)
        assert (before.holds, before.head.sequence) == (True, 5)
        # a superuser, past every trigger
        connection.execute("set session_replication_role = replica")
        TAMPERING[what](connection)
        assert not looked_at(connection, tenant).holds
        connection.rollback()


def test_details_that_are_erased_are_said_to_be(database: Database) -> None:
    tenant, other = database.add_tenant("A"), database.add_tenant("B")
    with psycopg.connect(database.pipeline_url) as connection:
        for one in (tenant, other):
            recommend(connection, one, add_deal(connection, one), count=6)
            connection.commit()
        connection.execute(
            "delete from decision_details where customer_id = %s and sequence in (1, 2, 3, 5)", (tenant,)
        )
        connection.commit()
        *_, last = log.entries(connection, tenant)
        assert (last.kind, last.grounds) == ("details.erased", {"sequences": "1-3,5"})
        verdict = looked_at(connection, tenant)
        assert (verdict.holds, verdict.erased, verdict.head.sequence) == (True, 4, 7)
        assert looked_at(connection, other).head.sequence == 6

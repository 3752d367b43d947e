"""A database with data is upgraded: the pipeline of a tenant is made of the stages in use, and nothing is lost."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bevyly.db.migrate import upgrade
from tests.support.databases import Database, bare_database

BEFORE = "2026_11_28_audit_reads"
"""The last version of the tables that knew no pipelines."""
STAGES = {"prospecting": "open", "qualification": "open", "proposal": "open", "negotiation": "open"} | {
    "won": "won",
    "lost": "lost",
}
OURS = (
    *(("d1", "proposal", "open"), ("d2", "on_hold", "open"), ("d3", "on_hold", "open"), ("d4", "signed", "won")),
    *(("d5", "won", "won"), ("d6", "gone_away", "lost")),
)
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def old(postgres_url: str) -> Iterator[Database]:
    """A database of the version before, with a tenant that works with stages of its own and one that has no deals."""
    with bare_database(postgres_url) as database:
        upgrade(database.owner_url, BEFORE)
        with psycopg.connect(database.owner_url) as connection:
            connection.execute("insert into customers (id, name) values ('ours', 'Ours'), ('new', 'New')")
            connection.execute("insert into users (customer_id, id, email) values ('ours', 'ann', 'ann@ours.example')")
            connection.execute("insert into accounts (customer_id, id, name) values ('ours', 'acme', 'Acme')")
            connection.execute(
                "insert into contacts (customer_id, id, account_id, email) values ('ours', 'c', 'acme', 'c@x.example')"
            )
            connection.execute("insert into leads (customer_id, id, company_name) values ('ours', 'l', 'Lead & Co')")
            for deal, stage, status in OURS:
                connection.execute(
                    "insert into opportunities (customer_id, id, account_id, name, stage, status, stage_entered_at, "
                    "value, currency, owner_id, closed_at, deleted_at) values ('ours', %s, 'acme', 'Deal', %s, %s, "
                    "now(), 12345, 'EUR', 'ann', case when %s <> 'open' then now() end, "
                    "case when %s = 'd6' then now() end)",
                    (deal, stage, status, status, deal),
                )
            connection.execute(
                "insert into activities (customer_id, id, kind, direction, occurred_at, opportunity_id, subject) "
                "values ('ours', 'a', 'call', 'outbound', now(), 'd1', 'About the offer')"
            )
        yield database


def rows_of(database: Database) -> Rows:
    """Every row of every table that has any."""
    found: Rows = {}
    with psycopg.connect(database.owner_url) as connection:
        tables = connection.execute(
            "select oid::regclass::text from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            rows = connection.execute(f"select to_jsonb(t) from {table} t order by 1::text").fetchall()
            found |= {table: [row[0] for row in rows]} if rows and table != "alembic_version" else {}
    return found


def test_pipelines_are_made_of_the_stages_in_use_and_nothing_is_lost(old: Database) -> None:
    before = rows_of(old)
    assert {"customers", "users", "accounts", "contacts", "leads", "opportunities", "activities"} <= before.keys()
    upgrade(old.owner_url)
    after = rows_of(old)
    for table, rows in before.items():
        assert len(after[table]) == len(rows), table
        for row in rows:
            assert any(row.items() <= kept.items() for kept in after[table]), (table, row)

    pipelines = {one["customer_id"]: one for one in after["pipelines"]}
    assert len(after["pipelines"]) == 2
    assert {(one["name"], one["is_default"]) for one in pipelines.values()} == {("Sales", True)}
    stages = {
        tenant: {
            one["key"]: one["kind"]
            for one in sorted(after["pipeline_stages"], key=lambda one: one["position"])
            if (one["customer_id"], one["pipeline_id"]) == (tenant, pipeline["id"])
        }
        for tenant, pipeline in pipelines.items()
    }
    assert stages == {
        "new": STAGES,
        "ours": STAGES | {"gone_away": "lost", "on_hold": "open", "signed": "won"},
    }
    assert {(stage, status) for _, stage, status in OURS} <= stages["ours"].items()

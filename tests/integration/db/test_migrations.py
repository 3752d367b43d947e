"""The database is what the tables say, and every table of a tenant is behind forced row-level security."""

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from bevyly.db.engine import make_engine
from bevyly.db.schema import Base
from tests.support.databases import Database

# COPY refuses a table whose row-level security applies to the role, so the pipeline, whose policy is `true`, owns it
OWNED_BY_THE_PIPELINE = "raw.events"


def test_migrations_give_exactly_the_tables(database: Database) -> None:
    engine = make_engine(database.owner_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "include_schemas": True,
                "include_name": lambda name, kind, _: kind != "schema" or name in (None, "raw"),
            },
        )
        difference = compare_metadata(context, Base.metadata)
    engine.dispose()
    assert difference == []


def test_every_tenant_table_forces_row_level_security(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        rows = connection.execute("""
            select c.oid::regclass::text, c.relrowsecurity and c.relforcerowsecurity,
                   count(p.polname) filter (where p.polwithcheck is not null)
            from pg_class c
            join pg_attribute a on a.attrelid = c.oid and a.attname = 'customer_id' and not a.attisdropped
            left join pg_policy p on p.polrelid = c.oid
            where c.relkind in ('r', 'p') and c.relnamespace::regnamespace::text in ('public', 'raw')
            group by 1, 2
        """).fetchall()
    assert len(rows) >= 22
    assert [name for name, forced, policies in rows if not forced or policies < 2] == [OWNED_BY_THE_PIPELINE]


def test_a_table_that_the_pipeline_owns_still_shows_the_app_one_tenant(database: Database) -> None:
    ours, theirs = database.add_tenant("ours"), database.add_tenant("theirs")
    with psycopg.connect(database.owner_url) as connection:
        for tenant in (ours, theirs):
            connection.execute(
                "insert into raw.events (customer_id, event_id, type, schema_version, subject_type, subject_id, "
                'sequence, occurred_at, recorded_at, data, source, topic, partition, "offset") '
                "values (%s, 'e', 't', 1, 's', 's', 1, now(), now(), '{}', 'x', 't', 0, 0)",
                (tenant,),
            )
        for column in ("data", "subject_id", "source"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(f"set local role bevyly_app; select {column} from raw.events")
        with connection.transaction(force_rollback=True):
            connection.execute("set local role bevyly_app")
            assert connection.execute("select topic, partition from raw.events").fetchall() == []
            connection.execute("select set_config('bevyly.customer_id', %s, true)", (ours,))
            assert connection.execute("select customer_id, topic from raw.events").fetchall() == [(ours, "t")]
        connection.execute("grant select on raw.events to bevyly_app")
        connection.execute("set local role bevyly_app")
        connection.execute("select set_config('bevyly.customer_id', %s, true)", (ours,))
        assert connection.execute("select customer_id from raw.events").fetchall() == [(ours,)]


def test_a_login_that_migrates_may_still_change_what_the_pipeline_owns(database: Database) -> None:
    with psycopg.connect(database.owner_url) as connection:
        connection.execute("create role migrator in role bevyly_pipeline")
        connection.execute("set local role migrator")
        connection.execute("alter table raw.events add column extra integer")
        connection.rollback()


@pytest.mark.parametrize("role", ["bevyly_app", "bevyly_pipeline"])
def test_roles_own_no_other_table_and_cannot_bypass(database: Database, role: str) -> None:
    with psycopg.connect(database.owner_url) as connection:
        powers = connection.execute(
            "select rolsuper, rolbypassrls from pg_roles where rolname = %s", (role,)
        ).fetchone()
        owned = connection.execute(
            "select oid::regclass::text from pg_class where relkind in ('r', 'p') and pg_get_userbyid(relowner) = %s",
            (role,),
        ).fetchall()
    assert powers == (False, False)
    assert owned == ([(OWNED_BY_THE_PIPELINE,)] if role == "bevyly_pipeline" else [])


def test_a_row_cannot_point_into_another_tenant(database: Database) -> None:
    ours, theirs = database.add_tenant("ours"), database.add_tenant("theirs")
    their_user = database.add_user(theirs, "x@theirs.example")
    with psycopg.connect(database.owner_url) as connection, pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute(
            "insert into accounts (customer_id, id, name, owner_id) values (%s, 'a', 'A', %s)", (ours, their_user)
        )


def test_without_a_tenant_the_app_sees_nothing_and_writes_nothing(database: Database) -> None:
    tenant = database.add_tenant("ours")
    with psycopg.connect(database.app_url) as connection:
        assert connection.execute("select count(*) from customers").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
            connection.execute("insert into accounts (customer_id, id, name) values (%s, 'a', 'A')", (tenant,))

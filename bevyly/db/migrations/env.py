"""How Alembic connects: a transaction a migration, with short waits for locks, so that a deploy never blocks."""

from typing import Any

from alembic import context
from sqlalchemy import create_engine, pool, text

from bevyly.db.engine import sqlalchemy_url
from bevyly.db.schema import Base

LOCK_TIMEOUT = "5s"
STATEMENT_TIMEOUT = "10min"
ADVISORY_LOCK = 7_309_453_001


def _include_name(name: str | None, kind: str, _: Any) -> bool:
    return kind != "schema" or name in (None, "raw")


def run() -> None:
    """Run the migrations that are due; a second caller waits for the first."""
    engine = create_engine(sqlalchemy_url(context.config.attributes["url"]), poolclass=pool.NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"select pg_advisory_lock({ADVISORY_LOCK})"))
        connection.execute(text(f"set lock_timeout = '{LOCK_TIMEOUT}'"))
        connection.execute(text(f"set statement_timeout = '{STATEMENT_TIMEOUT}'"))
        connection.commit()
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            include_schemas=True,
            include_name=_include_name,
            compare_server_default=False,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()

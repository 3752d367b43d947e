"""Databases for tests: a fresh one in milliseconds, copied from a template that was migrated to head once."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import psycopg

from bevyly.db.migrate import upgrade
from bevyly.ids import new_id
from bevyly.settings import as_role


@dataclass(frozen=True)
class Database:
    """A migrated database of a test's own, and how each role reaches it."""

    owner_url: str

    @property
    def app_url(self) -> str:
        """As the API: row-level security applies."""
        return as_role(self.owner_url, "bevyly_app")

    @property
    def pipeline_url(self) -> str:
        """As relay, streams, Dagster and dbt."""
        return as_role(self.owner_url, "bevyly_pipeline")

    def add_tenant(self, name: str) -> str:
        """A new customer; returns its id."""
        customer_id = new_id()
        with psycopg.connect(self.owner_url) as connection:
            connection.execute("insert into customers (id, name) values (%s, %s)", (customer_id, name))
        return customer_id

    def add_user(self, customer_id: str, email: str, *, role: str = "owner") -> str:
        """A new user without password; returns its id."""
        user_id = new_id()
        with psycopg.connect(self.owner_url) as connection:
            connection.execute(
                "insert into users (customer_id, id, email, name, role) values (%s, %s, %s, %s, %s)",
                (customer_id, user_id, email, email.partition("@")[0].title(), role),
            )
        return user_id


def named(url: str, database: str) -> str:
    """`url` with another database in its path."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def create_template(server_url: str) -> str:
    """A database migrated to head that nobody connects to; returns its name."""
    name = f"template_{uuid4().hex[:8]}"
    _admin(server_url, f"create database {name}")
    upgrade(named(server_url, name))
    return name


@contextmanager
def fresh_database(server_url: str, template: str) -> Iterator[Database]:
    """A copy of `template`, dropped at the end whoever is still connected."""
    with bare_database(server_url, template) as database:
        # rights on a database are not copied with it
        name = urlsplit(database.owner_url).path.removeprefix("/")
        _admin(server_url, f"grant create, temporary on database {name} to bevyly_pipeline")
        yield database


@contextmanager
def bare_database(server_url: str, template: str = "template1") -> Iterator[Database]:
    """A database without any tables, or with those of `template`; dropped at the end."""
    name = f"test_{uuid4().hex[:12]}"
    _admin(server_url, f"create database {name} template {template}")
    try:
        yield Database(named(server_url, name))
    finally:
        _admin(server_url, f"drop database {name} with (force)")


def _admin(server_url: str, statement: str) -> None:
    with psycopg.connect(named(server_url, "postgres"), autocommit=True) as connection:
        connection.execute(statement)

"""The tenant that a data set is loaded into, and how far each set has got there.

How far is kept in `customers.settings`: {"datasets": {"bpic2012": {"shift_weeks": 774, "events": 116625, …}}}. The
events of a set have one order, so their number says exactly which are still to come.
"""

import re
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg.types.json import Jsonb

from bevyly.datasets.dataset import Dataset, Tenant
from bevyly.errors import Conflict, Invalid, NotFound
from bevyly.ids import derived_id

_SLUG: Final = re.compile(r"[^a-z0-9]+")
_READ: Final[LiteralString] = "select settings #> array['datasets', %s] from customers where id = %s"


@dataclass(frozen=True)
class Progress:
    """How far a data set has got in a tenant: the shift of its first load, and the number of its events so far."""

    shift_weeks: int | None = None
    events: int = 0
    options: dict[str, Any] | None = None


def slug_of(name: str) -> str:
    """`name` as a part of host names."""
    slug = _SLUG.sub("-", name.lower()).strip("-")
    if not slug:
        raise Invalid(f"{name!r} has no letter or digit: choose another name for the tenant.")
    return slug


def tenant_of(name: str, *, customer_id: str | None = None) -> Tenant:
    """The tenant called `name`, without asking a database."""
    slug = slug_of(name)
    return Tenant(customer_id or derived_id("tenant", slug), slug)


def ensure_tenant(url: str, name: str, owner_email: str | None = None, *, currency: str = "EUR") -> tuple[str, str]:
    """Ids of the customer called `name` and of its owner, a user without password; both are made where missing.

    `url` is the pipeline's login. Raises `Invalid` where several customers have that name.
    """
    tenant = tenant_of(name)
    email = (owner_email or tenant.email("demo")).lower()
    with psycopg.connect(url) as connection:
        found = connection.execute("select id from customers where name = %s limit 2", (name,)).fetchall()
        if len(found) > 1:
            raise Invalid(f"Several tenants are called {name!r}: choose another name with --tenant.")
        customer_id = found[0][0] if found else tenant.customer_id
        connection.execute(
            "insert into customers (id, name, domain, currency) values (%s, %s, %s, %s) on conflict (id) do nothing",
            (customer_id, name, f"{tenant.slug}.example", currency),
        )
        connection.execute(
            "insert into users (customer_id, id, email, name, role) values (%s, %s, %s, %s, 'owner') "
            "on conflict (customer_id, email) do nothing",
            (customer_id, derived_id(customer_id, "user", email), email, "Demo"),
        )
        owner = connection.execute(
            "select id from users where customer_id = %s and email = %s", (customer_id, email)
        ).fetchone()
    assert owner is not None
    return customer_id, owner[0]


def read_progress(url: str, *, customer_id: str, dataset: str) -> Progress:
    """How far `dataset` has got in the tenant."""
    with psycopg.connect(url) as connection:
        return _progress(connection.execute(_READ, (dataset, customer_id)).fetchone(), customer_id)


def lock_progress(connection: psycopg.Connection[Any], *, customer_id: str, dataset: str) -> Progress:
    """The same, held against other loads until the transaction ends. Rows of the tenant may still be written."""
    row = connection.execute(f"{_READ} for no key update", (dataset, customer_id)).fetchone()
    return _progress(row, customer_id)


def check_options(progress: Progress, dataset: Dataset) -> None:
    """Raise `Conflict` where `dataset` was made with another shift or other options than the first load."""
    if progress.shift_weeks is None:
        return
    if (progress.shift_weeks, progress.options or {}) != (dataset.shift_weeks, dataset.options):
        raise Conflict(
            f"{dataset.name} was loaded into this tenant with other options before: repeat those "
            f"({progress.options or 'none'}), or load it into another tenant with --tenant."
        )


def write_progress(connection: psycopg.Connection[Any], dataset: Dataset, *, customer_id: str, events: int) -> None:
    """Keep that `events` events of `dataset` are in the outbox, or beyond it."""
    state = {"shift_weeks": dataset.shift_weeks, "events": events, "options": dataset.options}
    connection.execute(
        "update customers set settings = jsonb_set(settings, '{datasets}', "
        "coalesce(settings -> 'datasets', '{}') || %s) where id = %s",
        (Jsonb({dataset.name: state}), customer_id),
    )


def _progress(row: tuple[Any, ...] | None, customer_id: str) -> Progress:
    if row is None:
        raise NotFound(f"There is no tenant {customer_id}.")
    stored = row[0] or {}
    return Progress(stored.get("shift_weeks"), stored.get("events", 0), stored.get("options"))

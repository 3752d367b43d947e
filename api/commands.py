"""Commands of this door: `bevyly api` serves it, `bevyly key create` makes an API key without it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import Engine, text

from api.permissions import permissions_of
from bevyly.db.engine import make_engine
from bevyly.errors import NotFound
from bevyly.identity.keys import create_api_key
from bevyly.settings import get_settings

key = typer.Typer(help="API keys.", no_args_is_help=True, add_completion=False)


@key.callback()
def _key() -> None:
    """API keys."""


@key.command("create")
def create(
    user: Annotated[str, typer.Option(help="email of the user the key belongs to")],
    name: Annotated[str, typer.Option(help="what the key is for")] = "command line",
    tenant: Annotated[str | None, typer.Option(help="id of the tenant, if the email is known at several")] = None,
) -> None:
    """Make an API key that may do what its user may do, and print it: it is kept nowhere else."""
    settings = get_settings()
    with _engine(settings.require_pipeline_database()) as engine:
        customer_id, user_id, role = _user(engine, user, tenant)
    with _engine(settings.require_app_database()) as engine:
        typer.echo(create_api_key(engine, customer_id, user_id, name, sorted(permissions_of(role))))


def serve_api(
    workers: Annotated[int, typer.Option(help="processes that serve")] = 1,
) -> None:
    """Serve the HTTP API on API_HOST and API_PORT."""
    from api.server import serve

    serve(get_settings(), workers=workers)


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = make_engine(url, pool_size=1)
    try:
        yield engine
    finally:
        engine.dispose()


def _user(engine: Engine, email: str, tenant: str | None) -> tuple[str, str, str]:
    statement = text(
        "select customer_id, id, role from users where email = lower(:email) and disabled_at is null "
        "and (cast(:tenant as text) is null or customer_id = :tenant) order by created_at"
    )
    with engine.connect() as connection:
        rows = connection.execute(statement, {"email": email, "tenant": tenant}).all()
    if len(rows) != 1:
        raise NotFound(
            f"{len(rows)} users have the email {email}: name one with --tenant." if rows else f"No user has {email}."
        )
    return rows[0][0], rows[0][1], rows[0][2]

"""`bevyly models`: which versions there are, what watches those in use, and another one in use."""

from datetime import UTC, datetime
from typing import Annotated, Any

import psycopg
import typer
from rich.table import Table

from bevyly.errors import NotFound
from bevyly.intent.versions import BY_PERSON
from bevyly.settings import get_settings
from pipelines.console import make_console
from pipelines.repositories.model_versions import promote, version_before

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

Tenant = Annotated[str, typer.Option(help="Name or id of the tenant.")]
Reason = Annotated[str, typer.Option(help="Why; kept with the version.")]
Connection = psycopg.Connection[tuple[Any, ...]]
_LIST = """
select v.id, v.score_type, v.status, v.display, v.n_outcomes, v.created_at, coalesce(v.status_reason, '')
from model_versions v where v.customer_id = %s and (%s::text is null or v.score_type = %s)
order by v.score_type, v.created_at desc, v.id
"""
_MONITORS = """
select v.score_type, v.display, v.trained_display, m.monitor, m.alarm, m.since, m.reason
from model_versions v left join model_monitors m on m.model_version_id = v.id and m.customer_id = v.customer_id
where v.customer_id = %s and v.status = 'champion' order by 1, 4
"""


@app.command("list")
def list_versions(
    tenant: Tenant = "Demo",
    score: Annotated[str | None, typer.Option(help="fit, intent, conversion, win or forecast.")] = None,
) -> None:
    """Versions of a tenant, the newest first."""
    with _connection() as connection:
        rows = connection.execute(_LIST, (_tenant_id(connection, tenant), score, score)).fetchall()
    _print(("id", "score", "status", "shown as", "outcomes", "as of", "why"), rows)


@app.command()
def watch(tenant: Tenant = "Demo") -> None:
    """What the monitors of the versions in use say."""
    with _connection() as connection:
        rows = connection.execute(_MONITORS, (_tenant_id(connection, tenant),)).fetchall()
    _print(("score", "shown as", "at most", "monitor", "alarm", "since", "why"), rows)


@app.command("promote")
def promote_version(
    version_id: Annotated[str, typer.Argument(help="Id of a version.")],
    tenant: Tenant = "Demo",
    reason: Reason = "asked",
) -> None:
    """Put a version in use, whatever its gates said. Scores follow with the next refresh."""
    with _connection() as connection:
        _promoted(connection, version_id, _tenant_id(connection, tenant), reason)


@app.command()
def rollback(
    score: Annotated[str, typer.Argument(help="fit, intent, conversion, win or forecast.")],
    tenant: Tenant = "Demo",
    reason: Reason = "rolled back",
) -> None:
    """Put the version in use that was in use before the present one."""
    with _connection() as connection:
        customer_id = _tenant_id(connection, tenant)
        before = version_before(connection, customer_id, score)
        if before is None:
            raise NotFound(f"No {score} version of {tenant} was in use before.")
        _promoted(connection, before, customer_id, reason)


def _promoted(connection: Connection, version_id: str, customer_id: str, reason: str) -> None:
    changed = promote(
        connection, version_id, customer_id=customer_id, reason=reason, cause=BY_PERSON, at=datetime.now(UTC)
    )
    if changed is None:
        raise NotFound(f"The tenant has no version {version_id}.")
    print(f"{version_id} is in use" + ("." if changed else " already."))


def _connection() -> Connection:
    return psycopg.connect(get_settings().require_pipeline_database(), application_name="bevyly-models")


def _tenant_id(connection: Connection, tenant: str) -> str:
    row = connection.execute("select id from customers where id = %s or name = %s", (tenant, tenant)).fetchone()
    if row is None:
        raise NotFound(f"There is no tenant {tenant!r}.")
    return str(row[0])


def _print(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    table = Table(*names)
    for row in rows:
        table.add_row(*map(_cell, row))
    make_console(width=200).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:%Y-%m-%d %H:%M}" if isinstance(value, datetime) else str(value)

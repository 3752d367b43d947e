"""`bevyly import …`: the export of another system, sent to the API as events."""

import csv
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from bevyly.imports.events import Engine, Prepared, Problem
    from bevyly.imports.sending import Tally

_SHOWN = 10
_KEY_LIVES = timedelta(days=1)


def import_files(
    system: Annotated[str, typer.Argument(help="hubspot or salesforce")],
    folder: Annotated[Path, typer.Argument(help="folder with the exported files: CSV, JSON or NDJSON")],
    *,
    api_key: Annotated[
        str | None, typer.Option(envvar="BEVYLY_API_KEY", help="key with the permission events:write")
    ] = None,
    api_url: Annotated[
        str | None, typer.Option(help="address of the API; the one of this machine where left out")
    ] = None,
    tenant: Annotated[str | None, typer.Option(help="name or id of a tenant of this machine, instead of a key")] = None,
    source: Annotated[str | None, typer.Option(help="name of the source; ids of records belong to it")] = None,
    currency: Annotated[str | None, typer.Option(help="currency of amounts that name none")] = None,
    company: Annotated[str | None, typer.Option(help="company to make for deals that name none")] = None,
    mappings: Annotated[Path | None, typer.Option(help="folder with mappings of your own, by object")] = None,
    errors: Annotated[Path | None, typer.Option(help="CSV file for what was refused")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="send nothing, say what would be sent")] = False,
) -> None:
    """Import the files that HubSpot or Salesforce exports. Running it again sends only what is new."""
    from bevyly.imports.events import Engine
    from bevyly.imports.exports import Export
    from bevyly.imports.mapping import SYSTEMS, mappings_of
    from bevyly.imports.sending import Tally

    if system not in SYSTEMS:
        raise typer.BadParameter(f"{system} is none of {', '.join(SYSTEMS)}", param_hint="system")
    export = Export(folder)
    engine = Engine(mappings_of(system, mappings), export, currency=currency, now=datetime.now(UTC), company=company)
    if dry_run:
        tally = Tally(types=Counter(event.type for event in engine.events()))
    else:
        tally = _send(engine.events(), source or system, api_url, api_key or _own_key(tenant))
    problems = [*engine.problems, *tally.problems]
    _report(engine, export.unused, tally, problems)
    if errors is not None:
        _write(errors, problems)
        typer.echo(f"What was refused is in {errors}.")
    if problems:
        raise typer.Exit(1)


def _send(events: "Iterable[Prepared]", source: str, api_url: str | None, key: str) -> "Tally":
    import httpx
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    from bevyly.imports.sending import Sender
    from bevyly.settings import get_settings

    settings = get_settings()
    url = api_url or settings.api_url or f"http://{settings.api_host}:{settings.api_port}"
    columns = (SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with httpx.Client(base_url=url, headers={"x-api-key": key}, timeout=60) as client, Progress(*columns) as bar:
        task = bar.add_task(f"{source} → {url}", total=None)
        return Sender(client, source=source).send(events, progress=lambda sent: bar.advance(task, sent))


def _own_key(tenant: str | None) -> str:
    """A key that lives for a day, for whoever manages a tenant of this machine's database."""
    from sqlalchemy import text

    from bevyly.db.engine import make_engine
    from bevyly.errors import NotFound
    from bevyly.identity.keys import create_api_key
    from bevyly.settings import get_settings

    if tenant is None:
        raise typer.BadParameter("name an --api-key, or a --tenant of this machine", param_hint="api-key")
    settings = get_settings()
    statement = text(
        "select c.id, u.id from customers c join users u on u.customer_id = c.id and u.disabled_at is null "
        "where (c.id = :tenant or c.name = :tenant) and u.role in ('owner', 'admin') "
        "order by c.created_at, u.role desc, u.created_at"
    )
    engine = make_engine(settings.require_pipeline_database(), pool_size=1)
    with engine.connect() as connection:
        rows = connection.execute(statement, {"tenant": tenant}).all()
    engine.dispose()
    if not rows:
        raise NotFound(f"No tenant with an owner is named {tenant}.")
    if len({row[0] for row in rows}) > 1:
        raise NotFound(f"Several tenants are named {tenant}: name one by its id.")
    engine = make_engine(settings.require_app_database(), pool_size=1)
    until = datetime.now(UTC) + _KEY_LIVES
    try:
        return create_api_key(engine, rows[0][0], rows[0][1], "import", ["events:write"], expires_at=until)
    finally:
        engine.dispose()


def _report(engine: "Engine", unused: list[str], tally: "Tally", problems: "list[Problem]") -> None:
    for name, count in sorted(tally.types.items()):
        typer.echo(f"{count:>9,}  {name}")
    if tally.statuses:
        typer.echo(", ".join(f"{count:,} {status}" for status, count in tally.statuses.most_common()) + ".")
    for name, count in sorted(engine.skipped.items()):
        typer.echo(f"{count:,} rows of {name} are deleted there, and were left out.")
    for name, columns in sorted(engine.custom.items()):
        if columns:
            typer.echo(f"Fields of your own from {name}: {_some(sorted(columns))}.")
    for name, count in sorted(tally.dropped.items()):
        typer.echo(f"{count:,} × {name} names a record that is not here, and was left out.")
    if tally.unknown_owners:
        typer.echo(f"Owners without a user here: {_some(sorted(tally.unknown_owners))}.")
    if unused:
        typer.echo(f"Files that no mapping asks for: {_some(unused)}.")
    if problems:
        typer.echo(f"{len(problems):,} problems:")
        for (file, column, code), count in Counter((one.file, one.column, one.code) for one in problems).most_common(
            _SHOWN
        ):
            example = next(one for one in problems if (one.file, one.column, one.code) == (file, column, code))
            typer.echo(f"{count:>9,}  {file} {column or '-'}: {code}, as in row {example.row}: {example.message}")


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN:,} more"


def _write(path: Path, problems: "list[Problem]") -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "row", "column", "code", "message"])
        writer.writerows([*map(_plain, (one.file, one.row, one.column, one.code, one.message))] for one in problems)


def _plain(value: Any) -> Any:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value

"""`bevyly dlq`: look at what consumers could not apply, apply it after all, or give it up."""

import getpass
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import psycopg
import structlog
import typer
from rich.table import Table

from bevyly.db.leadership import limit_silence
from bevyly.errors import NotFound
from bevyly.settings import get_settings
from bevyly.telemetry import configure_logging
from pipelines.console import make_console
from pipelines.dead_letters import letters
from pipelines.dead_letters.letters import DISCARDED, OPEN, Letter, Selection
from pipelines.dead_letters.redrive import Redrive, Result

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)

# streams wait for a redrive that holds a subject's letters, so it must not fall silent
SILENCE_SECONDS = 5.0

Ids = Annotated[list[str] | None, typer.Argument(help="Ids of letters.")]
Consumer = Annotated[str | None, typer.Option(help="Letters of this consumer.")]
Code = Annotated[str | None, typer.Option(help="Letters with this code.")]
Subject = Annotated[str | None, typer.Option(help="Letters of this subject, as `opportunity/<id>`.")]


@app.command("list")
def list_letters(
    *,
    consumer: Consumer = None,
    status: Annotated[str, typer.Option(help="open, redriven, discarded or all.")] = OPEN,
    tenant: Annotated[str | None, typer.Option(help="Name or id of a tenant.")] = None,
    code: Code = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest first.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")] = False,
) -> None:
    """Dead letters, the latest first."""
    with _connection() as connection:
        chosen = Selection(
            consumer=consumer,
            status=None if status == "all" else status,
            code=code,
            customer_id=_tenant_id(connection, tenant) if tenant else None,
        )
        found, totals = letters.find(connection, chosen, limit=limit), letters.numbers(connection, chosen)
    if as_json:
        for letter in found:
            print(json.dumps(letter.__dict__, default=str))
        return
    console = make_console(width=200)
    console.print(_table(found))
    for name, why, state, number in totals:
        console.print(f"{name}: {number} {state}, {why}")


@app.command()
def show(letter_id: Annotated[str, typer.Argument(help="Id of the letter.")]) -> None:
    """One letter: where it came from, why it failed, what became of it, and what it carries."""
    with _connection() as connection:
        letter = letters.get(connection, letter_id)
    if letter is None:
        raise NotFound(f"There is no dead letter {letter_id}.")
    for name in Letter.__dataclass_fields__:
        print(f"{name:12} {getattr(letter, name)}")
    print(f"{'key':12} {(letter.key or b'').decode(errors='backslashreplace')}")
    for name, value in letter.headers:
        print(f"{'header':12} {name}: {value}")
    print(_pretty(letter.payload))


@app.command()
def redrive(
    ids: Ids = None,
    consumer: Consumer = None,
    code: Code = None,
    subject: Subject = None,
    out_of_order: Annotated[
        bool, typer.Option("--out-of-order", help="Also where newer versions of the subject have arrived.")
    ] = False,
) -> None:
    """Apply letters after all, once each and in order; what fails again stays open with its new reason."""
    from pipelines.streams.registry import make_named

    with _connection() as connection:
        chosen = _chosen(connection, ids, consumer=consumer, code=code, subject=subject)
        settings = get_settings()
        configure_logging(settings.log_level)
        work = Redrive(
            connection, find_handler=lambda name: make_named(name, settings).handler, actor=getpass.getuser()
        )
        still_open = _report(work.run(chosen, out_of_order=out_of_order))
    if still_open:
        raise typer.Exit(1)


@app.command()
def discard(
    ids: Annotated[list[str], typer.Argument(help="Ids of letters.")],
    reason: Annotated[str, typer.Option(help="Why this will never be applied.")],
) -> None:
    """Give letters up for good, with a reason. What is parked behind them then waits for a redrive."""
    with _connection() as connection:
        chosen = _chosen(connection, ids)
        how = f"discarded by {getpass.getuser()}: {reason}"
        done = letters.resolve(connection, [one.id for one in chosen], status=DISCARDED, resolution=how)
        configure_logging(get_settings().log_level)
        for letter_id in done:
            structlog.get_logger().info("discard", letter=letter_id, reason=reason)
    _report(
        Result(one.id, DISCARDED, how) if one.id in done else Result(one.id, one.status, one.resolution or "")
        for one in chosen
    )


def _chosen(
    connection: psycopg.Connection[Any],
    ids: list[str] | None,
    *,
    consumer: str | None = None,
    code: str | None = None,
    subject: str | None = None,
) -> list[Letter]:
    if ids:
        found = letters.find(connection, Selection(ids=ids))
        missing = set(ids) - {one.id for one in found}
        if missing:
            raise NotFound(f"There is no dead letter {', '.join(sorted(missing))}.")
        return found
    if consumer is None:
        raise typer.BadParameter("name letters, or a consumer with --consumer")
    return letters.find(connection, Selection(consumer=consumer, code=code, subject=subject, status=OPEN))


def _tenant_id(connection: psycopg.Connection[Any], tenant: str) -> str:
    row = connection.execute("select id from customers where %(x)s in (id, name)", {"x": tenant}).fetchone()
    return str(row[0]) if row else tenant


def _report(results: Iterator[Result]) -> int:
    still_open = 0
    for result in results:
        still_open += result.status == OPEN
        print(f"{result.id}  {result.status:9}  {result.detail}")
    return still_open


def _table(found: list[Letter]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("id", "consumer", "type", "subject", "code", "reason", "tries", "status"):
        table.add_column(title, no_wrap=title == "id", overflow="fold")
    for one in found:
        reason = one.reason[:60]
        table.add_row(one.id, one.consumer, one.type, one.subject, one.code, reason, str(one.tries), one.status)
    return table


def _pretty(payload: bytes) -> str:
    try:
        return json.dumps(json.loads(payload), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return payload.decode(errors="backslashreplace")


@contextmanager
def _connection() -> Iterator[psycopg.Connection[Any]]:
    url = get_settings().require_pipeline_database()
    with psycopg.connect(url, autocommit=True, connect_timeout=5, application_name="bevyly-dlq") as connection:
        limit_silence(connection, seconds=SILENCE_SECONDS)
        yield connection

"""`bevyly decisions`: whether the logs hold, and taking them elsewhere."""

import sys
from itertools import groupby
from pathlib import Path
from typing import Annotated, Literal

import typer

from bevyly.decisions.chain import Head

app = typer.Typer(add_completion=False, no_args_is_help=True, help="Decision logs: verify and export.")
Tenant = Annotated[str | None, typer.Option(help="Name of the tenant; all of them by default.")]


@app.command()
def verify(
    tenant: Tenant = None,
    file: Annotated[Path | None, typer.Option(help="An export (JSON lines) instead of the database.")] = None,
    known: Annotated[
        str | None, typer.Option(help="SEQUENCE:HASH of an end that was written down before: it must be in the log.")
    ] = None,
) -> None:
    """Look at every link; one line of JSON a tenant, with the first that is broken. Ends with 1 if there is one.

    Write down `head` somewhere else: only against that can a log be held that was replaced from the start.
    """
    import psycopg

    from bevyly.decisions import log
    from bevyly.decisions.chain import as_json
    from bevyly.decisions.chain import verify as verified
    from bevyly.settings import get_settings

    end = _head(known)
    if file is not None:
        grouped = groupby(log.read_file(file), key=lambda entry: entry.customer_id)
        verdicts = [verified(customer_id, found, known=end) for customer_id, found in grouped]
    else:
        with psycopg.connect(get_settings().require_pipeline_database()) as connection:
            # one snapshot, else the head could be newer than the entries
            connection.execute("set transaction isolation level repeatable read, read only")
            verdicts = [
                verified(one, log.entries(connection, one), head=log.head(connection, one), known=end)
                for one in log.tenants(connection, tenant)
            ]
    for verdict in verdicts:
        sys.stdout.write(as_json(verdict).decode() + "\n")
    if not all(verdict.holds for verdict in verdicts):
        raise typer.Exit(1)


@app.command()
def export(
    out: Annotated[Path | None, typer.Option(help="A file; without it JSON lines go to the terminal.")] = None,
    tenant: Tenant = None,
    form: Annotated[Literal["jsonl", "parquet"], typer.Option("--format")] = "jsonl",
) -> None:
    """Write the logs with everything that it takes to verify them."""
    import psycopg

    from bevyly.decisions import log
    from bevyly.decisions.chain import as_json
    from bevyly.settings import get_settings

    if form == "parquet" and out is None:
        raise typer.BadParameter("Parquet needs a file: --out FILE")
    with psycopg.connect(get_settings().require_pipeline_database()) as connection:
        found = (entry for one in log.tenants(connection, tenant) for entry in log.entries(connection, one))
        if form == "parquet" and out is not None:
            log.write_parquet(found, out)
            return
        target = out.open("wb") if out else sys.stdout.buffer
        try:
            target.writelines(as_json(entry) + b"\n" for entry in found)
        finally:
            if out:
                target.close()


def _head(known: str | None) -> Head | None:
    if known is None:
        return None
    sequence, _, digest = known.partition(":")
    if not sequence.isdecimal() or len(digest) != 64:
        raise typer.BadParameter("--known takes SEQUENCE:HASH, as `head` of an earlier verification says them")
    return Head(int(sequence), digest)

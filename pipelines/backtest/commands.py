"""`bevyly backtest` and `bevyly rankings`: what advice would have been worth, and what it was worth."""

import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pipelines.backtest.past import Past

_DAYS = 9


def backtest(
    *,
    tenant: Annotated[str | None, typer.Option(help="Name or id of a tenant: its own past.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Or a data set: bpic2012, maven_crm or synthetic.")] = None,
    start: Annotated[
        datetime | None, typer.Option("--from", help="First day (UTC); eight steps before the last.")
    ] = None,
    end: Annotated[
        datetime | None, typer.Option("--to", help="Last day (UTC); four weeks before the last event.")
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Days from one to the next.")] = 7,
    budget: Annotated[int, typer.Option(min=1, help="Items that one owner attends to in a day.")] = 5,
    out: Annotated[
        Path | None, typer.Option(help="Besides, write choices and outcomes as Parquet into this folder.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Replay a past as if live: what would have been advised, what happened, and how that stands beside chance, rules
    of thumb, and somebody who knew the end.
    """
    from bevyly.runtime.session import runtime_session
    from bevyly.settings import load_settings
    from pipelines.backtest import render
    from pipelines.backtest.replay import backtest as replay
    from pipelines.backtest.stage import Stage
    from pipelines.console import Steps, make_console
    from pipelines.report.scratch import scratch_database

    console = make_console(stderr=True)
    with (
        runtime_session(("postgres",)),
        Steps(console).step("Backtest") as step,
        tempfile.TemporaryDirectory() as folder,
    ):
        settings = load_settings()
        step(0, 0, "reading the past")
        past = _past(settings.require_pipeline_database(), tenant, dataset)
        days = _days(past, start, end, every)
        with scratch_database(settings.require_database()) as url:
            stage = Stage(past, owner_url=url, artefacts=Path(folder), target=settings.home / "dbt-backtest")
            found = replay(stage, days, budget=budget, say=step)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        found.choices.write_parquet(out / "choices.parquet")
        found.outcomes.write_parquet(out / "outcomes.parquet")
        console.print(f"choices.parquet and outcomes.parquet are in {out}")
    if as_json:
        sys.stdout.write(json.dumps(render.as_json(found)) + "\n")
    else:
        for table in render.tables(found):
            make_console(width=150).print(table)


def rankings(
    tenant: Annotated[str, typer.Option(help="Name or id of the tenant.")] = "Demo",
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """What the live ranking was worth, beside no advice and the ranking that today's effects would make."""
    from pipelines.activation.worth import rankings as judge
    from pipelines.backtest import render
    from pipelines.backtest.past import tenant_named
    from pipelines.console import make_console
    from pipelines.resources import Artefacts, Warehouse

    warehouse = Warehouse()
    customer_id = tenant_named(warehouse.address, tenant)["id"]
    found = judge(warehouse, Artefacts().shelf(), customer_id, at=datetime.now(UTC))
    if as_json:
        sys.stdout.write(json.dumps(render.worths_as_json(found)) + "\n")
    else:
        make_console(width=150).print(render.worths(found))


def _past(url: str, tenant: str | None, dataset: str | None) -> "Past":
    from bevyly.datasets import bpic2012, maven_crm
    from bevyly.datasets.source import find_folder
    from bevyly.datasets.synthetic import simulate
    from bevyly.datasets.tenants import tenant_of
    from bevyly.errors import Invalid
    from pipelines.backtest.past import of_dataset, of_tenant

    if (tenant is None) == (dataset is None):
        raise Invalid("Name a past to replay: --tenant NAME, or --dataset bpic2012, maven_crm or synthetic.")
    if tenant is not None:
        return of_tenant(url, tenant)
    replayed, now = tenant_of(f"backtest {dataset}"), datetime.now(UTC)
    if dataset == "synthetic":
        return of_dataset(simulate(replayed, months=12, seed=1, until=now).dataset)
    readers = {"bpic2012": bpic2012.read, "maven_crm": maven_crm.read}
    if dataset not in readers:
        raise Invalid(f"There is no data set {dataset!r} to replay: choose bpic2012, maven_crm or synthetic.")
    return of_dataset(readers[dataset](find_folder(), tenant=replayed, now=now))


def _days(past: "Past", start: datetime | None, end: datetime | None, every: int) -> list[datetime]:
    from bevyly.errors import Invalid
    from pipelines.activation.aftermath import HORIZON

    if past.events.is_empty():
        raise Invalid(f"{past.name} has no events to replay.")
    newest = past.events["recorded_at"].to_list()[-1]
    last = end.replace(tzinfo=UTC) if end else newest.astimezone(UTC) - HORIZON
    first = start.replace(tzinfo=UTC) if start else last - timedelta(days=every * (_DAYS - 1))
    if first > last:
        raise Invalid(f"No day is between {first:%Y-%m-%d} and {last:%Y-%m-%d}: choose others with --from and --to.")
    return [first + timedelta(days=every * number) for number in range((last - first).days // every + 1)]

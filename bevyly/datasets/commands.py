"""`bevyly load …`: data sets into a tenant of the configured database."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

app = typer.Typer(help="Load a data set into a tenant, through the outbox like any other change.", no_args_is_help=True)

TenantName = Annotated[str, typer.Option("--tenant", help="Name of the tenant; made where it is missing.")]
Until = Annotated[
    datetime | None,
    typer.Option(formats=["%Y-%m-%d"], help="Last day to load, in the data set's own calendar; repeat for the rest."),
]


@app.command("bpic2012")
def load_bpic2012(tenant: TenantName = "BPI Challenge 2012", until: Until = None) -> None:
    """A financial institution's funnel: 8,889 leads with every call, offer, reply and decision."""
    from bevyly.datasets import bpic2012

    _load_public(bpic2012.read, bpic2012.NAME, tenant, until=_day(until))


@app.command("maven_crm")
def load_maven_crm(tenant: TenantName = "Maven CRM", until: Until = None) -> None:
    """A fictitious company's 8,800 deals; nothing in them tells how they end."""
    from bevyly.datasets import maven_crm

    _load_public(maven_crm.read, maven_crm.NAME, tenant, currency=maven_crm.CURRENCY, until=_day(until))


@app.command("x_education")
def load_x_education(
    tenant: TenantName = "X Education",
    with_doubtful: Annotated[
        bool, typer.Option("--with-doubtful", help="Also load columns that may have been written after the sale.")
    ] = False,
) -> None:
    """6,468 leads with their behaviour on a website; in order, but without dates."""
    from bevyly.datasets import x_education

    _load_public(x_education.read, x_education.NAME, tenant, with_doubtful=with_doubtful)


@app.command("synthetic")
def load_synthetic(
    tenants: Annotated[int, typer.Option(min=1, max=1_000)] = 1,
    months: Annotated[int, typer.Option(min=1, max=60)] = 6,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    name: Annotated[str, typer.Option("--tenant", help="Name of the tenants; a number follows.")] = "Synthetic",
    truth: Annotated[Path | None, typer.Option(help="Parquet file for the true chances and effects.")] = None,
) -> None:
    """Simulated sales teams, whose truth is known."""
    import polars as pl

    truths = [
        _load_synthetic(f"{name} {number + 1}", months=months, seed=seed, number=number) for number in range(tenants)
    ]
    if truth:
        pl.concat(truths).write_parquet(truth)
        _say(f"The truth behind them is in {truth}.")


def _load_public(
    read: Callable[..., Any], dataset: str, tenant_name: str, *, currency: str = "EUR", **options: Any
) -> None:
    from bevyly.datasets.source import find_folder
    from bevyly.datasets.tenants import ensure_tenant, read_progress, tenant_of
    from bevyly.settings import get_settings

    folder = find_folder()
    url = get_settings().require_pipeline_database()
    customer_id, _ = ensure_tenant(url, tenant_name, currency=currency)
    before = read_progress(url, customer_id=customer_id, dataset=dataset)
    tenant = tenant_of(tenant_name, customer_id=customer_id)
    made = read(folder, tenant=tenant, now=datetime.now(UTC), shift_weeks=before.shift_weeks, **options)
    _load(url, made, tenant_name)


def _load_synthetic(tenant_name: str, *, months: int, seed: int, number: int) -> Any:
    from bevyly.datasets.synthetic import NAME, simulate
    from bevyly.datasets.tenants import ensure_tenant, read_progress, tenant_of
    from bevyly.settings import get_settings

    url = get_settings().require_pipeline_database()
    customer_id, _ = ensure_tenant(url, tenant_name)
    before = read_progress(url, customer_id=customer_id, dataset=NAME).options or {}
    # what was simulated once ends when it ended then
    until = datetime.fromisoformat(before["until"]) if before else datetime.now(UTC)
    tenant = tenant_of(tenant_name, customer_id=customer_id)
    made = simulate(tenant, months=months, seed=seed, number=number, until=until)
    _load(url, made.dataset, tenant_name)
    return made.truth


def _load(url: str, dataset: Any, tenant_name: str) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from bevyly.datasets.load import load_dataset

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(f"{dataset.name} → {tenant_name}", total=None)
        result = load_dataset(url, dataset, progress=lambda done, total: bar.update(task, completed=done, total=total))
    if not result.new_events:
        _say(f"{dataset.name} is in {tenant_name!r} already: nothing was changed.")
        return
    _say(
        f"{dataset.name} → {tenant_name!r}: {result.new_events:,} new events and {result.rows:,} rows "
        f"in {result.seconds:.1f} s."
    )


def _day(instant: datetime | None) -> date | None:
    return instant.date() if instant else None


def _say(text: str) -> None:
    typer.echo(text)

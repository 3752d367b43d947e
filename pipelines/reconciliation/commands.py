"""Commands of the operator: `bevyly reconcile` and `bevyly replay`."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"]
Tenant = Annotated[str | None, typer.Option(help="Name or id of one tenant; all by default.")]


def reconcile(
    *,
    since: Annotated[
        datetime | None, typer.Option(formats=_FORMATS, help="Published from then on (UTC); yesterday by default.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_FORMATS, help="Published before then (UTC); now by default.")
    ] = None,
    tenant: Tenant = None,
    repair: Annotated[bool, typer.Option("--repair", help="Publish again what is missing, from the journal.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Prove per tenant and day that outbox, Kafka and raw events hold the same events; exit code 1 where not."""
    import msgspec

    from bevyly.settings import get_settings
    from pipelines.console import Steps, make_console
    from pipelines.reconciliation.proof import MOST_NAMED
    from pipelines.reconciliation.proof import reconcile as compare
    from pipelines.reconciliation.render import render
    from pipelines.reconciliation.repair import repair as mend
    from pipelines.reconciliation.result import Window

    settings = get_settings()
    now = datetime.now(UTC)
    window = Window(
        since=_instant(since) or _midnight(now) - timedelta(days=1),
        until=_instant(until) or now,
        tenant=find_tenant(tenant),
    )
    most, words = 1_000_000 if as_json else MOST_NAMED, []
    with Steps(make_console(stderr=True)).step("Reconciling") as step:
        if repair:
            mended = mend(settings, window, most_named=most, progress=step)
            found, words = mended.after, mended.words
        else:
            found = compare(
                settings,
                since=window.since,
                until=window.until,
                tenant=window.tenant,
                most_named=most,
                progress=step,
            )
    if as_json:
        document = found.as_document() | ({"repair": words} if repair else {})
        sys.stdout.write(msgspec.json.encode(document).decode() + "\n")
    else:
        console = make_console(width=140)
        render(found, console=console)
        for sentence in words:
            console.print(sentence)
    if not found.proven:
        raise typer.Exit(1)


def replay(
    *,
    since: Annotated[datetime, typer.Option(formats=_FORMATS, help="Published from then on (UTC).")],
    until: Annotated[
        datetime | None, typer.Option(formats=_FORMATS, help="Published before then (UTC); now by default.")
    ] = None,
    tenant: Tenant = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only events of this type.")] = None,
    subject: Annotated[str | None, typer.Option(help="Only events about this subject, `account/0192…`.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be published again.")] = False,
) -> None:
    """Publish again what the journal keeps, in its order; consumers that have it change nothing."""
    from bevyly.settings import get_settings
    from pipelines.console import Steps, make_console
    from pipelines.process import stop_on_signals
    from pipelines.reconciliation.playback import replay as put_back

    console, tenant_id = make_console(), find_tenant(tenant)
    with Steps(console).step("Counting" if dry_run else "Replaying") as step:
        done = put_back(
            get_settings(),
            since=since.replace(tzinfo=UTC),
            until=_instant(until) or datetime.now(UTC),
            tenant=tenant_id,
            type_=type_,
            subject=subject,
            dry_run=dry_run,
            progress=step,
            stop=stop_on_signals(),
        )
    names = tenant_names(done.per_tenant)
    for (customer_id, kind), number in sorted(done.chosen.items()):
        console.print(f"  {names.get(customer_id, customer_id):<36}  {kind:<28} {number:>10,}")
    total = sum(done.chosen.values())
    if dry_run:
        console.print(f"{total:,} events would be published again.")
    else:
        console.print(f"{done.events:,} of {total:,} events were put into the outbox (replay {done.id}).")
    if done.events < total and not dry_run:
        raise typer.Exit(1)


def find_tenant(name: str | None) -> str | None:
    """The id of the tenant with this name or id; None for none. Raises `NotFound`."""
    from bevyly.errors import NotFound

    if name is None:
        return None
    found = _ask("select id, name from customers where %s in (id, name)", name)
    if not found:
        raise NotFound(f"No tenant is called {name!r}.")
    return next(iter(found))


def tenant_names(ids: Iterable[str]) -> dict[str, str]:
    """Names of tenants by their ids."""
    return _ask("select id, name from customers where id = any(%s)", list(ids))


def _ask(query: str, *parameters: object) -> dict[str, str]:
    import psycopg

    from bevyly.settings import get_settings

    with psycopg.connect(get_settings().require_pipeline_database(), connect_timeout=5) as connection:
        return dict(connection.execute(query.encode(), parameters).fetchall())


def _instant(given: datetime | None) -> datetime | None:
    return given.replace(tzinfo=UTC) if given else None


def _midnight(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)

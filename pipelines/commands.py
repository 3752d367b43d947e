"""Commands of the pipelines: `bevyly demo`, `bevyly run`, `bevyly brief`, `bevyly report`, `bevyly reproduce`."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer


def demo(once: Annotated[bool, typer.Option("--once", help="End when the briefing is on the screen.")] = False) -> None:
    """Load a real sales funnel, refresh, and show the ranked briefing."""
    from pipelines.demo import run_demo

    run_demo(once=once)


def run(
    as_of: Annotated[
        datetime | None, typer.Option(help="Work as of this past instant (UTC), from what was recorded by then.")
    ] = None,
) -> None:
    """Refresh once, incrementally: events, features, scores, signals, recommendations, briefings, export."""
    from pipelines.console import Steps, make_console
    from pipelines.execute import refresh_now

    with Steps(make_console()).step("Refreshing") as step:
        refresh_now(as_of=as_of.replace(tzinfo=UTC) if as_of else None, progress=step)


def brief(
    tenant: Annotated[str, typer.Option(help="Name of the tenant.")] = "Demo",
    user: Annotated[str | None, typer.Option(help="E-mail of the user; the tenant's first owner by default.")] = None,
    as_of: Annotated[datetime | None, typer.Option(help="As it stood at this past instant (UTC).")] = None,
    form: Annotated[
        Literal["terminal", "markdown", "html", "json", "cards"],
        typer.Option("--format", help="For reading, for a chat, for an e-mail, as stored, or as the app's cards."),
    ] = "terminal",
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print the briefing of a user: the latest, or that of a past day."""
    import psycopg

    from bevyly.briefing.cards import cards_of
    from bevyly.briefing.documents import as_html, as_markdown
    from bevyly.briefing.terminal import render
    from bevyly.settings import get_settings
    from pipelines.console import make_console
    from pipelines.repositories.briefings import find_briefing

    settings, moment = get_settings(), as_of.replace(tzinfo=UTC) if as_of else None
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        stored = find_briefing(connection, tenant=tenant, email=user, as_of=moment)
    document = json.loads(stored)
    if form == "terminal" and not as_json:
        render(document, console=make_console())
        return
    texts = {
        "json": lambda: stored,
        "markdown": lambda: as_markdown(document, app_url=settings.app_url),
        "html": lambda: as_html(document, app_url=settings.app_url),
        "cards": lambda: json.dumps(cards_of(document)),
    }
    sys.stdout.write(texts["json" if as_json else form]() + "\n")


def report(
    dataset: Annotated[str, typer.Option(help="bpic2012, x_education or maven_crm.")],
    out: Annotated[Path | None, typer.Option(help="Besides, write plots and model cards into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
) -> None:
    """How good the scores are on a public data set: older leads and deals train, newer ones judge."""
    from bevyly.runtime.session import runtime_session
    from bevyly.settings import load_settings
    from pipelines.console import Steps, make_console
    from pipelines.report.files import write_forecast, write_report
    from pipelines.report.render import forecast_tables, table
    from pipelines.report.run import report as judge
    from pipelines.report.strong import MISSING, strong_models
    from pipelines.report.tasks import ALIASES

    console, name = make_console(stderr=True), ALIASES.get(dataset, dataset)
    with runtime_session(("postgres",)), Steps(console).step(f"Report on {name}") as step:
        settings = load_settings()
        found, forecast = judge(
            name,
            owner_url=settings.require_database(),
            target=settings.home / "dbt-report",
            now=datetime.now(UTC),
            say=lambda note: step(0, 0, note),
        )
    if not strong_models():
        console.print(MISSING)
    if out is not None:
        files = write_report(out, name, found) + (write_forecast(out, name, forecast) if forecast else [])
        console.print(f"{len(files)} files in {out / name}")
    if as_json:
        told = {"forecast": forecast.plain()} if forecast else {}
        sys.stdout.write(json.dumps({"rows": [row for one in found for row in one.rows]} | told) + "\n")
    else:
        make_console(width=170).print(table(name, found), *(forecast_tables(forecast) if forecast else ()))


def reproduce(
    scores: Annotated[list[str] | None, typer.Argument(help="Ids of scores.")] = None,
    sample: Annotated[int, typer.Option(help="Besides, that many scores at random.")] = 0,
) -> None:
    """Make scores again from their stored inputs and artefacts, and hold every bit against what is stored.

    Prints one line of JSON for each; ends with 1 where one is not identical.
    """
    import psycopg

    from bevyly.objects import artefact_store
    from bevyly.settings import get_settings
    from pipelines.repositories.scores import sampled_scores
    from pipelines.scoring.reproduce import reproduced

    settings, differ = get_settings(), False
    with psycopg.connect(settings.require_pipeline_database()) as connection:
        chosen = [*(scores or []), *(sampled_scores(connection, sample) if sample else [])]
        for made in reproduced(connection, artefact_store(settings), chosen):
            sys.stdout.write(json.dumps(made) + "\n")
            differ = differ or not made["identical"]
    if differ:
        raise typer.Exit(1)

"""`make demo`: a real sales funnel streams in, and a ranked briefing comes out.

Every step is the product's own: the loader writes through the outbox, the relay publishes, Dagster runs the pipeline,
the briefing is read over HTTP with an API key. A second run finds everything there and changes nothing.
"""

import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
from rich.console import Console

from bevyly.briefing.terminal import render
from bevyly.datasets import bpic2012
from bevyly.datasets.dataset import Dataset
from bevyly.datasets.load import load_dataset
from bevyly.datasets.source import find_folder
from bevyly.datasets.synthetic import NAME as SYNTHETIC
from bevyly.datasets.synthetic import simulate
from bevyly.datasets.tenants import ensure_tenant, read_progress, tenant_of
from bevyly.db.engine import make_engine
from bevyly.errors import MissingDependency, Unavailable
from bevyly.identity.keys import create_api_key
from bevyly.runtime.session import runtime_session
from bevyly.settings import Settings, get_settings
from pipelines.console import Step, Steps, make_console

TENANT = "Demo"
MONTHS = 12
"""Of the simulated team: with fewer outcomes its chances would be shown by rule of thumb alone."""
SERVICES = ("postgres", "valkey", "kafka", "api", "relay", "signal-detector", "briefing-keeper", "agent-trigger")
KEY_SCOPES = tuple(
    f"{area}:read"
    for area in (
        *("accounts", "contacts", "opportunities", "leads", "activities", "intent"),
        *("search", "tags", "pipelines", "duplicates", "live", "profile"),
        *("analytics", "agents", "approvals", "sequences", "custom_fields"),
    )
)
DRAIN_SECONDS = 180.0
POLL_SECONDS = 0.2


def run_demo(*, once: bool) -> None:
    """The whole demo; without `once` it goes on serving, Dagster included, until Ctrl-C."""
    console = make_console()
    steps = Steps(console)
    with runtime_session(SERVICES, on_progress=lambda _: None):
        settings, key = _prepare(steps)
        show(console, settings, key)
    if not once:
        _serve(console)


def _prepare(steps: Steps) -> tuple[Settings, str]:
    """Load, publish, refresh: everything up to a briefing that can be read; returns the settings and an API key."""
    get_settings.cache_clear()
    settings = get_settings()
    url = settings.require_pipeline_database()
    customer_id, user_id = ensure_tenant(url, TENANT)
    with steps.step("Reading the sales funnel"):
        dataset = choose_dataset(url)
    with steps.step("Loading it through the outbox") as step:
        load(url, dataset, step)
    with steps.step("Publishing to Kafka") as step:
        wait_for_relay(url, step)
    with steps.step("Refreshing") as step:
        # imports the whole of Dagster, which takes seconds that the earlier steps need not wait for
        from pipelines.execute import refresh_now

        refresh_now(progress=step)
    return settings, demo_key(settings, customer_id, user_id)


def _serve(console: Console) -> None:
    console.print("\nStarting everything, Dagster included; Ctrl-C stops it.")
    try:
        with runtime_session() as runtime:
            console.print(f"Ready. Dagster UI   {runtime.addresses['DAGSTER_URL']}")
            runtime.wait()
    except KeyboardInterrupt:
        console.print("Stopped.")


def choose_dataset(url: str) -> Dataset:
    """BPI Challenge 2012 where the data sets are, else a simulated team; with the shift of an earlier load."""
    customer_id, _ = ensure_tenant(url, TENANT)
    tenant = tenant_of(TENANT, customer_id=customer_id)
    try:
        folder = find_folder()
    except MissingDependency:
        options = read_progress(url, customer_id=customer_id, dataset=SYNTHETIC).options or {}
        until = datetime.fromisoformat(options["until"]) if options else datetime.now(UTC)
        return simulate(tenant, months=options.get("months", MONTHS), seed=1, number=0, until=until).dataset
    before = read_progress(url, customer_id=customer_id, dataset=bpic2012.NAME)
    return bpic2012.read(folder, tenant=tenant, now=datetime.now(UTC), shift_weeks=before.shift_weeks)


def load(url: str, dataset: Dataset, step: Step) -> None:
    """Write what is new of the data set through the outbox."""
    result = load_dataset(url, dataset, progress=lambda done, total: step(done, total, f"{done:,} of {total:,} events"))
    step(1, 1, f"{result.new_events:,} new events" if result.new_events else "nothing new")


def wait_for_relay(url: str, step: Step) -> None:
    """Wait until the relay has published everything; raises `Unavailable` where it does not."""
    deadline, first = time.monotonic() + DRAIN_SECONDS, None
    with psycopg.connect(url, autocommit=True) as connection:
        while waiting := _waiting(connection):
            first = first or waiting
            step(first - waiting, first, f"{waiting:,} events to publish")
            if time.monotonic() > deadline:
                raise Unavailable("The relay does not publish: see .bevyly/logs/relay.log.")
            time.sleep(POLL_SECONDS)
    step(1, 1, "everything is on Kafka")


def _waiting(connection: psycopg.Connection[Any]) -> int:
    row = connection.execute("select count(*) from outbox").fetchone()
    return int(row[0]) if row else 0


def demo_key(settings: Settings, customer_id: str, user_id: str) -> str:
    """An API key for the demo's owner, made once and kept beside the data, readable by this user only."""
    kept = settings.home / "demo-key"  # written once: the database keeps only a hash of it
    if kept.exists():
        return kept.read_text().strip()
    engine = make_engine(settings.require_pipeline_database())
    try:
        key = create_api_key(engine, customer_id, user_id, "demo", KEY_SCOPES)
    finally:
        engine.dispose()
    kept.touch(mode=0o600)
    kept.write_text(key)
    return key


def read_briefing(api_url: str, key: str) -> dict[str, Any]:
    """The briefing as the app reads it."""
    answer = httpx.get(
        f"{api_url}/api/v1/intent/briefing", headers={"Authorization": f"Bearer {key}"}, timeout=10, trust_env=False
    )
    if answer.status_code != httpx.codes.OK:
        raise Unavailable(f"The API answered {answer.status_code} to the briefing: {answer.text[:200]}")
    return dict(json.loads(answer.content))


def show(console: Console, settings: Settings, key: str) -> None:
    """The briefing, and where to go from here."""
    api_url = settings.api_url or f"http://127.0.0.1:{settings.api_port}"
    render(read_briefing(api_url, key), console=console)
    console.print(f"API docs    {api_url}/docs")
    console.print(f"API key     {key}", soft_wrap=True)
    console.print(
        f"Try         curl -s -H 'Authorization: Bearer {key}' {api_url}/api/v1/intent/briefing", soft_wrap=True
    )

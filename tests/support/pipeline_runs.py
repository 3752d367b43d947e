"""One pipeline at work for all tests that need its result: two tenants' events through outbox, Kafka, dbt and models.

A run costs tens of seconds, so the fixtures form one story, told once a session: a refresh as of a past instant, the
present, the same again, one that fails, and one after a customer replied. Each keeps what the database held after it.
`share` lets several folders use them. Does not belong here: what any test expects.
"""

import importlib
import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import dagster as dg
import msgspec
import polars as pl
import psycopg
import pytest
from psycopg import sql
from psycopg.rows import dict_row

from bevyly.clock import FixedClock
from bevyly.datasets.dataset import Dataset
from bevyly.datasets.load import load_dataset
from bevyly.datasets.synthetic import simulate
from bevyly.datasets.tenants import ensure_tenant, tenant_of
from bevyly.events.envelope import Event, new_event
from bevyly.events.topics import create_topics
from bevyly.ids import new_id
from bevyly.runtime.kafka import throwaway_kafka
from bevyly.settings import Settings, get_settings
from tests.support.databases import Database, fresh_database
from tests.support.event_streams import change, fill_outbox, relay_all, send

NOW = datetime(2026, 9, 15, 8, tzinfo=UTC)
PAST = NOW - timedelta(days=6)
LATER = NOW + timedelta(hours=2)
MONTHS = 4
CORRUPT = b'{"specversion": "1.0", "id": "broken'
# what each tenant's companies are called, so that one's name in the other's output is seen
WORDS = {"Ours": "Aquila", "Theirs": "Vulpine"}
TABLES = ("scores", "signals", "patterns", "recommendations", "briefings")
RAW_EVENTS = "select event_id from raw.events where source <> 'bevyly/pipelines'"
FEATURES = ("opportunity_features", "lead_features", "account_features")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NAMED = ("accounts", "contacts", "leads", "opportunities", "events")

Row = dict[str, Any]


@contextmanager
def libraries_may_warn() -> Iterator[None]:
    """dagster-dbt imports an extra of sqlglot, and calls Dagster, in ways that both deprecate; we cannot help it."""
    with warnings.catch_warnings():
        for message in ("sqlglotrs is deprecated", "AssetExecutionContext.op is deprecated"):
            warnings.filterwarnings("ignore", message, DeprecationWarning)
        yield


def definitions_module() -> ModuleType:
    """`pipelines.definitions`, which takes seconds to import."""
    with libraries_may_warn():
        return importlib.import_module("pipelines.definitions")


@dataclass(frozen=True)
class Pipeline:
    """Where everything is, and how to run it."""

    settings: Settings
    home: Path
    tenants: dict[str, str]
    loaded: frozenset[str]
    """Ids of the events that the outbox held before anything ran."""

    @property
    def exports(self) -> Path:
        """The folder of the Parquet export."""
        return self.home / "export"

    @contextmanager
    def environment(self) -> Iterator[None]:
        """The variables that the product reads; whatever it sets itself is taken back at the end, too."""
        variables = {
            "DATABASE_PIPELINE_URL": self.settings.require_pipeline_database(),
            "KAFKA_BROKERS": self.settings.require_kafka(),
            "BEVYLY_HOME": str(self.home),
            "DAGSTER_HOME": str(self.home / "dagster"),
        }
        with mock.patch.dict(os.environ, variables):
            get_settings.cache_clear()
            yield
        get_settings.cache_clear()

    def refresh(self, *, as_of: datetime) -> dg.ExecuteInProcessResult:
        """The whole job `refresh`, in this process, with resources that lead here."""
        with self.environment(), libraries_may_warn(), dg.DagsterInstance.ephemeral() as instance:
            from pipelines.resources import AS_OF_TAG, Artefacts, Folder, Warehouse

            overrides = {
                "warehouse": Warehouse(url=self.settings.require_pipeline_database()),
                "artefacts": Artefacts(url=str(self.home / "artefacts")),
                "exports": Folder(name="export", path=str(self.exports)),
            }
            job = definitions_module().build_definitions(overrides).resolve_job_def("refresh")
            return job.execute_in_process(instance=instance, tags={AS_OF_TAG: as_of.isoformat()}, raise_on_error=False)

    def publish(self, *events: Event) -> None:
        """Put `events` into the outbox, and what the outbox holds on Kafka."""
        fill_outbox(self.settings, events)
        relay_all(self.settings)

    def rows(self, query: str, parameters: Any = None) -> list[Row]:
        """The rows of a query, as the owner."""
        with psycopg.connect(self.settings.require_database(), row_factory=dict_row) as connection:
            return connection.execute(query, parameters).fetchall()

    def texts(self, relation: str) -> frozenset[str]:
        """Every row of a table as text."""
        return frozenset(row["text"] for row in self.rows(f"select t::text as text from {relation} t"))


@dataclass(frozen=True)
class Chapter:
    """A refresh, and what the database held after it."""

    pipeline: Pipeline
    result: dg.ExecuteInProcessResult
    tables: dict[str, frozenset[str]]
    features: dict[str, dict[str, Row]]
    current_scores: dict[tuple[str, str, str], Row]
    documents: dict[tuple[str, str], Row]
    """The latest briefing by tenant and user, parsed."""
    raw_events: frozenset[str]
    """Ids of what arrived, but for what the pipelines themselves tell of their conclusions."""

    def metadata(self, asset: str) -> Row:
        """What the asset reported."""
        (found,) = self.result.asset_materializations_for_node(asset)
        return {name: value.value for name, value in found.metadata.items()}


def tell(pipeline: Pipeline, *, as_of: datetime) -> Chapter:
    """Refresh, which must succeed, and look."""
    result = pipeline.refresh(as_of=as_of)
    assert result.success, _failures(result)
    return Chapter(
        pipeline=pipeline,
        result=result,
        tables={name: pipeline.texts(f"public.{name}") for name in TABLES},
        features={name: _features(pipeline, name) for name in FEATURES},
        current_scores={
            (row["customer_id"], row["entity_id"], row["score_type"]): row
            for row in pipeline.rows("select * from scores where is_current")
        },
        documents=latest_briefings(pipeline),
        raw_events=frozenset(row["event_id"] for row in pipeline.rows(RAW_EVENTS)),
    )


def _failures(result: dg.ExecuteInProcessResult) -> str:
    failed = [event for event in result.all_events if event.event_type is dg.DagsterEventType.STEP_FAILURE]
    return "\n".join(f"{event.step_key}: {event.step_failure_data.error}" for event in failed)


def latest_briefings(pipeline: Pipeline) -> dict[tuple[str, str], Row]:
    """The newest document of every user."""
    query = """
    select distinct on (customer_id, user_id) customer_id, user_id, document::jsonb as document
    from briefings order by customer_id, user_id, version desc
    """
    return {(row["customer_id"], row["user_id"]): row["document"] for row in pipeline.rows(query)}


def uuids(text: str) -> set[str]:
    """All ids in a text."""
    return set(_UUID.findall(text))


def _features(pipeline: Pipeline, mart: str) -> dict[str, Row]:
    key = mart.replace("features", "id")
    return {row[key]: row for row in pipeline.rows(f"select * from marts.{mart}")}


def _renamed(dataset: Dataset, word: str) -> Dataset:
    """The data set with companies of another name."""
    text = pl.selectors.string()
    named = text.str.replace_all("Company ", f"{word} ").str.replace_all("company-", f"{word.lower()}-")
    return replace(dataset, **{name: getattr(dataset, name).with_columns(named) for name in _NAMED})


def _load(settings: Settings, name: str, number: int) -> str:
    url = settings.require_pipeline_database()
    customer_id, _ = ensure_tenant(url, name)
    made = simulate(tenant_of(name, customer_id=customer_id), months=MONTHS, seed=1, number=number, until=NOW)
    load_dataset(url, _renamed(made.dataset, WORDS[name]))
    return customer_id


def reply(entity: Row) -> Event:
    """A customer's reply to a proposal about the opportunity of a row of features, an hour after `NOW`."""
    activity = new_id()
    about = {name: entity[name] for name in ("opportunity_id", "account_id", "contact_id", "owner_id")}
    return new_event(
        "proposal.replied",
        tenant_id=entity["customer_id"],
        subject=("activity", activity),
        sequence=1,
        data={"activity_id": activity, "kind": "proposal", "direction": "inbound", "participants": [], **about},
        clock=FixedClock(NOW + timedelta(hours=1)),
    )


@pytest.fixture(scope="session")
def pipeline(postgres_url: str, _template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    """Two tenants' events on Kafka, and one message that is no event; nothing ran yet."""
    with fresh_database(postgres_url, _template) as database, throwaway_kafka() as broker:
        _let_pipelines_create(database)
        settings = Settings(database_url=database.owner_url, kafka_brokers=broker.url)
        create_topics(settings)
        tenants = {name: _load(settings, name, number) for number, name in enumerate(WORDS)}
        loaded = _outbox(settings)
        relay_all(settings, batch=2_000)
        send(settings, "bevyly.domain", CORRUPT)
        yield Pipeline(settings, tmp_path_factory.mktemp("pipeline"), tenants, loaded)


def _outbox(settings: Settings) -> frozenset[str]:
    with psycopg.connect(settings.require_database()) as connection:
        return frozenset(row[0] for row in connection.execute("select event_id from outbox"))


def _let_pipelines_create(database: Database) -> None:
    """Rights on a database do not come with a copy of it."""
    name = sql.Identifier(urlsplit(database.owner_url).path.lstrip("/"))
    with psycopg.connect(database.owner_url) as connection:
        connection.execute(sql.SQL("grant create, temporary on database {} to bevyly_pipeline").format(name))


@pytest.fixture(scope="session")
def past(pipeline: Pipeline) -> Chapter:
    """The first refresh, as of an instant before many of the events."""
    return tell(pipeline, as_of=PAST)


@pytest.fixture(scope="session")
def present(past: Chapter) -> Chapter:
    """A refresh as of now, with what enrichment announced in the first one."""
    relay_all(past.pipeline.settings)
    return tell(past.pipeline, as_of=NOW)


@pytest.fixture(scope="session")
def again(present: Chapter) -> Chapter:
    """The same refresh; nothing is new."""
    relay_all(present.pipeline.settings)
    return tell(present.pipeline, as_of=NOW)


@dataclass(frozen=True)
class Failure:
    """A refresh that did not pass: what was said of it, and the briefings after it."""

    reason: str
    documents: dict[tuple[str, str], Row]


@pytest.fixture(scope="session")
def failed(again: Chapter) -> Failure:
    """`refresh_now`, with an event on Kafka that is older than its entity; the event is taken away again."""
    pipeline = again.pipeline
    entity = next(iter(again.features["opportunity_features"].values()))
    stray = change(entity["customer_id"], entity["opportunity_id"], before={}, after={})
    stray = msgspec.structs.replace(stray, sequence=0)
    pipeline.publish(stray)
    with pipeline.environment(), libraries_may_warn():
        from pipelines.execute import RefreshFailed, refresh_now

        definitions_module()
        with pytest.raises(RefreshFailed) as raised:
            refresh_now(as_of=NOW, progress=lambda done, total, note="": None)
    with psycopg.connect(pipeline.settings.require_database()) as connection:
        connection.execute("delete from raw.events where event_id = %s", (stray.id,))
    return Failure(str(raised.value), latest_briefings(pipeline))


@dataclass(frozen=True)
class Reply:
    """The last refresh, after a customer replied: the features of the deal as they were before, and the event."""

    deal: Row
    event: Event
    chapter: Chapter


@pytest.fixture(scope="session")
def replied(again: Chapter, failed: Failure) -> Reply:
    """A refresh two hours later, in which a proposal was replied to that nobody had answered before."""
    deals = [row for row in again.features["opportunity_features"].values() if row["contact_id"]]
    deal = min((row for row in deals if not row["proposals_replied"]), key=lambda row: row["opportunity_id"])
    event = reply(deal)
    again.pipeline.publish(event)
    return Reply(deal, event, tell(again.pipeline, as_of=LATER))


def share(config: pytest.Config) -> None:
    """Offer these fixtures to every test of the session, told once however many folders ask."""
    story = sys.modules[__name__]
    if not config.pluginmanager.is_registered(story):
        config.pluginmanager.register(story, "pipeline runs")

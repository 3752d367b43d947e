"""From a write in the API to the briefing that follows it, over the outbox and Kafka, whoever dies on the way."""

import asyncio
import threading
from datetime import UTC, datetime
from typing import Any

import polars as pl
import psycopg
import pytest

from api.modules.intent import briefings
from bevyly.events.topics import create_topics
from bevyly.runtime.kafka import throwaway_kafka
from bevyly.settings import Settings
from pipelines.briefing.compose import compose
from pipelines.repositories.briefing_inputs import read_inputs
from pipelines.repositories.briefings import publish
from pipelines.repositories.rankings import keep_ranking, mark_published
from pipelines.streams import briefing_keeper
from tests.integration.api.conftest import Api
from tests.integration.db.test_decisions import recommend
from tests.support.event_path import at_work
from tests.support.event_streams import dies, relay_all

BRIEFING = "/api/v1/intent/briefing"
KEEPER = "pipelines.streams.briefing_keeper"


def refreshed(api: Api, deal: str) -> list[str]:
    """Two calls to make, as a refresh leaves them: ranked, published, and known to what counts calls."""
    now, customers = datetime.now(UTC), [api.a.customer_id]
    with psycopg.connect(api.database.pipeline_url) as connection:
        items = recommend(connection, api.a.customer_id, deal, count=2, at=now)
        connection.execute('update recommendations set payload = \'{"baseline": {"calls_total": 0}}\'')
        nothing = pl.DataFrame(schema=["customer_id", "owner_id", "reason", "count"])
        keep_ranking(connection, nothing, customers=customers, at=now)
        publish(connection, compose(read_inputs(connection, customers), as_of=now, generated_at=now), at=now)
        mark_published(connection, customers, at=now, now=now)
    return items


def told(api: Api) -> tuple[Any, ...]:
    """All that the keeper writes: what became of recommendations, versions, what is announced, put off and handled."""
    of, customer = "where customer_id = %s", api.a.customer_id
    return (
        api.sql(f"select status, count(*) from recommendations {of} group by status", customer),
        api.sql(f"select user_id, max(version) from briefings {of} group by user_id order by 1", customer),
        api.sql(f"select count(*) from outbox {of}", customer),
        api.sql(f"select count(*) from briefing_backlog {of}", customer),
        api.sql(
            "select coalesce(max(next_offset), 0) from raw.consumer_offsets where consumer_group = 'briefing-keeper'"
        ),
    )


async def test_a_call_is_in_the_briefing_though_the_keeper_dies_and_loses_its_connection(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(briefings, "FRESH_SECONDS", 0.0)
    with throwaway_kafka() as broker:
        settings = Settings(database_url=api.database.owner_url, kafka_brokers=broker.url)
        create_topics(settings)
        async with api.client(api.a) as client:
            account = (await client.post("/api/v1/accounts", json={"name": "Acme"})).json()["id"]
            deal = {"name": "Renewal", "account_id": account}
            opportunity = (await client.post("/api/v1/opportunities", json=deal)).json()["id"]
            items = refreshed(api, opportunity)
            shown = (await client.get(BRIEFING)).json()
            assert {item["recommendation_id"] for item in shown["items"]} == set(items)
            call = {"kind": "call", "direction": "outbound", "opportunity_id": opportunity}
            made = await client.post("/api/v1/activities", json=call)
            assert made.status_code == 201, made.text
            relay_all(settings)
            before = told(api)
            for point in ("briefing_ended", "before_commit"):
                assert await asyncio.to_thread(dies, settings, KEEPER, point), point
                assert told(api) == before, point
                assert (await client.get(BRIEFING)).json() == shown

            cut = _cuts_once(api, monkeypatch)
            with at_work(briefing_keeper.make_stream(settings).run):
                for _ in range(600):
                    after = (await client.get(BRIEFING)).json()
                    if after["version"] != shown["version"]:
                        break
                    await asyncio.sleep(0.05)
            assert cut.is_set()
            assert (after["version"], after["items"]) == (shown["version"] + 1, [])
    assert told(api)[0] == [("completed", 2)]
    ended = api.sql(
        "select count(*) from outbox where customer_id = %s and envelope like %s",
        api.a.customer_id, '%"type":"recommendation.completed"%',
    )  # fmt: skip
    assert ended == [(2,)]


def _cuts_once(api: Api, monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Let the keeper lose its connection between what it ends and what it publishes, the first time."""
    cut = threading.Event()

    def lose(_: str) -> None:
        if not cut.is_set():
            cut.set()
            api.sql(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'bevyly-briefing-keeper' and datname = current_database()"
            )

    monkeypatch.setattr(briefing_keeper, "failpoint", lose)
    return cut

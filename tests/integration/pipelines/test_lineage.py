"""Scores of a real refresh: traced to Kafka, made again in another process, and their changes taken apart."""

import json
import math
import os
import random
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from itertools import pairwise
from typing import Any

import httpx
import orjson
import psycopg
import pytest
import pytest_asyncio

from api import resources
from api.main import create_app
from bevyly.settings import Settings
from models.schema import RECIPES
from tests.integration.api.conftest import ENCRYPTION_KEY, SECRET, UNLIMITED
from tests.support.event_streams import messages
from tests.support.pipeline_runs import Chapter

SAMPLE = 50
SCORES = "/api/v1/intent/scores"
FIGURES = ("logit", "baseline_logit", "probability", "probability_low", "probability_high")


@dataclass
class Asked:
    """A client of each tenant, and what the database held."""

    clients: dict[str, httpx.AsyncClient]
    chapter: Chapter

    def scores(self, size: int, where: str = "true") -> list[dict[str, Any]]:
        """Some scores of all tenants, at random."""
        rows = self.chapter.pipeline.rows(f"select * from scores where {where} order by id")
        return random.Random(7).sample(rows, min(size, len(rows)))

    async def get(self, tenant: str, path: str, **query: str) -> httpx.Response:
        return await self.clients[tenant].get(f"{SCORES}/{path}", params=query)

    async def events(self, score: dict[str, Any], limit: int = 200) -> list[dict[str, Any]]:
        """All events behind a score, page by page."""
        found, cursor = [], None
        while True:
            query = {"limit": str(limit)} | ({"cursor": cursor} if cursor else {})
            answer = await self.get(score["customer_id"], f"{score['id']}/lineage", **query)
            assert answer.status_code == 200, answer.text
            page = answer.json()["events"]
            found += page["data"]
            cursor = page["page"]["next_cursor"]
            if cursor is None:
                return found


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked(present: Chapter, redis_url: str) -> AsyncIterator[Asked]:
    pipeline = present.pipeline
    settings = Settings(
        database_url=pipeline.settings.require_database(),
        redis_url=redis_url,
        jwt_secret=SECRET,
        encryption_keys=ENCRYPTION_KEY,
        bevyly_home=pipeline.home,
    )
    app = create_app(settings, limits=UNLIMITED)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(resources, "REDIS_SECONDS", 5.0)
        patch.setattr(resources, "REDIS_CONNECT_SECONDS", 5.0)
        async with app.router.lifespan_context(app):
            users = pipeline.rows(
                "select distinct on (customer_id) * from users where role = 'owner' order by customer_id, id"
            )
            tokens = app.state.resources.tokens
            clients = {
                user["customer_id"]: httpx.AsyncClient(
                    transport=httpx.ASGITransport(app),
                    base_url="http://api.test",
                    timeout=120,
                    headers={"authorization": f"Bearer {_token(tokens, user)}"},
                )
                for user in users
            }
            yield Asked(clients, present)
            for client in clients.values():
                await client.aclose()


def _token(tokens: Any, user: dict[str, Any]) -> str:
    token: str = tokens.issue(
        customer_id=user["customer_id"], user_id=user["id"], email=user["email"], role="owner",
        token_version=user["token_version"],
    )  # fmt: skip
    return token


async def test_every_score_that_the_api_shows_leads_to_its_events_on_kafka(asked: Asked) -> None:
    settings = asked.chapter.pipeline.settings
    on_kafka = {
        (message.topic(), message.partition(), message.offset()): message.value()
        for topic in ("bevyly.domain", "bevyly.integration")
        for message in messages(settings, topic, partitions=_partitions(settings, topic))
    }
    checked = 0
    for score in asked.scores(SAMPLE, "is_current"):
        shown = (await asked.get(score["customer_id"], f"{score['entity_type']}/{score['entity_id']}")).json()["data"]
        assert score["id"] in {one["id"] for one in shown}
        events = await asked.events(score)
        assert {event["relation"] for event in events} >= {"record"}
        for event in events:
            envelope = orjson.loads(on_kafka[event["topic"], event["partition"], event["offset"]])
            assert envelope["id"] == event["event_id"]
            checked += 1
    assert checked > SAMPLE


# who is who in a deal and what is new at an account raise signals, and are in no score
SIGNALS_ONLY = ("champion_", "newcomer_", "executive_", "past_champion_", "account_change_")


def test_no_score_reads_what_only_signals_do() -> None:
    read = {column.name for recipe in RECIPES.values() for column in recipe.contract.of(*recipe.roles)}
    assert len(read) > 20
    assert [name for name in sorted(read) if name.startswith(SIGNALS_ONLY)] == []


async def test_the_events_are_those_that_the_features_were_made_of(asked: Asked) -> None:
    """The mart takes its instant from the latest of them, and names some of them itself."""
    for score in asked.scores(SAMPLE, "is_current"):
        mart = asked.chapter.features[f"{score['entity_type']}_features"][score["entity_id"]]
        events = await asked.events(score)
        named = {
            value
            for name, value in mart.items()
            if name.endswith("_event_id") and value and not name.startswith(SIGNALS_ONLY)
        }
        assert named <= {event["event_id"] for event in events}
        touches = mart.get("activities_total")
        assert touches is not None
        # every touch that counts is there; what is only planned, or a note of a lead before, counts elsewhere
        assert len([event for event in events if event["relation"] == "activity"]) >= touches
        recorded = [datetime.fromisoformat(event["recorded_at"]) for event in events]
        assert max(recorded) <= score["as_of"]


async def test_pages_hold_every_event_once(asked: Asked) -> None:
    score = asked.scores(1, "is_current")[0]
    whole, pages = await asked.events(score), await asked.events(score, limit=3)
    assert [event["event_id"] for event in pages] == [event["event_id"] for event in whole]
    assert len(pages) > 3


async def test_lineage_names_the_artefact_the_inputs_and_the_code(asked: Asked) -> None:
    pipeline = asked.chapter.pipeline
    (code,) = pipeline.rows("select code from intermediate.build_code")
    for score in asked.scores(5, "is_current"):
        found = (await asked.get(score["customer_id"], f"{score['id']}/lineage")).json()
        path = pipeline.home / "artefacts" / f"{found['model']['artefact']}.skops"
        assert found["model"]["artefact_sha256"] == sha256(path.read_bytes()).hexdigest()
        assert found["model"]["made_with"]["versions"]["polars"]
        mart = asked.chapter.features[f"{score['entity_type']}_features"][score["entity_id"]]
        features = found["inputs"]["features"]
        assert features["age_days"] == mart["age_days"]
        assert not {"name", "contact_name", "contact_email"} & set(features)
        assert found["dbt"]["project"] == code["code"]
        built = found["dbt"]["built"]
        assert {f"{score['entity_type']}_features", "int_activities_linked"} <= set(built["models"])
        assert {"feature_hash", f"{score['entity_type']}_features_as_of"} <= set(built["macros"])


def test_scores_are_made_again_in_another_process(present: Chapter, asked: Asked) -> None:
    ids = [score["id"] for score in asked.scores(SAMPLE)]
    pipeline = present.pipeline
    environment = os.environ | {
        "DATABASE_PIPELINE_URL": pipeline.settings.require_pipeline_database(),
        "BEVYLY_HOME": str(pipeline.home),
    }
    command = [sys.executable, "-W", "ignore", "-m", "bevyly.cli", "reproduce", *ids]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["score_id"] for one in made] == ids
    assert [one["score_id"] for one in made if not one["identical"]] == []


async def test_the_api_makes_a_score_again_and_sees_a_last_bit(asked: Asked) -> None:
    score = asked.scores(1)[0]
    client = asked.clients[score["customer_id"]]
    made = (await client.post(f"{SCORES}/{score['id']}/reproduce")).json()
    assert made["identical"], made
    figures = {figure["name"]: figure for figure in made["figures"]}
    assert {name: figures[name]["bits"]["recomputed"] for name in FIGURES} == {
        name: score[name].hex() for name in FIGURES
    }
    _set(asked, score, "logit", math.nextafter(score["logit"], 9.0))
    try:
        made = (await client.post(f"{SCORES}/{score['id']}/reproduce")).json()
    finally:
        _set(asked, score, "logit", score["logit"])
    assert not made["identical"]
    assert [figure["name"] for figure in made["figures"] if not figure["identical"]] == ["logit"]


async def test_what_is_gone_is_said(asked: Asked) -> None:
    score = asked.scores(1)[0]
    client, home = asked.clients[score["customer_id"]], asked.chapter.pipeline.home
    found = (await asked.get(score["customer_id"], f"{score['id']}/lineage")).json()
    path = home / "artefacts" / f"{found['model']['artefact']}.skops"
    aside = path.with_suffix(".aside")
    path.rename(aside)
    try:
        answer = await client.post(f"{SCORES}/{score['id']}/reproduce")
        assert (answer.status_code, answer.json()["code"]) == (409, "artefact_gone")
        path.write_bytes(aside.read_bytes() + b"x")
        answer = await client.post(f"{SCORES}/{score['id']}/reproduce")
        assert (answer.status_code, answer.json()["code"]) == (409, "artefact_changed")
    finally:
        aside.replace(path)


async def test_what_would_move_a_score_is_scored_anew(asked: Asked) -> None:
    told = []
    for score in asked.scores(SAMPLE):
        found = (await asked.get(score["customer_id"], f"{score['id']}/counterfactuals")).json()
        assert found["unavailable"] is None
        assert [one["logit"] for one in found["data"]] == sorted((one["logit"] for one in found["data"]), reverse=True)
        told += [(score, one) for one in found["data"]]
    assert told
    assert all(one["logit"] > score["logit"] for score, one in told)
    assert all(one["points"] - score["points"] == one["points_gained"] > 0 for score, one in told)


async def test_another_tenant_sees_none_of_it(asked: Asked) -> None:
    score = asked.scores(1)[0]
    (other,) = set(asked.clients) - {score["customer_id"]}
    assert (await asked.get(other, f"{score['id']}/lineage")).status_code == 404
    assert (await asked.get(other, f"{score['id']}/counterfactuals")).status_code == 404
    assert (await asked.get(other, f"{score['entity_type']}/{score['entity_id']}/history")).status_code == 404
    assert (await asked.clients[other].post(f"{SCORES}/{score['id']}/reproduce")).status_code == 404


async def test_causes_sum_to_the_change(asked: Asked) -> None:
    kinds: defaultdict[str, int] = defaultdict(int)
    seen = 0
    for score in asked.scores(SAMPLE, "is_current"):
        path = f"{score['entity_type']}/{score['entity_id']}/history"
        answer = await asked.get(score["customer_id"], path, score_type=score["score_type"])
        assert answer.status_code == 200, answer.text
        rows = answer.json()["data"]
        assert rows[-1]["change"] is None
        for newer, older in pairwise(rows):
            change = newer["change"]
            assert change["previous_id"] == older["id"]
            assert sum(cause["logit"] for cause in change["causes"]) == pytest.approx(
                newer["logit"] - older["logit"], abs=1e-9
            )
            assert sum(cause["points"] for cause in change["causes"]) == newer["points"] - older["points"]
            for cause in change["causes"]:
                kinds[cause["cause"]] += 1
                assert cause["cause"] != "event" or cause["event_ids"]
            seen += 1
    assert seen > 10
    assert {"time", "event"} <= set(kinds)
    assert "unknown" not in kinds


def test_inputs_are_kept_once_and_no_role_changes_them(present: Chapter, asked: Asked) -> None:
    rows = present.pipeline.rows
    scores, inputs = (
        rows("select count(*) as n from scores")[0]["n"],
        rows("select count(*) as n from score_inputs")[0]["n"],
    )
    assert 0 < inputs < scores, "several scores are made from the same features"
    with (
        psycopg.connect(present.pipeline.settings.require_pipeline_database()) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("update score_inputs set document = '{}'")


def _partitions(settings: Settings, topic: str) -> int:
    from bevyly.events.bus import make_consumer, partitions_of

    consumer = make_consumer(settings, group="test")
    try:
        return len(partitions_of(consumer, [topic]))
    finally:
        consumer.close()


def _set(asked: Asked, score: dict[str, Any], column: str, value: float) -> None:
    with psycopg.connect(asked.chapter.pipeline.settings.require_database()) as connection:
        connection.execute(f"update scores set {column} = %s where id = %s".encode(), (value, score["id"]))

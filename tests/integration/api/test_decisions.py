"""The decision log over HTTP: the way of one item, lists, who sees it; and that an erasure leaves it whole."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg

from bevyly.decisions import log
from bevyly.decisions.chain import Verdict, verify
from bevyly.privacy.retention import purge
from bevyly.settings import Settings
from tests.integration.api.canaries import CANARY, hits, place
from tests.integration.api.conftest import Api
from tests.integration.api.seeds import seed
from tests.integration.api.test_privacy import erase

DECISIONS = "/api/v1/decisions"
ITEMS = "/api/v1/intent/recommendations"


def looked_at(api: Api) -> Verdict:
    tenant = api.a.customer_id
    with psycopg.connect(api.database.pipeline_url) as connection:
        return verify(tenant, log.entries(connection, tenant), head=log.head(connection, tenant))


def scored(api: Api) -> dict[str, str]:
    """A tenant with everything, whose recommendation rests on its score."""
    ids = seed(api.database.pipeline_url, api.a.customer_id, api.a.users["owner"])
    api.sql("update recommendations set score_id = %s where customer_id = %s", ids["score_id"], api.a.customer_id)
    return ids


async def test_the_way_of_an_item_begins_with_its_score(api: Api) -> None:
    ids = scored(api)
    item = f"{ITEMS}/{ids['recommendation_id']}"
    async with api.client(api.a) as client:
        assert (await client.post(f"{item}/accept", json={"comment": "today"})).status_code == 200
        converted = await client.post(f"/api/v1/leads/{ids['lead_id']}/convert", json={})
        assert converted.status_code in (200, 201), converted.text
        steps: list[dict[str, Any]] = (await client.get(f"{item}/decisions")).json()["data"]
        assert [step["kind"] for step in steps] == [
            "recommendation.made", "score.used", "recommendation.revised", "recommendation.accepted",
            "outcome.converted",
        ]  # fmt: skip
        score, accepted, outcome = steps[1], steps[3], steps[4]
        assert score["score"]["id"] == score["subject_id"] == ids["score_id"]
        assert accepted["details"]["feedback"] == {"comment": "today"}
        assert accepted["details"]["user_id"] == api.a.users["owner"]
        assert (outcome["subject_id"], outcome["details"]["entity_id"]) == (None, ids["lead_id"]), "no person in it"
        pages = (await client.get(f"{item}/decisions", params={"limit": 2})).json()
        rest = await client.get(f"{item}/decisions", params={"cursor": pages["page"]["next_cursor"]})
        assert [*pages["data"], *rest.json()["data"]] == steps
        assert (await client.get(f"{ITEMS}/{ids['lead_id']}/decisions")).status_code == 404
    assert looked_at(api).holds


async def test_the_log_is_listed_for_those_who_manage(api: Api) -> None:
    ids = scored(api)
    async with api.client(api.a) as client:
        all_of_it = (await client.get(DECISIONS)).json()["data"]
        assert [one["sequence"] for one in all_of_it] == [*range(len(all_of_it), 0, -1)]
        one = await client.get(DECISIONS, params={"kind": "score.used", "recommendation_id": ids["recommendation_id"]})
        assert [row["subject_id"] for row in one.json()["data"]] == [ids["score_id"]]
        asked = await client.get(
            DECISIONS,
            params={
                "filter": 'kind starts "recommendation."',
                "include": "recommendation",
                "facets": "kind",
                "count": "exact",
            },
        )
        assert asked.status_code == 200, asked.text
        assert {row["recommendation"]["title"] for row in asked.json()["data"]} == {"Call them"}
        assert asked.json()["page"]["total"] == 2
    async with api.client(api.a, "member") as client:
        assert (await client.get(DECISIONS)).status_code == 403
        assert (await client.get(f"{ITEMS}/{ids['recommendation_id']}/decisions")).status_code == 200
    async with api.client(api.b) as client:
        assert (await client.get(DECISIONS)).json()["data"] == []


async def test_who_does_not_see_the_item_does_not_see_its_way(api: Api) -> None:
    ids = scored(api)
    api.sql("update leads set owner_id = %s where id = %s", api.a.users["owner"], ids["lead_id"])
    async with api.client(api.a) as client:
        changed = await client.patch("/api/v1/settings", json={"record_visibility": "own"})
        assert changed.status_code == 200, changed.text
    async with api.client(api.a, "member") as client:
        assert (await client.get(f"{ITEMS}/{ids['recommendation_id']}/decisions")).status_code == 404
    with psycopg.connect(api.database.app_url) as connection:
        for owners, seen in ((api.a.users["owner"], True), (api.a.users["member"], False)):
            connection.execute(
                "select set_config('bevyly.customer_id', %s, true), set_config('bevyly.visible_owners', %s, true)",
                (api.a.customer_id, owners),
            )
            for table in ("decisions", "decision_details"):
                row = connection.execute(f"select count(*) > 0 from {table}".encode()).fetchone()
                assert row == (seen,), (table, owners)


async def test_an_erasure_takes_the_details_and_leaves_the_chain(api: Api, tmp_path: Path) -> None:
    ids = place(api, api.a)
    # the canaries overwrote what the log has hashes of: an item with details of its own
    api.sql("delete from decision_details where customer_id = %s", api.a.customer_id)
    async with api.client(api.a) as client:
        await client.post(f"{ITEMS}/{ids['recommendation_id']}/accept", json={"comment": f"ask {CANARY}"})
        steps = (await client.get(DECISIONS, params={"kind": "recommendation.accepted"})).json()["data"]
        assert steps[0]["details"]["feedback"]["comment"] == f"ask {CANARY}"
        await erase(api, tmp_path, email=CANARY)
        after = (await client.get(DECISIONS, params={"kind": "recommendation.accepted"})).json()["data"][0]
        assert (after["details"], after["details_erased"], after["hash"]) == (None, True, steps[0]["hash"])
    assert hits(api, api.a) == {}
    assert [store for store in hits(api, api.a, ids["lead_id"]) if store.startswith("public.decision")] == []
    verdict = looked_at(api)
    assert verdict.holds, verdict
    assert verdict.erased > 1


async def test_details_go_when_they_were_kept_long_enough_and_the_log_says_so(api: Api) -> None:
    scored(api)
    entries = looked_at(api).head.sequence
    with psycopg.connect(api.database.pipeline_url, autocommit=True) as connection:
        assert "decision_details" not in purge(connection, Settings(), datetime.now(UTC) + timedelta(days=1_094))
        counts = purge(connection, Settings(), datetime.now(UTC) + timedelta(days=1_096), batch=3)
    verdict = looked_at(api)
    assert verdict.holds, verdict
    assert counts["decision_details"] >= verdict.erased > 3
    assert verdict.head.sequence > entries

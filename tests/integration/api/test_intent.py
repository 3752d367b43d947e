"""Briefing and recommendations: stored bytes, versions, and answers of which one wins."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.modules.intent import briefings
from tests.integration.api.conftest import Api
from tests.integration.api.seeds import briefing_document, recommendation, seed

BRIEFING = "/api/v1/intent/briefing"
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)


def publish(api: Api, version: int, *, day: int = 0, user: str = "owner") -> str:
    document = briefing_document(version, f"Version {version}")
    api.sql(
        "insert into briefings (customer_id, user_id, version, as_of, status, document, etag) "
        "values (%s, %s, %s, %s, 'fresh', %s, %s)",
        api.a.customer_id,
        api.a.users[user],
        version,
        NOW + timedelta(days=day),
        document,
        f"v{version}",
    )
    return document


async def test_the_briefing_is_the_bytes_that_were_stored(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    async with api.client(api.a) as client:
        none = await client.get(BRIEFING)
        assert (none.status_code, none.json()["code"]) == (404, "no_briefing_yet")
        first = publish(api, 1)
        answer = await client.get(BRIEFING)
        assert (answer.text, answer.headers["etag"]) == (first, '"v1"')
        known = await client.get(BRIEFING, headers={"if-none-match": '"v1"'})
        assert (known.status_code, known.content, known.headers["etag"]) == (304, b"", '"v1"')

        second = publish(api, 2, day=1)
        monkeypatch.setattr(briefings, "FRESH_SECONDS", 0.0)
        changed = await client.get(BRIEFING, headers={"if-none-match": '"v1"'})
        assert (changed.status_code, changed.text) == (200, second)
        past = await client.get(BRIEFING, params={"as_of": (NOW + timedelta(hours=1)).isoformat()})
        assert past.text == first
        before = await client.get(BRIEFING, params={"as_of": (NOW - timedelta(hours=1)).isoformat()})
        assert before.status_code == 404
    async with api.client(api.a, "member") as client:
        assert (await client.get(BRIEFING)).status_code == 404, "a briefing belongs to one user"


async def test_a_known_briefing_costs_no_second_read(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(api, 1)
    kept, asked = api.app.state.briefings, []
    real = kept._reader.one

    async def count(function: str, *arguments: Any) -> Any:
        asked.append(function)
        return await real(function, *arguments)

    async with api.client(api.a) as client:
        await client.get("/api/v1/auth/me")
        monkeypatch.setattr(kept._reader, "one", count)
        monkeypatch.setattr(briefings, "FRESH_SECONDS", 3600.0)
        for _ in range(5):
            assert (await client.get(BRIEFING)).status_code == 200
        assert asked == ["api_get_briefing"]
        monkeypatch.setattr(briefings, "FRESH_SECONDS", 0.0)
        await client.get(BRIEFING)
        assert asked == ["api_get_briefing", "api_get_briefing_version"]


async def test_a_refresh_is_asked_for(api: Api) -> None:
    async with api.client(api.a, "member") as client:
        answer = await client.post(f"{BRIEFING}/refresh", json={"reason": "monday"})
    assert answer.status_code == 202
    event = api.events()[0]
    assert (event.type, event.id) == ("briefing.refresh_requested", answer.json()["event_id"])
    assert event.data == {"user_id": api.a.users["member"], "reason": "monday"}


def advise(api: Api, **more: Any) -> str:
    from sqlalchemy.orm import Session

    from bevyly.db.engine import make_engine

    engine = make_engine(api.database.pipeline_url, pool_size=1)
    row = recommendation(api.a.customer_id, api.a.users["owner"], **more)
    with Session(engine) as session, session.begin():
        session.add(row)
        made = row.id
    engine.dispose()
    return made


@pytest.mark.parametrize(
    ("verb", "status", "event"),
    [
        ("accept", "accepted", "recommendation.accepted"),
        ("dismiss", "dismissed", "recommendation.dismissed"),
        ("complete", "completed", "recommendation.completed"),
        ("snooze", "snoozed", "recommendation.snoozed"),
    ],
)
async def test_an_answer_changes_the_state_once(api: Api, verb: str, status: str, event: str) -> None:
    advice = advise(api)
    path = f"/api/v1/intent/recommendations/{advice}"
    body = {"reason": "good_timing", "comment": "…"} | ({"until": "2199-01-01T00:00:00Z"} if verb == "snooze" else {})
    async with api.client(api.a, "member") as client:
        answer = await client.post(f"{path}/{verb}", json=body)
        assert answer.status_code == 200, answer.text
        assert (answer.json()["status"], answer.json()["version"]) == (status, 2)
        assert answer.json()["acted_by"] == api.a.users["member"]
        assert answer.json()["feedback"] == {"reason": "good_timing", "comment": "…"}
        if verb == "dismiss":
            again = await client.post(f"{path}/accept", json={})
            assert (again.status_code, again.json()["code"]) == (409, "recommendation_not_open")
    assert [(one.type, one.sequence) for one in api.events()] == [(event, 2)]
    audit = api.sql("select action, recommendation_id, before from audit where customer_id = %s", api.a.customer_id)
    assert audit == [(f"recommendation.{status}", advice, {"status": "pending"})]


async def test_of_many_answers_at_once_one_wins(api: Api) -> None:
    advice = advise(api)
    path = f"/api/v1/intent/recommendations/{advice}"
    async with api.client(api.a, patient=True) as client:
        verbs = ["dismiss", "complete"] * 8
        answers = await asyncio.gather(*(client.post(f"{path}/{verb}", json={}) for verb in verbs))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 15
    assert len(api.events()) == 1


async def test_what_expired_is_not_answered_but_what_was_accepted_may_be_finished(api: Api) -> None:
    past = datetime(2026, 1, 1, tzinfo=UTC)
    expired, accepted = advise(api, expires_at=past), advise(api, expires_at=past, status="accepted")
    async with api.client(api.a) as client:
        assert (await client.post(f"/api/v1/intent/recommendations/{expired}/accept", json={})).status_code == 409
        assert (await client.post(f"/api/v1/intent/recommendations/{accepted}/complete", json={})).status_code == 200
        late = await client.post(f"/api/v1/intent/recommendations/{expired}/snooze", json={"until": past.isoformat()})
        assert late.status_code == 422


async def test_lists_of_conclusions_are_filtered(api: Api) -> None:
    ids = seed(api.database.pipeline_url, api.a.customer_id, api.a.users["owner"])
    async with api.client(api.a, "viewer") as client:
        for path, query, count in (
            ("signals", {"entity_id": ids["lead_id"], "severity": "high", "open": "true"}, 1),
            ("signals", {"open": "false"}, 0),
            ("patterns", {"entity_type": "lead", "pattern_type": "warm_return"}, 1),
            ("recommendations", {"status": "pending", "action_type": "call"}, 1),
            ("recommendations", {"status": "dismissed"}, 0),
        ):
            found = (await client.get(f"/api/v1/intent/{path}", params=query)).json()["data"]
            assert len(found) == count, (path, query)
        pattern = (await client.get("/api/v1/intent/patterns")).json()["data"][0]
        assert [signal["signal_type"] for signal in pattern["signals"]] == ["lead_ready"]
        scores = (await client.get(f"/api/v1/intent/scores/lead/{ids['lead_id']}")).json()["data"]
        assert [(score["score_type"], score["display"]) for score in scores] == [("conversion", "band")]

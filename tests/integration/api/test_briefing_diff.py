"""Time travel: the bytes of any past day; and what changed between two days, with the causes as they were recorded."""

import random
from bisect import bisect_right
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import psycopg

from bevyly.ids import new_id
from bevyly.privacy.retention import purge
from bevyly.settings import Settings
from tests.integration.api.conftest import Api
from tests.integration.db.test_decisions import add_deal, answer, recommend

BRIEFING = "/api/v1/intent/briefing"
MONDAY = datetime(2026, 11, 23, 6, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)


def store(api: Api, user: str, version: int, as_of: datetime, document: str) -> None:
    api.sql(
        "insert into briefings (customer_id, user_id, version, as_of, status, document, etag) "
        "values (%s, %s, %s, %s, 'fresh', %s, %s)",
        api.a.customer_id, api.a.users[user], version, as_of, document, f"e{version}",
    )  # fmt: skip


async def test_any_past_moment_has_the_bytes_that_were_stored_then(api: Api) -> None:
    dice = random.Random(6)
    stored: dict[str, list[tuple[datetime, str]]] = {}
    for user in ("owner", "admin", "member"):
        times = sorted(MONDAY - timedelta(minutes=dice.randrange(400_000)) for _ in range(60))
        # a version that says that the one before is stale may be of the same instant
        times[7] = times[8]
        stored[user] = [(at, f'{{"version":{n},"text":"{dice.random()} ü\\u2028"}}') for n, at in enumerate(times, 1)]
        for version, (at, document) in enumerate(stored[user], 1):
            store(api, user, version, at, document)
    for _ in range(150):
        user = dice.choice(list(stored))
        moment = dice.choice([MONDAY - timedelta(minutes=dice.randrange(420_000)), dice.choice(stored[user])[0]])
        place = bisect_right([at for at, _ in stored[user]], moment)
        async with api.client(api.a, user) as client:
            answer = await client.get(BRIEFING, params={"as_of": moment.isoformat()})
        if place:
            assert (answer.status_code, answer.text) == (200, stored[user][place - 1][1])
        else:
            assert answer.status_code == 404


async def test_what_was_thinned_out_is_said_to_be_gone_and_all_else_is_as_it_was(api: Api) -> None:
    """After the purge every moment has its bytes, or the answer that they are no longer kept."""
    dice = random.Random(7)
    times = sorted(MONDAY - timedelta(days=dice.randrange(50), minutes=dice.randrange(600)) for _ in range(120))
    stored = [(at, f'{{"version":{number}}}') for number, at in enumerate(times, 1)]
    for version, (at, document) in enumerate(stored, 1):
        store(api, "member", version, at, document)
    last_of_day = {at.date(): version for version, at in enumerate(times, 1)}
    seen = next(version for version, at in enumerate(times, 1) if last_of_day[at.date()] != version)
    old = MONDAY - timedelta(days=30)
    async with api.client(api.a, "member") as client:
        assert (await client.post(f"{BRIEFING}/seen", json={"version": seen})).status_code == 200
        with psycopg.connect(api.database.pipeline_url, autocommit=True) as connection:
            gone = purge(connection, Settings(), MONDAY, batch=7)["briefings"]
            assert purge(connection, Settings(), MONDAY) == {}
        kept = {row[0] for row in api.sql("select version from briefings where customer_id = %s", api.a.customer_id)}
        assert kept == {seen, *last_of_day.values(), *(n for n, at in enumerate(times, 1) if at >= old)}
        assert gone >= 120 - len(kept) > 20
        codes = Counter[str]()
        for _ in range(150):
            moment = dice.choice([MONDAY - timedelta(minutes=dice.randrange(72_000)), dice.choice(times)])
            version = bisect_right(times, moment)
            answer = await client.get(BRIEFING, params={"as_of": moment.isoformat()})
            told = answer.json().get("code", "told")
            codes[told] += 1
            if told == "told":
                assert answer.text == stored[version - 1][1]
            elif told == "briefing_not_kept":
                # the day's first moments too, where what was in force by then is not known any more
                assert moment < old and moment < times[last_of_day[moment.date()] - 1]
            else:
                assert version == 0
        assert min(codes["told"], codes["briefing_not_kept"]) > 10


def item(recommendation_id: str, rank: int, *, value: int = 100, chance: float = 0.4, score: str | None = None) -> Any:
    return {
        "recommendation_id": recommendation_id, "rank": rank, "title": f"Call {rank}", "action": {"type": "call"},
        "entity": {"type": "opportunity", "id": "x", "name": "Renewal"},
        "expected_value": {"amount_minor": value, "low_minor": 0, "high_minor": 1, "currency": "EUR", "basis": "prior"},
        "probability": {"now": chance, "with_action": chance + 0.1, "score_id": score},
    }  # fmt: skip


def briefing(version: int, as_of: datetime, items: list[Any], *, found: int, news: tuple[str, ...] = ()) -> str:
    return orjson.dumps(
        {
            "version": version, "as_of": as_of.isoformat(), "status": "fresh", "items": items,
            "summary": {"items_found": found, "items_shown": len(items)},
            "good_news": [{"signal_id": one, "text": one} for one in news],
        }
    ).decode()  # fmt: skip


async def test_each_change_has_the_cause_that_was_recorded(api: Api) -> None:
    tenant, between = api.a.customer_id, MONDAY + timedelta(hours=4)
    with psycopg.connect(api.database.pipeline_url) as connection:
        deal = add_deal(connection, tenant)
        old = recommend(connection, tenant, deal, count=7, at=MONDAY)
        connection.commit()
        answer(connection, tenant, old[0], "accepted", between)
        answer(connection, tenant, old[1], "expired", between)
        connection.execute(
            "update recommendations set acted_at = null, acted_by = null where customer_id = %s and id = %s",
            (tenant, old[1]),
        )
        connection.execute(
            "update recommendations set expected_value_minor = 300, amount_minor = 9000, currency = 'EUR', "
            "updated_at = %s where customer_id = %s and id = %s",
            (TUESDAY, tenant, old[3]),
        )
        signal = new_id()
        connection.execute(
            "insert into signals (customer_id, id, entity_type, entity_id, signal_type, polarity, severity, strength, "
            "title, data, evidence, dedupe_key, detector_version, found_by, first_seen_at, last_seen_at) values "
            "(%s, %s, 'opportunity', %s, 'ghosted', '-', 'high', 1, 'No answer for 9 days', '{}', '[\"e1\"]', %s, '1', "
            "'batch', %s, %s)",
            (tenant, signal, deal, signal, TUESDAY, TUESDAY),
        )
        [new] = recommend(connection, tenant, deal, at=TUESDAY, signal=signal)
    first = [item(one, rank) for rank, one in enumerate(old[:6], 1)]
    second = [item(old[3], 1, value=300), item(new, 2), item(old[4], 3, chance=0.2), item(old[6], 4), item("gone", 5)]
    store(api, "owner", 1, MONDAY, briefing(1, MONDAY, first, found=7, news=("a",)))
    store(api, "owner", 2, TUESDAY, briefing(2, TUESDAY, second, found=6, news=("a", "b")))
    async with api.client(api.a) as client:
        params = {"from": MONDAY.isoformat(), "to": (TUESDAY + timedelta(hours=1)).isoformat()}
        response = await client.get(f"{BRIEFING}/diff", params=params)
        assert response.status_code == 200, response.text
        diff = response.json()
        assert (diff["from"]["version"], diff["to"]["version"], diff["headline"]) == (
            1,
            2,
            "3 new and 4 gone since then.",
        )
        appeared = {one["recommendation_id"]: one["cause"] for one in diff["appeared"]}
        gone = {one["recommendation_id"]: one["cause"] for one in diff["gone"]}
        assert {name: cause["code"] for name, cause in gone.items()} == {
            old[0]: "accepted", old[1]: "expired", old[2]: "budget", old[5]: "budget",
        }  # fmt: skip
        assert gone[old[0]]["text"] == "Taken on: ok"
        assert (appeared[new]["text"], appeared[new]["event_ids"]) == ("No answer for 9 days", ["e1"])
        assert gone[old[0]]["at"].startswith("2026-11-23T10:00")
        assert {name: cause["code"] for name, cause in appeared.items()} == {
            new: "new_signal", old[6]: "budget", "gone": "unknown",
        }  # fmt: skip
        [changed, chance] = diff["changed"]
        assert [cause["code"] for cause in changed["causes"]] == ["amount"]
        assert (changed["was"]["expected_value"]["amount_minor"], changed["expected_value"]["amount_minor"]) == (
            100,
            300,
        )
        assert [cause["code"] for cause in chance["causes"]] == ["unknown"], "no fact says why"
        assert [(one["from_rank"], one["rank"], one["cause"]["code"]) for one in diff["moved"]] == [
            (4, 1, "amount"), (5, 3, "others"),
        ]  # fmt: skip
        assert [one["signal_id"] for one in diff["good_news"]] == ["b"]
        same = (await client.get(f"{BRIEFING}/diff", params={"from": TUESDAY.isoformat()})).json()
        assert [same[name] for name in ("appeared", "gone", "moved", "changed", "good_news")] == [[]] * 5
        ever = (await client.get(f"{BRIEFING}/diff", params={"from": "2020-01-01T00:00:00Z"})).json()
        assert (ever["from"], len(ever["appeared"])) == (None, 5)
        assert (await client.get(f"{BRIEFING}/diff", params=params | {"to": "2020-01-01T00:00:00Z"})).status_code == 404
        assert (await client.get(f"{BRIEFING}/diff")).json() == ever, "nothing was seen yet"


async def test_what_is_new_is_what_came_after_the_version_that_was_seen(api: Api) -> None:
    documents = [briefing(n, MONDAY + timedelta(days=n), [item(f"r{n}", 1)], found=1) for n in (1, 2, 3)]
    for version, document in enumerate(documents, 1):
        store(api, "viewer", version, MONDAY + timedelta(days=version), document)
    async with api.client(api.a, "viewer") as client:
        first, again = [await client.post(f"{BRIEFING}/seen", json={"version": 2}) for _ in range(2)]
        assert (first.status_code, first.json()["version"]) == (200, 2)
        assert again.json() == first.json()
        older = await client.post(f"{BRIEFING}/seen", json={"version": 1})
        assert older.json() == first.json(), "what was seen stays seen"
        diff = (await client.get(f"{BRIEFING}/diff")).json()
        assert (diff["from"]["version"], diff["to"]["version"]) == (2, 3)
        assert [one["recommendation_id"] for one in diff["appeared"]] == ["r3"]
        await client.post(f"{BRIEFING}/seen", json={"version": 3})
        assert (await client.get(f"{BRIEFING}/diff")).json()["appeared"] == []
        assert (await client.post(f"{BRIEFING}/seen", json={"version": 4})).status_code == 404
        assert (await client.post(f"{BRIEFING}/seen", json={"version": 0})).status_code == 422
    async with api.client(api.a) as client:
        assert (await client.post(f"{BRIEFING}/seen", json={"version": 1})).status_code == 404, "of somebody else"

"""Detectors over HTTP: the catalogue with its scoreboard, a person's word before the rule, and who may say it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bevyly.intent.thresholds import Thresholds
from models.signals.registry import SIGNAL_TYPES
from tests.integration.api.conftest import Api

DETECTORS = "/api/v1/intent/detectors"
NOW = datetime(2026, 11, 23, 8, tzinfo=UTC)
STANDING = """
insert into detector_standings (customer_id, signal_type, n, hits, votes, votes_right, expected,
  precision, precision_low, precision_high,
  lift, lift_low, lift_high, odds, odds_high, answered, wrong, not_useful, weight, muted, reason, since, computed_at)
values (%s, %s, 500, 350, 500, 350, 345, 0.7, 0.66, 0.74, 1.01, 0.96, 1.07, 1.05, 1.2, 4, 1, 2, 0.5, %s, %s, %s, %s)
"""


def stand(api: Api, signal_type: str, *, muted: bool, tenant: str | None = None) -> None:
    reason = "It ended like others." if muted else None
    api.sql(STANDING, tenant or api.a.customer_id, signal_type, muted, reason, NOW, NOW)


async def found(client: Any, signal_type: str) -> dict[str, Any]:
    rows = {row["signal_type"]: row for row in (await client.get(DETECTORS)).json()["data"]}
    assert set(rows) == set(SIGNAL_TYPES)
    row: dict[str, Any] = rows[signal_type]
    return row


async def test_the_catalogue_is_there_before_anything_is_known(api: Api) -> None:
    async with api.client(api.a) as client:
        dark = await found(client, "going_dark")
        assert len(SIGNAL_TYPES) >= 26
        assert (dark["polarity"], dark["entity_types"], dark["judged_by"]) == ("-", ["opportunity", "lead"], "outcomes")
        assert dark["thresholds"] == [
            {"name": "dark_days", "default": 14.0, "value": 14.0, "source": "default", "stages": []}
        ]
        assert (dark["figures"], dark["muted"], dark["muted_by"], dark["reason"]) == (None, False, None, None)
        assert (await found(client, "account_event"))["polarity"] == "±"
        assert (await found(client, "past_champion_new_company"))["judged_by"] == "answers"


async def test_lines_in_use_are_told_with_where_they_come_from(api: Api) -> None:
    line = "insert into detector_lines values (%s, %s, %s, %s, 90, 1.5, %s)"
    for name, stage, value in (("dark_days", "", 21), ("dark_days", "proposal", 28), ("stall_ratio", "proposal", 3)):
        api.sql(line, api.a.customer_id, name, stage, value, NOW)
    async with api.client(api.a) as client:
        (dark,) = (await found(client, "going_dark"))["thresholds"]
        assert (dark["value"], dark["source"]) == (21, "learned")
        assert dark["stages"] == [{"stage": "proposal", "value": 28, "source": "learned"}]
        stall = {one["name"]: one for one in (await found(client, "deal_stalled"))["thresholds"]}["stall_ratio"]
        assert (stall["value"], stall["source"], stall["stages"][0]["value"]) == (1.5, "default", 3)
        settings = {"signal_thresholds": {"dark_days": 9, "dark_days@negotiation": 5}}
        assert (await client.patch("/api/v1/settings", json=settings)).status_code == 200
        (dark,) = (await found(client, "going_dark"))["thresholds"]
        assert (dark["value"], dark["source"], dark["default"]) == (9, "set", Thresholds().dark_days)
        assert dark["stages"] == [{"stage": "negotiation", "value": 5, "source": "set"}]


async def test_what_the_rule_muted_a_person_has_heard_and_the_other_way_round(api: Api) -> None:
    stand(api, "going_dark", muted=True)
    stand(api, "ghosted", muted=False)
    async with api.client(api.a) as client:
        dark = await found(client, "going_dark")
        assert (dark["muted"], dark["muted_by"], dark["reason"]) == (True, "rule", "It ended like others.")
        assert dark["figures"]["lift"] == {"value": 1.01, "low": 0.96, "high": 1.07}
        assert (dark["figures"]["decided"], dark["figures"]["wrong"], dark["figures"]["lead_days"]) == (500, 1, None)
        said = {"muted": False, "reason": "we want to see it"}
        heard = (await client.patch(f"{DETECTORS}/going_dark", json=said)).json()
        assert (heard["muted"], heard["muted_by"], heard["reason"]) == (False, None, "we want to see it")
        assert heard["override"]["set_by"] == api.a.users["owner"]
        assert heard == await found(client, "going_dark")
        hushed = (await client.patch(f"{DETECTORS}/ghosted", json={"muted": True})).json()
        assert (hushed["muted"], hushed["muted_by"]) == (True, "person")
        assert api.sql("select signal_type from muted_detectors") == [("ghosted",)]
        again = (await client.patch(f"{DETECTORS}/going_dark", json={"muted": None})).json()
        assert (again["muted"], again["muted_by"], again["override"]) == (True, "rule", None)


async def test_a_persons_word_is_written_down_once_and_asks_for_a_briefing(api: Api) -> None:
    async with api.client(api.a) as client:
        for _ in range(2):
            answer = await client.patch(f"{DETECTORS}/deal_aging", json={"muted": True, "reason": "ours are old"})
            assert answer.status_code == 200
    trail = api.sql(
        "select entity_id, before, after from audit where customer_id = %s and entity_type = 'detector'",
        api.a.customer_id,
    )
    nothing = {"muted": None, "reason": None}
    assert trail == [("deal_aging", nothing, {"muted": True, "reason": "ours are old"})]
    assert [event.type for event in api.events()] == ["briefing.refresh_requested"]


async def test_signals_say_that_nobody_hears_them(api: Api) -> None:
    insert = """
    insert into signals (customer_id, id, entity_type, entity_id, signal_type, polarity, severity, strength, title,
      data, evidence, dedupe_key, detector_version, found_by, first_seen_at, last_seen_at)
    values (%s, gen_random_uuid()::text, 'lead', 'x', %s, '-', 'low', 1, 't', '{}', '[]', %s, '1', 'batch', %s, %s)
    """
    for signal_type in ("going_dark", "ghosted"):
        api.sql(insert, api.a.customer_id, signal_type, signal_type, NOW, NOW)
    stand(api, "going_dark", muted=True)
    async with api.client(api.a) as client:
        rows = (await client.get("/api/v1/intent/signals")).json()["data"]
        assert {row["signal_type"]: row["muted"] for row in rows} == {"going_dark": True, "ghosted": False}
        rows = (await client.get("/api/v1/intent/signals", params={"filter": "muted eq false"})).json()["data"]
        assert [row["signal_type"] for row in rows] == ["ghosted"]


async def test_another_tenant_hears_nothing_of_it(api: Api) -> None:
    stand(api, "going_dark", muted=True, tenant=api.b.customer_id)
    async with api.client(api.b) as client:
        assert (await client.patch(f"{DETECTORS}/ghosted", json={"muted": True})).json()["muted"]
    async with api.client(api.a) as client:
        for signal_type in ("going_dark", "ghosted"):
            row = await found(client, signal_type)
            assert (row["muted"], row["figures"], row["override"]) == (False, None, None)


@pytest.mark.parametrize(
    ("signal_type", "body", "status"),
    [
        ("nonsense", {"muted": True}, 404),
        ("going_dark", {"muted": "yes"}, 422),
        ("going_dark", {}, 422),
        ("going_dark", {"muted": True, "weight": 2}, 422),
        ("going_dark", {"muted": True, "reason": ""}, 422),
    ],
)
async def test_what_cannot_be_is_refused(api: Api, signal_type: str, body: dict[str, Any], status: int) -> None:
    async with api.client(api.a) as client:
        assert (await client.patch(f"{DETECTORS}/{signal_type}", json=body)).status_code == status


@pytest.mark.parametrize(("role", "status"), [("admin", 200), ("member", 403), ("viewer", 403)])
async def test_managers_say_who_is_heard(api: Api, role: str, status: int) -> None:
    async with api.client(api.a, role) as client:
        assert (await client.get(DETECTORS)).status_code == 200
        assert (await client.patch(f"{DETECTORS}/ghosted", json={"muted": True})).status_code == status


@pytest.mark.parametrize("key", ["slip_days@proposal", "dark_days@", "nonsense@proposal"])
async def test_a_stage_is_refused_where_streams_know_none(api: Api, key: str) -> None:
    async with api.client(api.a) as client:
        answer = await client.patch("/api/v1/settings", json={"signal_thresholds": {key: 5}})
        assert answer.status_code == 422

"""What changed between two moments: the parts add up, and each link returns the deals that were counted."""

import random
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.api.conftest import Api
from tests.integration.api.test_analytics import NOW, STAGES, World, asked, counted, numbers, world

__all__ = ["world"]  # the fixture
ENDS = ("won", "lost")
Stay = tuple[float, Any]


def deal(
    world: World, stages: list[Stay], values: Sequence[Stay] = (), closes: Sequence[Stay] = (), **more: Any
) -> str:
    """A deal with what it was since so many days ago, as the database keeps it."""
    last = values[-1][1] if values else None
    made = world.deal(*((stage, days) for days, stage in stages), value=last, currency="EUR", **more)
    for field, stays in (("value", values), ("expected_close_date", closes)):
        ends = [*(days for days, _ in stays[1:]), None]
        for (days, value), end in zip(stays, ends, strict=False):
            world.insert(
                "opportunity_history", opportunity_id=made, field=field, new_value=value and str(value),
                valid_from=NOW - timedelta(days=days), valid_to=None if end is None else NOW - timedelta(days=end),
            )  # fmt: skip
    return made


def added_up(row: dict[str, Any]) -> int:
    parts = {
        name: row[name]["amount_minor"] for name in ("before", "opened", "reopened", "won", "lost", "amount_changed")
    }
    net = parts["opened"] + parts["reopened"] - parts["won"] - parts["lost"] + parts["amount_changed"]
    assert net == row["net_minor"]
    return int(parts["before"] + net)


async def test_each_kind_of_change_is_counted_where_it_belongs(world: World) -> None:
    old = (30, "prospecting")
    made = {
        "opened": deal(world, [(5, "prospecting")], [(5, 1)]),
        "opened and won": deal(world, [(5, "prospecting"), (2, "won")], [(5, 10), (3, 20)]),
        "won": deal(world, [old, (2, "won")], [(30, 100), (3, 300)]),
        "lost": deal(world, [old, (2, "lost")], [(30, 1_000)]),
        "reopened": deal(world, [old, (20, "lost"), (2, "proposal")], [(30, 10_000)]),
        "amount": deal(world, [old], [(30, 100_000), (2, 150_000)]),
        "moved": deal(world, [old, (2, "proposal")], [(30, 7)]),
        "slipped": deal(world, [old], [(30, 7)], [(30, "2026-03-01"), (2, "2026-09-10")]),
        "pulled in": deal(world, [old], [(30, 7)], [(30, "2026-09-10"), (2, "2026-03-01")]),
        "still": deal(world, [old, (4, "proposal"), (2, "prospecting")], [(30, 7), (4, 9), (2, 7)]),
        "over": deal(world, [old, (20, "won")], [(30, 5)]),
    }
    deal(world, [(5, "prospecting")], [(5, 1)], deleted_at=NOW)
    (row,) = (await asked(world.api, "changes", since="-7d"))["data"]
    found = {name: (one["count"], one["amount_minor"]) for name, one in numbers(row).items() if isinstance(one, dict)}
    assert found == {
        "before": (7, 101_128), "opened": (2, 21), "won": (2, 120), "lost": (1, 1_000), "reopened": (1, 10_000),
        "amount_changed": (1, 50_000), "moved": (1, 7), "slipped": (1, 7), "after": (7, 160_029),
    }  # fmt: skip
    assert added_up(row) == 160_029
    async with world.api.client(world.api.a) as client:
        slipped = (await client.get(row["slipped"]["drill"])).json()["data"]
        won = (await client.get(row["won"]["drill"])).json()["data"]
    assert slipped == [
        {
            "id": made["slipped"], "name": "d", "currency": "EUR", "stage_before": "prospecting",
            "stage_after": "prospecting", "value_before_minor": 7, "value_after_minor": 7,
            "expected_close_date_before": "2026-03-01", "expected_close_date_after": "2026-09-10",
        }
    ]  # fmt: skip
    assert [(one["id"], one["value_before_minor"]) for one in won] == [
        (made["opened and won"], None),
        (made["won"], 100),
    ]


def at_random(world: World, number: random.Random) -> None:
    for _ in range(40):
        days = sorted((number.uniform(0, 60) for _ in range(number.randint(1, 4))), reverse=True)
        stages = [(day, number.choice(STAGES)) for day in days]
        values = [(day, number.choice([None, 1, 10, 500])) for day in days]
        closes = [(day, f"2026-0{number.randint(1, 9)}-01") for day in days]
        owner = number.choice([world.api.a.users["owner"], world.api.a.users["member"], None])
        deal(world, stages, values, closes, owner_id=owner)


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_parts_add_up_and_every_link_returns_what_was_counted(world: World, seed: int) -> None:
    at_random(world, random.Random(seed))
    world.api.sql("update customers set record_visibility = 'own' where id = %s", world.api.a.customer_id)
    spans = (("-40d", "-20d"), ("-20d", "-3d"), ("-3d", "now"))
    for role in ("owner", "member"):
        before = None
        for since, until in spans:
            report = await asked(world.api, "changes", role, since=since, until=until)
            for row in report["data"]:
                assert added_up(row) == row["after"]["amount_minor"], "the parts are the difference"
                assert row["before"]["amount_minor"] == (before or row["before"]["amount_minor"])
                before = row["after"]["amount_minor"]
                for count, drill in counted(row):
                    assert await pages(world.api, role, drill) == count, drill
        forecast = await asked(world.api, "forecast", role)
        assert before == sum(row["amount_minor"] for row in forecast["data"]), "open deals are those of the forecast"


async def pages(api: Api, role: str, drill: str) -> int:
    """How many deals a link returns, page by page."""
    seen: list[str] = []
    async with api.client(api.a, role) as client:
        cursor: str | None = ""
        while cursor is not None:
            answer = await client.get(drill + "&limit=3" + (f"&cursor={cursor}" if cursor else ""))
            assert answer.status_code == 200, answer.text
            seen += [row["id"] for row in answer.json()["data"]]
            cursor = answer.json()["page"]["next_cursor"]
    assert len(seen) == len(set(seen))
    return len(seen)


async def test_what_cannot_be_asked_is_said(api: Api) -> None:
    async with api.client(api.a) as client:
        for path, query, code in (
            ("changes", {"since": "today", "until": "-3d"}, "invalid_query"),
            ("changes", {"since": "soon"}, "invalid_query"),
            ("changes/deals", {"change": "vanished"}, "invalid"),
            ("changes/deals", {"cursor": "x"}, "invalid_cursor"),
        ):
            answer = await client.get(f"/api/v1/analytics/{path}", params=query)
            assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text

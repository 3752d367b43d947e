"""Pages visit each row once; a cursor is good for one question."""

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from tests.integration.api.queries.crowd import DAY, DEALS, NOW, Crowd, Row

SORTS: dict[str, Callable[[Row], tuple[Any, ...]]] = {
    "value_minor": lambda row: (row["value"] is None, row["value"], row["id"]),
    "-value_minor": lambda row: (row["value"] is None, -(row["value"] or 0), invert(row["id"])),
    "name": lambda row: (row["name_rank"], row["id"]),
    "-expected_close_date,name": lambda row: (
        row["close"] is None, -(row["close"] or date.min).toordinal(), row["name_rank"], row["id"],
    ),
    "expected_close_date,-value_minor": lambda row: (
        row["close"] is None, row["close"], row["value"] is None, -(row["value"] or 0), invert(row["id"]),
    ),
    "name,-created_at,value_minor": lambda row: (
        row["name_rank"], -row["created_at"].timestamp(), row["value"] is None, row["value"], row["id"],
    ),
    "-created_at": lambda row: (-row["created_at"].timestamp(), invert(row["id"])),
}  # fmt: skip


def invert(row_id: str) -> tuple[int, ...]:
    return tuple(-ord(one) for one in row_id)


@pytest.mark.parametrize("sort", SORTS)
async def test_pages_visit_each_row_once_in_order_while_rows_are_added(crowd: Crowd, sort: str) -> None:
    expected = [row["id"] for row in sorted(crowd.rows, key=SORTS[sort])]
    api, seen, dice = crowd.api, [], random.Random(sort)
    query: dict[str, Any] = {"sort": sort, "fields": "id"}
    added: set[str] = set()
    async with api.client(crowd.tenant) as client:
        while True:
            answer = (await client.get(DEALS, params=query | {"limit": dice.randrange(20, 60)})).json()
            seen += [row["id"] for row in answer["data"]]
            query["cursor"] = answer["page"]["next_cursor"]
            if query["cursor"] is None:
                break
            body = {"name": dice.choice("Aaz"), "account_id": crowd.rows[0]["account_id"], "value_minor": 7}
            added.add((await client.post(DEALS, json=body | {"currency": "EUR"})).json()["id"])
        assert [row_id for row_id in seen if row_id not in added] == expected
        assert len(seen) == len(set(seen))
        for row_id in added:
            api.sql("delete from opportunity_history where opportunity_id = %s", row_id)
            api.sql("delete from opportunities where id = %s", row_id)
    assert added


async def test_a_cursor_belongs_to_its_tenant_list_filter_and_sort(crowd: Crowd) -> None:
    query = {"filter": "value_minor ge 0", "sort": "-value_minor", "limit": "5"}
    async with crowd.api.client(crowd.tenant) as client:
        cursor = (await client.get(DEALS, params=query)).json()["page"]["next_cursor"]
        same = await client.get(DEALS, params=query | {"cursor": cursor, "fields": "id", "limit": "7"})
        assert same.status_code == 200
        changes: list[tuple[str, dict[str, str]]] = [
            (DEALS, query | {"filter": "value_minor ge 1"}),
            (DEALS, query | {"sort": "value_minor"}),
            (DEALS, query | {"status": "open"}),
            (DEALS, query | {"deleted": "include"}),
            (DEALS, query | {"timezone": "Europe/Berlin"}),
            (DEALS, {}),
            ("/api/v1/leads", query),
        ]
        for path, other in changes:
            answer = await client.get(path, params=other | {"cursor": cursor})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor"), other
        for forged in ("", "A" * 40, cursor[::-1], "' or 1=1 --"):
            answer = await client.get(DEALS, params=query | {"cursor": forged})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor"), forged
    async with crowd.api.client(crowd.api.a) as client:
        answer = await client.get(DEALS, params=query | {"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_cursor")


async def test_relative_times_stand_still_from_page_to_page(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = crowd.api.app.state.resources.clock
    query: dict[str, Any] = {"filter": "created_at ge -30d", "sort": "created_at", "fields": "id", "limit": 50}
    expected = {row["id"] for row in crowd.rows if row["created_at"] >= clock.now() - 30 * DAY}
    async with crowd.api.client(crowd.tenant) as client:
        first = (await client.get(DEALS, params=query)).json()
        monkeypatch.setattr(type(clock), "now", lambda _: NOW + timedelta(minutes=9))
        second = (await client.get(DEALS, params=query | {"cursor": first["page"]["next_cursor"], "limit": 200})).json()
    assert {row["id"] for row in first["data"] + second["data"]} == expected

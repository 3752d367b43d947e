"""Filters, sorts and counts go by type, beside values from before the definitions."""

import re
from pathlib import Path

from tests.integration.api.conftest import Api
from tests.integration.api.custom_fields.conftest import ACCOUNTS, account, crowd, define, names, options

FILTERS: dict[str, set[str]] = {
    'custom.words eq "apple"': {"Two"},
    'custom.words contains "ÜND"': {"One"},
    'custom.words ne "apple"': {"One", "Three", "None", "Old"},
    "custom.seats gt 9": {"Two", "Three"},
    "custom.seats between 9 and 10.5": {"One", "Two"},
    "custom.seats in (9, 100)": {"One", "Three"},
    "not custom.seats ge 10": {"One", "None", "Old"},
    "custom.seats is null": {"None", "Old"},
    "custom.hot eq true": {"One"},
    "custom.hot ne true": {"Two", "Three", "None", "Old"},
    "custom.renews eq today": {"One"},
    "custom.renews le today": {"One", "Two"},
    "custom.renews between -60d and -1d": {"Two"},
    "custom.renews gt +1y": {"Three"},
    "custom.renews is not null": {"One", "Two", "Three"},
    "custom.seen ge -1h": {"One"},
    "custom.seen lt -24h": {"Two"},
    "custom.seen between -2d and now": {"One", "Two"},
    'custom.tier eq "gold"': {"One", "Three"},
    'custom.tier in ("gold", "silver")': {"One", "Two", "Three"},
    'custom.tags has "red"': {"One"},
    'custom.tags has any ("green", "blue")': {"One", "Two"},
    "custom.tags is null": {"Three", "None", "Old"},
    'custom.site starts "https://two"': {"Two"},
    'custom.mail ends "@one.example" or custom.seats eq 100': {"One", "Three"},
}
UNFIT = {
    "custom.words gt 1": "is of type text",
    'custom.seats eq "9"': "does not fit custom.seats",
    'custom.seats contains "9"': "is of type number",
    "custom.hot gt true": "is of type boolean",
    'custom.renews eq "2026-01-01"': "is no date",
    'custom.seen starts "2026"': "is of type instant",
    'custom.tier eq "copper"': "is one of gold, silver, tin",
    'custom.tags eq "red"': "has, has any",
    'custom.tags has "pink"': "is one of blue, green, red",
}


async def test_filters_compare_by_type(api: Api) -> None:
    await crowd(api, api.a)
    async with api.client(api.a) as client, api.client(api.b) as other:
        await account(other, seats=10, renews="2026-02-31", tier="gold")
        for text, expected in FILTERS.items():
            assert set(await names(client, filter=text)) == expected, text
        for text, why in UNFIT.items():
            answer = await client.get(ACCOUNTS, params={"filter": text})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_filter"), text
            assert why in answer.json()["detail"], text
        assert await names(other, filter='custom.seats eq 10 and custom.tier contains "OL"') == ["Acme"]
        assert await names(other, filter="custom.renews lt 2026-03-01") == ["Acme"], "undefined: by the value"
        deal = {"name": "Deal", "account_id": (await client.get(ACCOUNTS, params={"q": "Two"})).json()["data"][0]["id"]}
        assert (await client.post("/api/v1/opportunities", json=deal)).status_code == 201
        for text, count in (("account.custom.seats gt 10", 1), ("account.custom.seats gt 11", 0)):
            found = (await client.get("/api/v1/opportunities", params={"filter": text})).json()
            assert len(found["data"]) == count, text
        unfit = await client.get("/api/v1/opportunities", params={"filter": 'account.custom.seats contains "1"'})
        assert unfit.json()["code"] == "invalid_filter"


SORTS = {
    "custom.seats": ["One", "Two", "Three"],
    "-custom.seats": ["Three", "Two", "One"],
    "custom.renews": ["Two", "One", "Three"],
    "-custom.seen": ["One", "Two"],
    "custom.words": ["Two", "One"],
    "custom.tier,-custom.seats": ["Three", "One", "Two"],
    "custom.hot": ["Two", "One"],
}


async def test_lists_are_sorted_and_counted_by_type(api: Api) -> None:
    await crowd(api, api.a)
    async with api.client(api.a) as client, api.client(api.b) as other:
        for sort, expected in SORTS.items():
            everything = await names(client, sort=sort)
            assert everything[: len(expected)] == expected, sort
            assert len(everything) == 5
            paged, query = [], {"sort": sort, "limit": 1}
            while query.get("cursor", "") is not None:
                answer = (await client.get(ACCOUNTS, params=query)).json()
                paged += [row["name"] for row in answer["data"]]
                query["cursor"] = answer["page"]["next_cursor"]
            assert paged == everything, sort
        for sort in ("custom.tags", "custom.nothing", "custom", "owner.custom.seats", "custom.seats,custom.seats"):
            answer = await client.get(ACCOUNTS, params={"sort": sort})
            assert (answer.status_code, answer.json()["code"]) == (422, "invalid_query"), sort
        assert (await other.get(ACCOUNTS, params={"sort": "custom.seats"})).status_code == 422
        asked = {"facets": "custom.tier,custom.tags,custom.hot", "filter": 'name ne "None"'}
        found = (await client.get(ACCOUNTS, params=asked)).json()["facets"]
        assert found["custom.tier"] == [
            {"value": "gold", "count": 2}, {"value": "silver", "count": 1}, {"value": None, "count": 1},
        ]  # fmt: skip
        assert found["custom.tags"] == [{"value": one, "count": 1} for one in ("blue", "green", "red")]
        assert {one["value"]: one["count"] for one in found["custom.hot"]} == {None: 2, True: 1, False: 1}


async def test_the_queries_of_the_guide_work(api: Api) -> None:
    guide = (Path(__file__).parents[4] / "docs" / "guides" / "custom-fields.md").read_text()
    queries = re.findall(r"^GET (\S+)\?(.+)$", guide, re.MULTILINE)
    assert len(queries) >= 3
    async with api.client(api.a) as client:
        await define(client, "plan", "select", options=options("gold", "silver"))
        await define(client, "seats", "number")
        for path, text in queries:
            answer = await client.get(path, params=dict(part.split("=", 1) for part in text.split("&")))
            assert answer.status_code == 200, (text, answer.text)

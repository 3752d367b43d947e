"""Every operator against an oracle, and whatever else may be asked."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from api.query.tree import COMPARISONS, SEARCHES
from tests.integration.api.conftest import Api
from tests.integration.api.queries.crowd import DAY, DEALS, NOW, ROWS, Crowd, Row

OPERATORS = (*COMPARISONS, *SEARCHES, "has")
TODAY = NOW.date()
MONTH = datetime(NOW.year, NOW.month, 1, tzinfo=UTC)


def has(test: Callable[[Any], bool], *names: str) -> Callable[[Row], bool]:
    """A condition that a missing value does not fulfil."""

    def holds(row: Row) -> bool:
        value: Any = row
        for name in names:
            value = value.get(name) if isinstance(value, dict) else None
        return value is not None and bool(test(value))

    return holds


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


ORACLE: dict[str, Callable[[Row], bool]] = {
    'status eq "open"': has(lambda v: v == "open", "status"),
    'status ne "open"': lambda row: row["status"] != "open",
    'stage in ("proposal", "won")': has(lambda v: v in ("proposal", "won"), "stage"),
    'name eq "Renewal 0"': has(lambda v: v == "Renewal 0", "name"),
    'name contains "RENEWAL"': has(lambda v: "renewal" in v.lower(), "name"),
    'name contains "50%"': has(lambda v: "50%" in v, "name"),
    'name contains "_"': has(lambda v: "_" in v, "name"),
    'name contains "über"': has(lambda v: "über" in v.lower(), "name"),
    'name contains "\\\\"': has(lambda v: "\\" in v, "name"),
    'name contains "\\"quoted"': has(lambda v: '"quoted' in v, "name"),
    'name contains "\'; drop"': has(lambda v: "'; drop" in v, "name"),
    'name starts "r"': has(lambda v: v.lower().startswith("r"), "name"),
    'name starts "%"': lambda row: False,
    'name ends " 3"': has(lambda v: v.endswith(" 3"), "name"),
    "value_minor eq 100000": has(lambda v: v == 100_000, "value"),
    "value_minor ne 100000": lambda row: row["value"] != 100_000,
    "value_minor lt 100000": has(lambda v: v < 100_000, "value"),
    "value_minor le 100000": has(lambda v: v <= 100_000, "value"),
    "value_minor gt 100000": has(lambda v: v > 100_000, "value"),
    "value_minor ge 100000": has(lambda v: v >= 100_000, "value"),
    "value_minor in (0, 250000)": has(lambda v: v in (0, 250_000), "value"),
    "value_minor between 1 and 250000": has(lambda v: 1 <= v <= 250_000, "value"),
    "value_minor is null": lambda row: row["value"] is None,
    "value_minor is not null": lambda row: row["value"] is not None,
    "not value_minor gt 100000": lambda row: not (row["value"] is not None and row["value"] > 100_000),
    "owner_id eq me": lambda row: row["owner_id"] == row["me"],
    "not owner_id is null": lambda row: row["owner_id"] is not None,
    "expected_close_date eq today": has(lambda v: v == TODAY, "close"),
    "expected_close_date lt today": has(lambda v: v < TODAY, "close"),
    "expected_close_date le today": has(lambda v: v <= TODAY, "close"),
    "expected_close_date gt tomorrow": has(lambda v: v > TODAY + DAY, "close"),
    "expected_close_date ne today": lambda row: row["close"] != TODAY,
    "expected_close_date between today and +2w": has(lambda v: TODAY <= v <= TODAY + 14 * DAY, "close"),
    "expected_close_date in (yesterday, tomorrow)": has(lambda v: v in (TODAY - DAY, TODAY + DAY), "close"),
    f"expected_close_date ge {TODAY + 3 * DAY}": has(lambda v: v >= TODAY + 3 * DAY, "close"),
    "expected_close_date in this_month": has(lambda v: (v.year, v.month) == (TODAY.year, TODAY.month), "close"),
    "created_at in today": has(lambda v: v.date() == TODAY, "created_at"),
    "created_at lt start_of_month": has(lambda v: v < MONTH, "created_at"),
    f"created_at eq {TODAY - 3 * DAY}": has(lambda v: v.date() == TODAY - 3 * DAY, "created_at"),
    f"created_at gt {TODAY - 3 * DAY}": has(lambda v: v.date() > TODAY - 3 * DAY, "created_at"),
    f"created_at le {TODAY - 3 * DAY}": has(lambda v: v.date() <= TODAY - 3 * DAY, "created_at"),
    f"created_at ge {(NOW - 9 * DAY).isoformat()}": has(lambda v: v >= NOW - 9 * DAY, "created_at"),
    'account.industry in ("Software", "Banking")': has(lambda v: v in ("Software", "Banking"), "account", "industry"),
    'account.industry ne "Software"': lambda row: (row["account"] or {}).get("industry") != "Software",
    "account.id is null": lambda row: row["account"] is None,
    'custom.tier eq "gold"': has(lambda v: v == "gold", "custom", "tier"),
    'custom.tier ne "gold"': lambda row: row["custom"].get("tier") != "gold",
    'custom.tier in ("gold", "Silver")': has(lambda v: v in ("gold", "Silver"), "custom", "tier"),
    'custom.tier contains "IL"': has(lambda v: "il" in v.lower(), "custom", "tier"),
    "custom.tier is null": lambda row: row["custom"].get("tier") is None,
    "custom.score ge 3.5": has(lambda v: number(v) and v >= 3.5, "custom", "score"),
    "custom.score between 1 and 3": has(lambda v: number(v) and 1 <= v <= 3, "custom", "score"),
    "custom.score eq 4.5": has(lambda v: v == 4.5, "custom", "score"),
    "custom.hot eq true": has(lambda v: v is True, "custom", "hot"),
    'custom.tags has "a"': has(lambda v: isinstance(v, list) and "a" in v, "custom", "tags"),
    'custom.tags has any ("a", "x")': has(lambda v: isinstance(v, list) and "a" in v, "custom", "tags"),
    'custom."Renews on" lt 2027-01-01': has(lambda v: v == "2026-05-01", "custom", "Renews on"),
    'custom."Renews on" eq 2027-01-01': has(lambda v: v.startswith("2027-01-01"), "custom", "Renews on"),
    'status eq "won" or value_minor gt 0 and not custom.hot eq true': lambda row: (
        row["status"] == "won" or ((row["value"] or 0) > 0 and row["custom"].get("hot") is not True)
    ),
    'not (status eq "won" or (value_minor is null and owner_id is not null))': lambda row: (
        not (row["status"] == "won" or (row["value"] is None and row["owner_id"] is not None))
    ),
}


@pytest.mark.parametrize("text", ORACLE, ids=range(len(ORACLE)))
async def test_a_filter_finds_what_it_says(crowd: Crowd, text: str) -> None:
    me = crowd.tenant.users["owner"]
    expected = {row["id"] for row in crowd.rows if ORACLE[text](row | {"me": me})}
    found = await crowd.ids(filter=text)
    assert len(found) == len(set(found))
    assert set(found) == expected
    assert expected != {row["id"] for row in crowd.rows}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("confidence eq 0.1", True),
        ("confidence in (0.1, 7)", True),
        ("confidence lt 0.1", False),
        ("confidence ge 0.1 and confidence_high gt 0.5", True),
        ("lift is null", True),
        ("confidence between 0.10001 and 1", False),
    ],
)
async def test_a_number_is_as_exact_as_its_column(api: Api, theirs: dict[str, str], text: str, found: bool) -> None:
    api.sql("update patterns set confidence = 0.1 where customer_id = %s", api.b.customer_id)
    async with api.client(api.b) as client:
        answer = await client.get("/api/v1/intent/patterns", params={"filter": text})
    assert len(answer.json()["data"]) == int(found)


FIELDS = [
    "status",
    "name",
    "value_minor",
    "created_at",
    "expected_close_date",
    "owner_id",
    "custom.score",
    "account.id",
]
VALUES = ['"x"', '"%"', "1", "-0.5", "true", "me", "-30d", "today", "now", "last_quarter", "2026-01-01", "2200-01-01"]
CONDITIONS = st.one_of(
    st.builds("{} {} {}".format, st.sampled_from(FIELDS), st.sampled_from(OPERATORS), st.sampled_from(VALUES)),
    st.builds("{} in ({}, {})".format, st.sampled_from(FIELDS), st.sampled_from(VALUES), st.sampled_from(VALUES)),
    st.builds("{} between {} and {}".format, st.sampled_from(FIELDS), st.sampled_from(VALUES), st.sampled_from(VALUES)),
    st.builds("{} is null".format, st.sampled_from(FIELDS)),
)
FILTERS = st.recursive(
    CONDITIONS,
    lambda parts: st.one_of(
        st.builds("({} and {})".format, parts, parts),
        st.builds("({} or {})".format, parts, parts),
        st.builds("not {}".format, parts),
    ),
    max_leaves=4,
)


async def test_whatever_is_asked_is_answered_or_refused(crowd: Crowd) -> None:
    asked: dict[str, int] = {}
    sorts = st.sampled_from([None, "name", "-value_minor,created_at", "expected_close_date,-name,value_minor"])

    @settings(max_examples=120, database=None, deadline=None, phases=[Phase.generate], derandomize=True)
    @given(FILTERS, sorts)
    def collect(text: str, sort: str | None) -> None:
        asked[text + "\n" + (sort or "")] = 0

    collect()
    async with crowd.api.client(crowd.tenant) as client:
        for question in asked:
            text, sort = question.split("\n")
            query = {"filter": text, "count": "exact", "facets": "status"} | ({"sort": sort} if sort else {})
            answer = await client.get(DEALS, params=query)
            assert answer.status_code in (200, 422), (query, answer.text)
            asked[question] = answer.status_code
            opposite = await client.get(DEALS, params=query | {"filter": f"not ({text})"})
            if answer.status_code == opposite.status_code == 200:
                totals = answer.json()["page"]["total"], opposite.json()["page"]["total"]
                assert sum(totals) == ROWS, "each row fulfils a filter or its opposite"
    assert min(list(asked.values()).count(status) for status in (200, 422)) >= 15

"""Settings of a tenant and of a person: bounds, what stays untouched, what is written down."""

from typing import Any

import pytest

from tests.integration.api.conftest import Api

SETTINGS, ME = "/api/v1/settings", "/api/v1/me"
HOURS = {"days": [1, 2, 3, 4, 5], "start": "09:00", "end": "17:30"}


async def test_settings_change_and_leave_alone_what_others_keep_there(api: Api) -> None:
    api.sql('update customers set settings = \'{"datasets": {"x": 1}}\' where id = %s', api.a.customer_id)
    change = {
        "domain": "a.example",
        "working_hours": HOURS,
        "fiscal_year_start_month": 4,
        "record_visibility": "team",
        "strict_custom_fields": True,
        "attention_budget": 5,
        "signal_thresholds": {"dark_days": 21},
        "pooling": False,
    }
    async with api.client(api.a) as client:
        before = await client.get(SETTINGS)
        assert (before.headers["etag"], before.json()["fiscal_year_start_month"]) == ('"1"', 1)
        answer = await client.patch(SETTINGS, json=change, headers={"if-match": '"1"'})
        assert answer.json() == before.json() | change | {"version": 2}
        assert (await client.patch(SETTINGS, json=change)).headers["etag"] == '"2"', "the same again"
        assert (await client.patch(SETTINGS, json={"pooling": True}, headers={"if-match": '"1"'})).status_code == 412
        assert (await client.get(SETTINGS)).json() == answer.json()
    kept = api.sql("select settings -> 'datasets' from customers where id = %s", api.a.customer_id)
    assert kept == [({"x": 1},)]
    ((action, old, new),) = api.sql("select action, before, after from audit where customer_id = %s", api.a.customer_id)
    assert (action, new, old["record_visibility"]) == ("settings.updated", change, "everyone")


@pytest.mark.parametrize(
    "change",
    [
        {"timezone": "Mars/Olympus"},
        {"currency": "euro"},
        {"record_visibility": "nobody"},
        {"signal_thresholds": {"unheard_of": 1}},
        {"signal_thresholds": {"dark_days": 0}},
        {"signal_thresholds": {"dark_days": 1e9}},
        {"working_hours": HOURS | {"start": "24:00"}},
        {"fiscal_year_start_month": 13},
        {"attention_budget": 0},
        {"name": None},
        {"version": 9},
    ],
)
async def test_settings_that_cannot_be_are_refused(api: Api, change: dict[str, Any]) -> None:
    async with api.client(api.a) as client:
        assert (await client.patch(SETTINGS, json=change)).status_code == 422


async def test_a_profile_is_ones_own(api: Api) -> None:
    change = {
        "name": "Kim",
        "timezone": "Asia/Tokyo",
        "locale": "ja-JP",
        "working_hours": HOURS,
        "notifications": {"briefing": ["email"], "signals": [], "assignments": ["in_app"]},
        "attention_budget": 3,
    }
    async with api.client(api.a, "viewer") as client:
        answer = await client.patch(ME, json=change)
        assert answer.status_code == 200, answer.text
        assert answer.json().items() >= change.items()
        assert (await client.get(ME)).json() == answer.json()
        for wrong in ({"role": "owner"}, {"email": "x@example.com"}, {"locale": "german"}, {"attention_budget": 51}):
            assert (await client.patch(ME, json=wrong)).status_code == 422, wrong
    others = api.sql("select distinct name from users where customer_id = %s and role <> 'viewer'", api.a.customer_id)
    assert ("Kim",) not in others

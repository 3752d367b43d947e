"""The briefing in other forms: by parameter or `Accept`, each with an ETag of its own, of any day; and as cards."""

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from api.modules.intent.pages import asked_form
from tests.integration.api.conftest import Api
from tests.integration.api.test_briefing_diff import store
from tests.unit.briefing.documents import briefing, hostile, item

BRIEFING = "/api/v1/intent/briefing"
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


async def test_a_page_in_the_form_that_is_asked_for(api: Api) -> None:
    store(api, "owner", 1, NOW, orjson.dumps(briefing()).decode())
    store(api, "owner", 2, NOW + timedelta(days=1), orjson.dumps(hostile("<script>alert(1)</script>")).decode())
    async with api.client(api.a) as client:
        html = await client.get(BRIEFING, headers={"accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"})
        assert html.headers["content-type"] == "text/html; charset=utf-8"
        assert html.headers["content-security-policy"].startswith("default-src 'none'")
        assert "<script" not in html.text
        markdown = await client.get(BRIEFING, params={"format": "markdown", "as_of": NOW.isoformat()})
        assert markdown.headers["content-type"] == "text/markdown; charset=utf-8"
        assert "[Call about Renewal](http://127.0.0.1:5173/recommendations/r1)" in markdown.text
        json = await client.get(BRIEFING, headers={"accept": "*/*"})
        assert json.headers["content-type"] == "application/json"
        tags = [one.headers["etag"] for one in (html, markdown, json)]
        assert len(set(tags)) == 3
        known = await client.get(BRIEFING, headers={"accept": "text/html", "if-none-match": tags[0]})
        assert (known.status_code, known.content) == (304, b"")
        other = await client.get(BRIEFING, headers={"accept": "text/html", "if-none-match": tags[2]})
        assert other.status_code == 200, "another form is not what is known"
        assert (await client.get(BRIEFING, params={"format": "pdf"})).status_code == 422


async def test_cards_of_any_day(api: Api) -> None:
    store(api, "owner", 1, NOW, orjson.dumps(briefing()).decode())
    store(api, "owner", 2, NOW + timedelta(days=1), orjson.dumps(briefing(items=[item(signals=[])])).decode())
    async with api.client(api.a) as client:
        past = (await client.get(f"{BRIEFING}/cards", params={"as_of": NOW.isoformat()})).json()
        assert [card["card"] for card in past["cards"]] == ["DealQuiet", "GoodNews"]
        assert past["headline"] == briefing()["headline"]
        latest = (await client.get(f"{BRIEFING}/cards")).json()
        assert [card["card"] for card in latest["cards"]] == ["Recommendation", "GoodNews"]
    async with api.client(api.a, "member") as client:
        assert (await client.get(f"{BRIEFING}/cards")).status_code == 404


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", "json"), ("*/*", "json"), ("application/json", "json"), ("text/markdown", "markdown"),
        ("image/png, TEXT/HTML;q=0.9", "html"), ("application/json, text/html", "json"),
    ],
)  # fmt: skip
def test_the_form_that_is_named_first(accept: str, form: str) -> None:
    assert asked_form(accept) == form

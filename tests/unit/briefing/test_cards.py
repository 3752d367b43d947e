"""Cards: one for each finding, as the guide says, with what the app needs to act."""

import re
from pathlib import Path

from bevyly.briefing.cards import CARDS, FALLBACK, NEWS_FALLBACK, cards_of
from models.ranking.catalogue import ACTIONS
from models.signals.registry import DETECTORS
from tests.unit.briefing.documents import briefing, item, news

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "briefing.md"


def test_the_guide_has_the_registry() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \| (.*?) \|$", GUIDE.read_text(), re.MULTILINE)
    told = [
        (
            kind.name, kind.shows, ", ".join(kind.signals) or "–", ", ".join(kind.actions) or "–",
            ("news" if kind.news else "item") + (", together" if kind.together else ""),
        )
        for kind in CARDS
    ]  # fmt: skip
    assert rows == told
    for fields in {kind.fields for kind in CARDS}:
        assert ", ".join(f"`{name}`" for name in fields) in GUIDE.read_text().replace("\n", " ")


def test_every_finding_makes_a_card() -> None:
    shown = {signal for kind in CARDS for signal in kind.signals}
    assert {detector.signal_type for detector in DETECTORS} <= shown
    assert {action for kind in CARDS for action in kind.actions} <= {action.action_type for action in ACTIONS}
    assert len({kind.name for kind in CARDS}) == len(CARDS)


def test_a_card_is_of_the_signal_behind_the_item() -> None:
    both = [
        {"id": "s0", "type": "deal_stalled", "severity": "low"},
        {"id": "s1", "type": "ghosted", "severity": "high"},
    ]
    cards = cards_of(
        briefing(
            items=[
                item(signals=both),
                item(recommendation_id="r2", signals=both, signal_id=None),
                item(recommendation_id="r3", signals=[], action={"type": "close_lost", "label": "x", "payload": {}}),
                item(recommendation_id="r4", signals=[], signal_id=None),
            ],
            good_news=[news(), news(signal_id="g2", signal_type="executive_engaged")],
        )
    )
    assert [card["card"] for card in cards] == [
        "DealQuiet", "DealQuiet", "DealOver", FALLBACK, NEWS_FALLBACK, "ExecutiveEngaged",
    ]  # fmt: skip
    assert cards[0]["title"] == "Call about Renewal"
    assert cards[0]["entries"][0]["links"]["accept"] == "/api/v1/intent/recommendations/r1/accept"
    assert cards[0]["entries"][0]["links"]["entity"] == "/api/v1/opportunities/o1"
    assert list(cards[0]["entries"][0]) == list(CARDS[0].fields)


def test_leads_are_shown_together() -> None:
    ready = [{"id": "s1", "type": "lead_ready", "severity": "high"}]
    [card] = cards_of(briefing(items=[item(signals=ready), item(recommendation_id="r2", signals=ready)], good_news=[]))
    assert (card["card"], card["id"], card["title"]) == (
        "LeadsReady", "LeadsReady", "2 leads are ready, worth about EUR 840",
    )  # fmt: skip
    assert [entry["recommendation_id"] for entry in card["entries"]] == ["r1", "r2"]


def test_a_briefing_that_was_stored_before_cards_has_some_too() -> None:
    old, old_news = item(), news()
    del old["signal_id"], old_news["signal_type"]
    assert [card["card"] for card in cards_of(briefing(items=[old], good_news=[old_news]))] == ["DealQuiet", "GoodNews"]

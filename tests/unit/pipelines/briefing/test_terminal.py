"""The page on a terminal: complete, readable, never wider than it may be."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from bevyly.briefing.terminal import WIDTH, render
from pipelines.briefing.compose import compose
from pipelines.briefing.evidence import describe
from tests.unit.pipelines.briefing.builders import NOW, entity, inputs, parsed, recommendation, signal


def page(document: dict[str, Any], width: int = WIDTH) -> str:
    console = Console(width=width, file=StringIO(), highlight=False)
    render(document, console=console)
    return console.file.getvalue()


def document(**rows: Any) -> dict[str, Any]:
    return parsed(compose(inputs(**rows), as_of=NOW, generated_at=NOW))


def test_a_page_says_what_why_how_much_and_shows_proof() -> None:
    text = page(document(signals=[signal(polarity="+", title="The customer answered")]))
    for words in (
        "Briefing for Monday, 23 November 2026", "1. Call about Renewal", "EUR 420  (120 to 800)",
        "Call · Blue Harbor · proposal · Rita Rep · chance 40 %, 45 % with it", "Offer of EUR 15,000 sent 9 days ago",
        "+ The customer answered", "20 Nov 06:00  Call by us, 4 minutes  [e2]", "Good news", "Win model m1: 900 rows",
    ):  # fmt: skip
        assert words in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = "A very long name of a deal that somebody typed in " * 4
    text = page(
        document(recommendations=[recommendation(title=long, rationale=long)], entities=[entity(name=long)]), width
    )
    assert max(len(line) for line in text.splitlines()) <= width


def test_markup_in_a_name_is_text() -> None:
    assert "[bold]Evil[/bold]" in page(document(recommendations=[recommendation(title="Call [bold]Evil[/bold]")]))


def test_a_low_end_below_nothing_reads_as_up_to() -> None:
    assert "(up to 800)" in page(document(recommendations=[recommendation(expected_value_low_minor=-5)]))


@pytest.mark.parametrize(
    ("display", "words"), [("band", "band B"), ("rules", "chance by rule of thumb"), ("probability", "chance 40 %")]
)
def test_the_display_of_the_chance_falls_back(display: str, words: str) -> None:
    assert words in page(document(recommendations=[recommendation(display=display)]))


def test_a_stale_briefing_says_so() -> None:
    stale = document() | {"status": "stale", "stale_reason": "checks failed"}
    assert "Not today's picture: checks failed" in page(stale)


@pytest.mark.parametrize(
    ("event_type", "data", "words"),
    [
        ("call.completed", {"direction": "inbound", "duration_seconds": 20}, "Call from the customer, 1 minute"),
        ("opportunity.stage_changed", {"status": "lost"}, "Deal lost"),
        ("opportunity.stage_changed", {"status": "open", "to_stage": "proposal"}, "Stage changed to proposal"),
        (
            "opportunity.updated",
            {"after": {"value_minor": 1, "expected_close_date": 2}},
            "Changed: expected close date, value minor",
        ),
        ("lead.created", {"source": "web"}, "Lead came in (web)"),
        ("something.new_here", {}, "Something new here"),
    ],
)
def test_events_in_words(event_type: str, data: dict[str, Any], words: str) -> None:
    assert describe(event_type, data) == words

"""A stored briefing as the lines of a page: every text finished, nothing laid out. All layouts print the same page.

Belongs here: which lines there are, and in which order. Escaping is up to the layout.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from bevyly.briefing.words import chance, moment, span, whole, worded

MAX_PROOF = 3
Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line, and where it leads to (empty without an app); `mark` is `+`, `-` or a short id."""

    text: str
    href: str = ""
    mark: str = ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing worth doing."""

    rank: int
    title: Line
    priority: str
    value: str
    span: str
    context: str
    rationale: str
    reasons: list[Line]
    proof: list[Line]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole briefing."""

    title: str
    headline: str
    subtitle: str
    stale: str
    items: list[Item]
    good_news: list[Line]
    not_shown: str
    models: list[str]


def page_of(document: Row, *, app_url: str = "") -> Page:
    """The page of a briefing; its lines lead into the app at `app_url`, where one is given."""
    leads = _Links(app_url.rstrip("/"))
    day, left = datetime.fromisoformat(document["as_of"]), document["not_shown"]
    shown = ", ".join(f"{part['count']:,} {part['reason']}" for part in left)
    return Page(
        title=f"Briefing for {day:%A, %d %B %Y}",
        headline=document["headline"],
        subtitle=_subtitle(document),
        stale=f"Not today's picture: {document['stale_reason']}" if document["status"] == "stale" else "",
        items=[_item(item, leads) for item in document["items"]],
        good_news=[Line(text=news["text"], href=leads.entity(news["entity"])) for news in document["good_news"]],
        not_shown=f"Not shown: {shown}." if left else "",
        models=[_model(model) for model in document["models"]],
    )


class _Links:
    """Where things are in the app; empty without one."""

    def __init__(self, app_url: str) -> None:
        self._app_url = app_url

    def recommendation(self, item: Row) -> str:
        return self._to("recommendations", item["recommendation_id"])

    def entity(self, entity: Row) -> str:
        return self._to(entity["type"], entity["id"])

    def event(self, entity: Row, event: Row) -> str:
        there = self.entity(entity)
        return f"{there}?event={quote(event['event_id'], safe='')}" if there else ""

    def _to(self, *parts: str) -> str:
        return "/".join([self._app_url, *(quote(part, safe="") for part in parts)]) if self._app_url else ""


def _subtitle(document: Row) -> str:
    summary = document["summary"]
    pipeline = " and ".join(whole(part["amount_minor"], part["currency"]) for part in summary["pipeline"])
    return " · ".join(
        [
            document["user"]["name"] or "You",
            _count(summary["open_opportunities"], "open deal") + (f" ({pipeline})" if pipeline else ""),
            _count(summary["open_leads"], "open lead"),
            f"showing {summary['items_shown']} of {summary['items_found']:,}",
        ]
    )


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def _item(item: Row, leads: _Links) -> Item:
    value = item["expected_value"]
    return Item(
        rank=item["rank"],
        title=Line(text=item["title"], href=leads.recommendation(item)),
        priority=item["priority"],
        value=whole(value["amount_minor"], value["currency"]),
        span=span(value),
        context=_context(item),
        rationale=worded(item),
        reasons=_reasons(item["reasons"]),
        proof=[
            Line(
                text=f"{moment(event['occurred_at'])}  {event['text']}",
                href=leads.event(item["entity"], event),
                mark=event["event_id"][-8:],
            )
            for event in item["evidence"][:MAX_PROOF]
        ],
    )


def _context(item: Row) -> str:
    entity, odds = item["entity"], chance(item["probability"])
    parts = [item["action"]["label"]]
    parts += [str(entity[name]) for name in ("account_name", "stage", "owner_name") if entity[name]]
    return " · ".join([*parts, odds] if odds else parts)


def _reasons(reasons: Sequence[Row]) -> list[Line]:
    """The two strongest reasons for and the strongest against, a line each."""
    scored = [reason for reason in reasons if reason["contribution"] is not None]
    bright = [Line(mark="+", text=one["text"]) for one in scored if one["contribution"] > 0][:2]
    dark = [Line(mark="-", text=one["text"]) for one in scored if one["contribution"] < 0][:1]
    return [*bright, *dark]


def _model(model: Row) -> str:
    until = f", trained to {model['trained_to'][:10]}" if model["trained_to"] else ""
    return f"{model['type'].capitalize()} model {model['version'][-8:]}: {model['n']:,} rows{until}."

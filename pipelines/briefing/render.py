"""The briefing on a terminal, for somebody who has ten minutes before the first call.

Belongs here: layout with rich, up to 100 columns wide. The content is the stored document, unchanged.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from pipelines.briefing.words import whole

WIDTH = 100
MAX_PROOF = 3
_PRIORITY = {"critical": "bold red", "high": "bold yellow", "medium": "cyan", "low": "dim"}
Row = Mapping[str, Any]


def render(document: Row, *, console: Console | None = None) -> None:
    """Print `document` (a briefing as stored, parsed) to `console`, or to a terminal of at most WIDTH columns."""
    target = console or Console(width=min(WIDTH, Console().width), highlight=False)
    target.print(page(document))


def page(document: Row) -> RenderableType:
    """The whole briefing as one renderable."""
    parts: list[RenderableType] = [_top(document)]
    parts += [_item(item) for item in document["items"]]
    if document["good_news"]:
        parts += [
            Rule("Good news", style="green", align="left"),
            *(_good(news) for news in document["good_news"]),
            Text(),
        ]
    parts.append(_foot(document))
    return Group(*parts)


def _top(document: Row) -> RenderableType:
    day = datetime.fromisoformat(document["as_of"])
    summary = document["summary"]
    pipeline = " and ".join(whole(part["amount_minor"], part["currency"]) for part in summary["pipeline"])
    open_work = f"{summary['open_opportunities']:,} open deals" + (f" ({pipeline})" if pipeline else "")
    lines = Text()
    lines.append(f"\n{document['headline']}\n", style="bold")
    lines.append(
        f"{document['user']['name'] or 'You'} · {open_work} · {summary['open_leads']:,} open leads · "
        f"showing {summary['items_shown']} of {summary['items_found']:,}\n",
        style="dim",
    )
    if document["status"] == "stale":
        lines.append(f"Not today's picture: {document['stale_reason']}\n", style="bold red")
    return Group(Rule(f"Briefing for {day:%A, %d %B %Y}", style="blue"), lines)


def _item(item: Row) -> RenderableType:
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(width=3, justify="right", style="bold")
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    title = Text(item["title"], style="bold")
    title.append(f"  {item['priority']}", style=_PRIORITY.get(item["priority"], ""))
    head.add_row(f"{item['rank']}.", title, _value(item["expected_value"]))
    body: list[RenderableType] = [_context(item), Text(item["rationale"])]
    body += _reasons(item["reasons"])
    body += [_proof(event) for event in item["evidence"][:MAX_PROOF]]
    return Group(head, Padding(Group(*body), (0, 0, 1, 4)))


def _value(value: Row) -> Text:
    text = Text(whole(value["amount_minor"], value["currency"]), style="bold green")
    low, high = (whole(value[end], value["currency"]).partition(" ")[2] for end in ("low_minor", "high_minor"))
    text.append(f"  ({low} to {high})" if value["low_minor"] > 0 else f"  (up to {high})", style="green")
    return text


def _context(item: Row) -> Text:
    entity, chance = item["entity"], item["probability"]
    parts = [item["action"]["label"]]
    parts += [str(entity[name]) for name in ("account_name", "stage", "owner_name") if entity[name]]
    parts += [odds for odds in (_chance(chance),) if odds]
    return Text(" · ".join(parts), style="dim")


def _chance(chance: Row) -> str:
    if chance["now"] is None:
        return ""
    if chance["display"] == "band":
        return f"band {chance['band']}"
    if chance["display"] == "rules":
        return "chance by rule of thumb"
    now, then = round(100 * chance["now"]), round(100 * chance["with_action"])
    return f"chance {now} %" + (f", {then} % with it" if then != now else "")


def _reasons(reasons: Sequence[Row]) -> list[Text]:
    """The two strongest reasons for and the strongest against, a line each."""
    scored = [reason for reason in reasons if reason["contribution"] is not None]
    bright = [Text.assemble(("+ ", "green"), r["text"]) for r in scored if r["contribution"] > 0][:2]
    dark = [Text.assemble(("- ", "red"), r["text"]) for r in scored if r["contribution"] < 0][:1]
    return [*bright, *dark]


def _proof(event: Row) -> Text:
    when = datetime.fromisoformat(event["occurred_at"])
    line = Text(f"{when:%d %b %H:%M}  {event['text']}", style="italic")
    line.append(f"  [{event['event_id'][-8:]}]", style="dim")
    return line


def _good(news: Row) -> Text:
    return Text(f"  + {news['text']}", style="green")


def _foot(document: Row) -> RenderableType:
    lines = Text(style="dim")
    if document["not_shown"]:
        shown = ", ".join(f"{part['count']:,} {part['reason']}" for part in document["not_shown"])
        lines.append(f"Not shown: {shown}.\n")
    for model in document["models"]:
        until = f", trained to {model['trained_to'][:10]}" if model["trained_to"] else ""
        lines.append(f"{model['type'].capitalize()} model {model['version'][-8:]}: {model['n']:,} rows{until}.\n")
    return Group(Rule(style="blue"), lines)

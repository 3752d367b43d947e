"""The briefing on a terminal, for somebody who has ten minutes before the first call.

Belongs here: layout with rich, up to 100 columns wide. The lines are those of `page`.
"""

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bevyly.briefing.page import Item, Line, Page, page_of

WIDTH = 100
_PRIORITY = {"critical": "bold red", "high": "bold yellow", "medium": "cyan", "low": "dim"}
_MARKS = {"+": "green", "-": "red"}


def render(document: Mapping[str, Any], *, console: Console | None = None) -> None:
    """Print `document` (a briefing as stored, parsed) to `console`, or to a terminal of at most WIDTH columns."""
    target = console or Console(width=min(WIDTH, Console().width), highlight=False)
    target.print(laid_out(page_of(document)))


def laid_out(page: Page) -> RenderableType:
    """The whole briefing as one renderable."""
    parts: list[RenderableType] = [_top(page), *(_item(item) for item in page.items)]
    if page.good_news:
        good = (Text(f"  + {news.text}", style="green") for news in page.good_news)
        parts += [Rule("Good news", style="green", align="left"), *good, Text()]
    foot = Text("".join(f"{line}\n" for line in (page.not_shown, *page.models) if line), style="dim")
    return Group(*parts, Rule(style="blue"), foot)


def _top(page: Page) -> RenderableType:
    lines = Text()
    lines.append(f"\n{page.headline}\n", style="bold")
    lines.append(f"{page.subtitle}\n", style="dim")
    if page.stale:
        lines.append(f"{page.stale}\n", style="bold red")
    return Group(Rule(page.title, style="blue"), lines)


def _item(item: Item) -> RenderableType:
    head = Table.grid(expand=True, padding=(0, 1))
    head.add_column(width=3, justify="right", style="bold")
    head.add_column(ratio=1)
    head.add_column(justify="right", no_wrap=True)
    title = Text(item.title.text, style="bold")
    title.append(f"  {item.priority}", style=_PRIORITY.get(item.priority, ""))
    value = Text(item.value, style="bold green")
    value.append(f"  ({item.span})", style="green")
    head.add_row(f"{item.rank}.", title, value)
    body: list[RenderableType] = [Text(item.context, style="dim"), Text(item.rationale)]
    body += [Text.assemble((f"{reason.mark} ", _MARKS[reason.mark]), reason.text) for reason in item.reasons]
    body += [_proof(line) for line in item.proof]
    return Group(head, Padding(Group(*body), (0, 0, 1, 4)))


def _proof(line: Line) -> Text:
    return Text.assemble((line.text, "italic"), (f"  [{line.mark}]", "italic dim"))

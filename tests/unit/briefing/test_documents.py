"""Markdown and HTML say what the page says, whatever names say; a parser of each format is the judge."""

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from bevyly.briefing.documents import as_html, as_markdown
from tests.unit.briefing.documents import briefing, hostile

APP = "https://app.example"
ATTACKS = (
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "{{ 7 * 7 }}{% raw %}", "[a](javascript:alert(1))",
    "**bold** _it_ `code` ~~x~~ # h", "see http://evil.example or www.evil.example or a@evil.example",
    "&lt;b&gt; &amp; \\",
    "![](https://evil.example/pixel.png)", "1. one\n- two\n> three\n---", "javascript:alert(1)", "<!-- -->]]>", "<https://x.y>",
)  # fmt: skip
names = st.one_of(
    st.sampled_from(ATTACKS), st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40)
)
SAFE_TAGS = {
    "html", "head", "meta", "title", "style", "body", "table", "tbody", "tr", "td", "h1", "h2", "div", "span", "b", "p",
    "ul", "li", "a", "code",
}  # fmt: skip


class Read(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.attributes: set[str] = set()
        self.text: list[str] = []
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.tags.add("!--")


def unjoined(text: str) -> str:
    """`text` without what keeps programs from making links of it, in one line."""
    return " ".join(text.replace("\N{WORD JOINER}", "").split())


@pytest.mark.parametrize("render", [as_html, as_markdown])
def test_a_document_says_what_why_how_much_and_shows_proof(render: Any) -> None:
    text = unjoined(render(briefing(), app_url=APP).replace("\\", ""))
    for words in (
        "Briefing for Monday, 23 November 2026", "Call about Renewal", "EUR 420", "120 to 800", "high", "Blue Harbor",
        "chance 40 %, 45 % with it", "no answer.", "The customer answered", "Amount: 50,000", "20 Nov 06:00 Call by us",
        "Good news", "Not shown: 3 worth less", "Win model 38f6e-m1: 900 rows", f"{APP}/recommendations/r1",
        f"{APP}/opportunity/o1?event=01938f6e-e2",
        "1 open deal (EUR 15,000) · 12 open leads · showing 1 of 4",
    ):  # fmt: skip
        assert words in text, words


def test_without_an_app_nothing_leads_anywhere() -> None:
    assert Read(as_html(briefing())).links == []
    assert "](" not in as_markdown(briefing())


def test_a_stale_briefing_says_so() -> None:
    stale = briefing(status="stale", stale_reason="checks failed")
    for text in (as_html(stale), as_markdown(stale)):
        assert "today" in text
        assert "checks failed" in text


@settings(max_examples=300)
@given(names)
@example("'\"")
def test_html_prints_names_and_nothing_else(name: str) -> None:
    text = as_html(hostile(name), app_url=APP)
    page = Read(text)
    assert page.tags <= SAFE_TAGS
    assert page.attributes <= {
        "lang",
        "charset",
        "name",
        "content",
        "class",
        "href",
        "role",
        "align",
        "cellpadding",
        "cellspacing",
    }
    assert all(link.startswith(f"{APP}/") for link in page.links), "no asset, and no way out of the app"
    assert unjoined(name) in unjoined("".join(page.text)) or not unjoined(name)
    for address in ("http://evil", "www.evil", "a@evil"):
        assert address not in "".join(page.text), "no program makes a link of it"


@settings(max_examples=300)
@given(names)
@example("'\"")
def test_markdown_prints_names_and_nothing_else(name: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(as_markdown(hostile(name), app_url=APP))
    inner = [one for token in tokens for one in token.children or []]
    assert {token.type for token in tokens} <= {
        "heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "bullet_list_open",
        "bullet_list_close", "list_item_open", "list_item_close", "hr",
    }  # fmt: skip
    assert {one.type for one in inner} <= {
        "text", "text_special", "strong_open", "strong_close", "link_open", "link_close", "code_inline", "softbreak",
    }  # fmt: skip
    links = [str(one.attrs["href"]) for one in inner if one.type == "link_open"]
    assert all(link.startswith(f"{APP}/") for link in links)
    printed = unjoined(" ".join("".join(one.content for one in token.children or []) for token in tokens))
    assert unjoined(name) in printed

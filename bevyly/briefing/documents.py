"""The briefing as a document to send: Markdown for a chat or an e-mail, and an HTML e-mail.

Templates lay out the page; every value that they print is escaped for its format, whoever wrote it: names come from
forms on the web. Nothing is loaded from anywhere, and nothing tells us that somebody read it.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from bevyly.briefing.page import page_of

_SPECIAL = re.compile(r"([\\`*_\[\]|~])")
_AT_THE_START = re.compile(r"^(\d*)([#+\-=.)])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_JOINER = "\N{WORD JOINER}"
"""Takes no room. Programs that make links of what looks like one leave an address alone that has it inside."""


def as_markdown(document: Mapping[str, Any], *, app_url: str = "") -> str:
    """CommonMark, as mail programs and the markdown block of Slack read it."""
    return _environment("md").get_template("briefing.md.j2").render(page=page_of(document, app_url=app_url))


def as_html(document: Mapping[str, Any], *, app_url: str = "") -> str:
    """A complete page that is also an e-mail: one column, its own style, light and dark."""
    return _environment("html").get_template("briefing.html.j2").render(page=page_of(document, app_url=app_url))


def markdown_text(text: str) -> str:
    """`text` so that CommonMark prints it and nothing else."""
    line = " ".join(_unlinked(text).split())
    entities = "".join(_ENTITIES.get(letter, letter) for letter in line)
    return _AT_THE_START.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", entities))


def _unlinked(text: str) -> str:
    return text.replace("://", f":{_JOINER}//").replace("www.", f"www{_JOINER}.").replace("@", f"{_JOINER}@")


def _plain(value: Any) -> Any:
    """A value as HTML prints it; escaping is the environment's."""
    return _unlinked(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _in_markdown(value: Any) -> str:
    return value if isinstance(value, Markup) else markdown_text(str(value))


@cache
def _environment(form: str) -> Environment:
    is_html = form == "html"
    environment = Environment(
        loader=PackageLoader("bevyly.briefing"),
        autoescape=select_autoescape(("html.j2",), default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_plain if is_html else _in_markdown,
    )
    # an address of ours, made of quoted parts: printed as it is where it is an address
    environment.filters["address"] = Markup
    return environment

"""The briefing in the form that is asked for: JSON for programs, Markdown for chats, HTML for browsers and e-mails."""

import orjson
from fastapi import Response

from api.modules.intent.briefings import Published
from bevyly.briefing.documents import as_html, as_markdown

_FORMS = {"text/html": "html", "text/markdown": "markdown", "application/json": "json"}
_PAGES = {"html": ("text/html", as_html), "markdown": ("text/markdown", as_markdown)}
# the page is a document of names from anywhere: whatever got past the escaping could load and run nothing
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def asked_form(accept: str) -> str:
    """The form that `Accept` names first; JSON where it names none of ours."""
    wanted = (one.partition(";")[0].strip().lower() for one in accept.split(","))
    return next((_FORMS[one] for one in wanted if one in _FORMS), "json")


def page_in(form: str, published: Published, *, app_url: str, headers: dict[str, str]) -> Response:
    """The briefing as a page."""
    media_type, rendered = _PAGES[form]
    text = rendered(orjson.loads(published.body), app_url=app_url)
    safe = {"content-security-policy": _POLICY, "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}
    return Response(text, media_type=f"{media_type}; charset=utf-8", headers=headers | safe)

"""The link in each email of a sequence, over HTTP and without an account: GET shows a button, POST ends the mails."""

from html import escape
from typing import Annotated

from fastapi import Path, Request, Response

from api.dependencies.work import Process
from api.modules.sequences.unsubscribing import Subscriber, Unsubscribing
from api.problems import request_id_of
from api.routing import area, costs, problems, requires

router = area("/unsubscribe", "sequences")
Token = Annotated[str, Path(max_length=200)]
_ANSWERS = problems(404) | {
    200: {"content": {"text/html": {"schema": {"type": "string"}}}, "description": "A page for a person"}
}
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; form-action 'self'",
    "referrer-policy": "no-referrer",
}


@router.get("/{token}", responses=_ANSWERS, response_class=Response)
@requires("public")
@costs("reads")
async def show_unsubscribe(token: Token, request: Request, process: Process) -> Response:
    """A page with one button. It changes nothing, whoever opens it: mail scanners follow every link."""
    return _page(await Unsubscribing(process, request_id_of(request)).look(token))


@router.post("/{token}", responses=_ANSWERS, response_class=Response)
@requires("public")
@costs("writes")
async def unsubscribe_recipient(token: Token, request: Request, process: Process) -> Response:
    """Write to this person no more, and end what runs. Mail programs call it as RFC 8058 says; again is the same."""
    return _page(await Unsubscribing(process, request_id_of(request)).use(token))


def _page(found: Subscriber) -> Response:
    addresses, company = escape(" and ".join(found.addresses)), escape(found.company)
    if found.unsubscribed:
        said = f"<p>{company} sends no more such mails to {addresses}.</p>"
    else:
        said = f"<p>Shall {company} send no more such mails to {addresses}?</p>"
        said += "<form method=post><button>Send no more</button></form>"
    page = f"<!doctype html>\n<meta charset=utf-8>\n<title>Mails of {company}</title>\n{said}\n"
    return Response(page, media_type="text/html; charset=utf-8", headers=_HEADERS)

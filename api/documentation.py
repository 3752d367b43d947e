"""The OpenAPI document, and the page that shows it from files that we ship: no content delivery network is asked."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from api.dependencies.rate_limit import RateLimits
from api.routing import PROBLEM_SCHEMA

ASSETS = "/docs/assets"
_PACKAGE = "fastapi_offline"
_PLAIN = "<!doctype html><title>Bevyly API</title><p>The API is described by <a href='/openapi.json'>openapi.json</a>."
_PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:"
)
_SCHEMES = {
    "access_token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}


def install(app: FastAPI, limits: RateLimits) -> None:
    """Let `app` serve its OpenAPI document and its documentation page."""
    app.openapi = lambda: _document(app, limits)  # type: ignore[method-assign]
    found = find_spec(_PACKAGE)
    if found is not None and found.origin is not None:
        app.mount(ASSETS, StaticFiles(directory=Path(found.origin).parent / "static"), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def page() -> Response:
        if found is None:
            return HTMLResponse(_PLAIN)
        html = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title="Bevyly API",
            swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
            swagger_css_url=f"{ASSETS}/swagger-ui.css",
            swagger_favicon_url=f"{ASSETS}/favicon.png",
        )
        html.headers["content-security-policy"] = _PAGE_POLICY
        return html


def _document(app: FastAPI, limits: RateLimits) -> dict[str, Any]:
    if app.openapi_schema is None:
        document = get_openapi(
            title="Bevyly",
            version="1",
            openapi_version="3.1.0",
            summary="The few things worth doing today, each with its reason, expected value and proof.",
            description=_description(limits),
            routes=app.routes,
        )
        components = document.setdefault("components", {})
        schema = dict(PROBLEM_SCHEMA)
        components.setdefault("schemas", {}).update({**schema.pop("$defs", {}), "Problem": schema})
        components["securitySchemes"] = _SCHEMES
        app.openapi_schema = document
    return app.openapi_schema


def _description(limits: RateLimits) -> str:
    rows = "\n".join(
        f"| `{rule.name}` | {counts} | {whose} | {rule.limit} in {rule.seconds} s |"
        for rule, counts, whose in limits.published()
    )
    return (
        "Every POST that needs a log-in, and sign-up, takes an `Idempotency-Key`: the same request again gets the same "
        "answer for 24 hours. Records carry an `ETag`; changes take `If-Match`. Errors are `application/problem+json` "
        "with a stable `code`.\n\n"
        "Answers say in `RateLimit-Policy` and `RateLimit` by which limit they were counted and what is left of it; "
        "each route names its own as `x-rate-limit`. 429 and 503 come with `Retry-After`. Attempts to log in that fail "
        "wait besides, a little longer each time.\n\n"
        f"| limit | counts | for each | at most |\n|---|---|---|---|\n{rows}\n"
    )

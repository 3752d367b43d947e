"""The page that shows the document: Redoc, from files that we ship. No other host is asked, no inline script runs."""

from html import escape
from importlib.util import find_spec
from pathlib import Path

import orjson
from fastapi import FastAPI
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

ASSETS = "/docs/assets"
_PACKAGE = "fastapi_offline"
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # the page styles itself while it runs
        "style-src 'unsafe-inline'",
        "img-src 'self' data:",
        "connect-src 'self'",
        # its search
        "worker-src blob:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_MONO = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"
_THEME = {
    "spacing": {"sectionVertical": 28},
    "colors": {"primary": {"main": "#3b4cca"}, "success": {"main": "#1a7f4b"}},
    "typography": {
        "fontSize": "15px",
        "lineHeight": "1.6",
        "fontFamily": _FONT,
        "headings": {"fontFamily": _FONT, "fontWeight": "600"},
        "code": {"fontFamily": _MONO, "fontSize": "13px", "wrap": True},
    },
    "sidebar": {"backgroundColor": "#f6f7fb", "width": "280px"},
    "rightPanel": {"backgroundColor": "#1b2033"},
}
_PAGE = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Bevyly API</title>
<link rel="icon" href="data:,">
<style>body {{ margin: 0 }} img[src*="cdn.redoc.ly"] {{ display: none }}</style>
</head>
<body>
<redoc spec-url="/openapi.json" expand-responses="200,201" json-sample-expand-level="3" required-props-first
 hide-download-button path-in-middle-panel theme="{escape(orjson.dumps(_THEME).decode())}"></redoc>
<noscript><p>The API is described by <a href="/openapi.json">openapi.json</a>.</p></noscript>
<script src="{ASSETS}/redoc.standalone.js"></script>
</body>
</html>
"""


def install(app: FastAPI) -> None:
    """Let `app` serve the page at `/docs`."""
    found = find_spec(_PACKAGE)
    assert found is not None
    assert found.origin is not None
    app.mount(ASSETS, StaticFiles(directory=Path(found.origin).parent / "static"), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def page() -> HTMLResponse:
        return HTMLResponse(_PAGE, headers={"content-security-policy": _POLICY})

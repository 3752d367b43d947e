"""Which pages of other origins may call the API: those that CORS_ORIGINS names exactly, or all.

No cookies are involved and no credentials allowed: a page sends its token itself. A preflight is answered before
anybody is asked who they are.
"""

import re

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from bevyly.errors import MissingDependency
from bevyly.settings import Settings

ALLOWED = (
    *("authorization", "content-type", "idempotency-key", "if-match", "if-none-match"),
    *("last-event-id", "x-api-key", "x-request-id"),
)
EXPOSED = (
    *("etag", "location", "idempotency-replayed", "ratelimit", "ratelimit-policy", "retry-after", "x-request-id"),
    "content-disposition",
)
PREFLIGHT_SECONDS = 600
_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?")


def install(app: FastAPI, settings: Settings) -> None:
    """Let `app` answer pages of the origins that `settings` name; of nobody where they name none."""
    origins = origins_of(settings)
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST", "PATCH", "PUT", "DELETE"],
            allow_headers=list(ALLOWED),
            expose_headers=list(EXPOSED),
            max_age=PREFLIGHT_SECONDS,
        )


def origins_of(settings: Settings) -> list[str]:
    """The origins that are allowed; raises `MissingDependency` for what is none."""
    origins = [one.strip() for one in settings.cors_origins.split(",") if one.strip()]
    if origins == ["*"]:
        return origins
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise MissingDependency(
                f"CORS_ORIGINS holds {origin!r}, which is no origin: https://app.example, without a path."
            )
    return origins

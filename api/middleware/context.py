"""The outermost layer: request id, security headers, metrics, and the last answer to what nobody foresaw."""

import re
from functools import lru_cache
from time import perf_counter

import structlog
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem
from bevyly.ids import new_id

REQUESTS = Counter("bevyly_http_requests_total", "Answers by route and status.", ["method", "route", "status"])
SECONDS = Histogram(
    "bevyly_http_request_seconds",
    "Time from the first byte of a request to the last of its answer.",
    ["route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
_METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SECURITY = [
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=63072000; includeSubDomains"),
]
_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_NO_STORE = (b"cache-control", b"no-store")
log = structlog.get_logger()


class RequestContext:
    """Gives each request an id, each answer its headers, and counts both."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        await _Exchange(scope).run(self.app, receive, send)


class _Exchange:
    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.state = scope.setdefault("state", {})
        self.state["request_id"] = _request_id(scope["headers"])
        self.status = 0
        self.started = perf_counter()

    async def run(self, app: ASGIApp, receive: Receive, send: Send) -> None:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                message["headers"] = self._with_headers(message.get("headers", []))
            await send(message)

        try:
            await app(self.scope, receive, answer)
        except Exception:  # the outermost layer: whatever failed is logged once and answered
            log.exception("request_failed", request_id=self.state["request_id"], path=self.scope["path"])
            if self.status == 0:
                await self._apologise()(self.scope, receive, answer)
        finally:
            self._count()

    def _apologise(self) -> ASGIApp:
        return problem(
            status=500,
            code="internal",
            title="Something went wrong on our side",
            detail="We have the details under this request id.",
            request_id=self.state["request_id"],
        )

    def _with_headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        added = [*headers, *_SECURITY, (b"x-request-id", self.state["request_id"].encode())]
        names = {name for name, _ in headers}
        if b"content-security-policy" not in names:
            added.append(_POLICY)
        if b"cache-control" not in names:
            added.append(_NO_STORE)
        decision = self.state.get("rate")
        return [*added, *decision.headers()] if decision is not None else added

    def _count(self) -> None:
        route = getattr(self.scope.get("route"), "path", "unmatched")
        requests, seconds = _counters(self.scope["method"], route, self.status)
        requests.inc()
        seconds.observe(perf_counter() - self.started)


@lru_cache(maxsize=2048)
def _counters(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    known = method if method in _METHODS else "other"
    return REQUESTS.labels(known, route, str(status)), SECONDS.labels(route)


def _request_id(headers: list[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return value.decode()
    return new_id()

"""How much one request may cost before anybody looks at it: headers, body, time, and how many at once.

The body is read here, whole and before the routes, so that neither a slow nor a huge one reaches a database connection.
None is unpacked: a kilobyte that becomes a gigabyte is refused for its `Content-Encoding`.
A file goes through a temporary file of its own, so that it is never in memory as a whole.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from hashlib import sha256
from typing import IO

from prometheus_client import Counter, Gauge
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.problems import problem

MAX_BODY_BYTES = 1024 * 1024
# 1,000 events or rows, each of up to about 4 KiB
_MANY = ("events", *(f"{kind}/batch" for kind in ("accounts", "contacts", "leads", "opportunities", "activities")))
LARGER_BODIES = {f"/api/v1/{path}": 4 * 1024 * 1024 for path in _MANY}
FILES = {"/api/v1/imports": 50 * 1024 * 1024}
FILE_SECONDS = 300.0
IN_MEMORY_BYTES = 1024 * 1024
_PART_BYTES = 64 * 1024
_BODY_HEADERS = (b"content-length", b"transfer-encoding")
MAX_HEADERS = 100
MAX_TARGET_BYTES = 32 * 1024
"""A filter of 8,000 characters, percent-encoded, fits."""
MAX_HEADER_BYTES = 32 * 1024
BODY_SECONDS = 10.0
ANSWER_SECONDS = 15.0
MAX_IN_FLIGHT = 64

REFUSED = Counter("bevyly_http_refused_total", "Requests that were refused before their route.", ["reason"])
IN_FLIGHT = Gauge("bevyly_http_in_flight", "Requests being answered now.")
# What these wait for has time limits of its own: a statement, a connection.
_BOUNDED_BELOW = ("GET", "HEAD")
_ALWAYS_ANSWERED = ("/healthz", "/metrics")
STREAMS = frozenset({"/api/v1/live"})
"""Answers that last: they are counted and bounded for each user, where they are opened."""
LIMITS = LARGER_BODIES | FILES
TARGET_TOO_LONG = (414, "target_too_long", "Path and query are longer than 32 KiB.")
Admitted = tuple[tuple[int, str, str] | None, Receive]
"""Why a request is refused, if it is, and where its body is read from."""


class RequestLimits:
    """414 and 431 for what is too long before the body, 413, 415 and 408 for bodies, 503 for too many or too slow."""

    def __init__(self, app: ASGIApp, *, max_in_flight: int = MAX_IN_FLIGHT, body_seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.max_in_flight = max_in_flight
        self.body_seconds = body_seconds
        self.in_flight = 0
        IN_FLIGHT.set_function(lambda: self.in_flight)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _ALWAYS_ANSWERED:
            await self.app(scope, receive, send)
            return
        if scope["method"] == "POST" and scope["path"] in FILES:
            with tempfile.SpooledTemporaryFile(IN_MEMORY_BYTES) as file:
                await self._serve(scope, await self._admit_file(scope, receive, file), receive, send)
            return
        await self._serve(scope, await self._admit(scope, receive), receive, send)

    async def _serve(self, scope: Scope, admitted: Admitted, receive: Receive, send: Send) -> None:
        refusal, inner = admitted
        if refusal is not None:
            REFUSED.labels(refusal[1]).inc()
            await refused(scope, *refusal)(scope, receive, send)
            return
        counted = scope["path"] not in STREAMS
        self.in_flight += counted
        try:
            if scope["method"] in _BOUNDED_BELOW:
                await self.app(scope, inner, send)
            else:
                await self._answer(scope, inner, send)
        finally:
            self.in_flight -= counted

    async def _admit(self, scope: Scope, receive: Receive) -> Admitted:
        refusal = _refusal(scope)
        if refusal is not None:
            return refusal, receive
        if self.in_flight >= self.max_in_flight:
            return (503, "overloaded", "Too many requests at once. Try again in a moment."), receive
        return await self._admit_body(scope, receive)

    async def _admit_body(self, scope: Scope, receive: Receive) -> Admitted:
        declared = {name: value for name, value in scope["headers"] if name in _BODY_HEADERS}
        if not declared or declared.get(b"content-length") == b"0":
            return None, receive
        length, most = declared.get(b"content-length", b"0"), LIMITS.get(scope["path"], MAX_BODY_BYTES)
        if not length.isdigit() or int(length) > most:
            return _too_large(most), receive
        if scope["method"] == "POST" and scope["path"] in FILES:
            return None, receive
        try:
            async with asyncio.timeout(self.body_seconds):
                body = await _read_body(receive, most)
        except TimeoutError:
            return (408, "body_too_slow", "The body did not arrive in time."), receive
        return (_too_large(most), receive) if body is None else (None, _replay(body, receive))

    async def _admit_file(self, scope: Scope, receive: Receive, file: IO[bytes]) -> Admitted:
        refusal, _ = await self._admit(scope, receive)
        if refusal is not None:
            return refusal, receive
        most, digest, size = FILES[scope["path"]], sha256(), 0
        try:
            async with asyncio.timeout(FILE_SECONDS):
                async for part in _parts(receive):
                    size += len(part)
                    if size > most:
                        return _too_large(most), receive
                    digest.update(part)
                    file.write(part)
        except TimeoutError:
            return (408, "body_too_slow", "The body did not arrive in time."), receive
        file.seek(0)
        scope.setdefault("state", {})["body_digest"] = digest.digest()
        return None, _replay_file(file, receive)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def note(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self.app(scope, receive, note)
        except TimeoutError:
            if started:
                raise
            await refused(scope, 503, "took_too_long", "The answer took too long.")(scope, receive, send)


def _refusal(scope: Scope) -> tuple[int, str, str] | None:
    """What is wrong with the head alone."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    path = scope.get("raw_path") or scope["path"]  # servers need not give the raw one
    if len(path) + len(scope["query_string"]) > MAX_TARGET_BYTES:
        return TARGET_TOO_LONG
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        return 431, "headers_too_large", "The headers are larger than 32 KiB."
    if any(name == b"content-encoding" and value.strip().lower() != b"identity" for name, value in headers):
        return 415, "encoding_not_supported", "Send the body as it is, without Content-Encoding."
    return None


def _too_large(most: int) -> tuple[int, str, str]:
    return 413, "body_too_large", f"The body is larger than {most // 1024 // 1024} MiB."


async def _read_body(receive: Receive, most: int) -> bytes | None:
    body = bytearray()
    async for part in _parts(receive):
        body += part
        if len(body) > most:
            return None
    return bytes(body)


async def _parts(receive: Receive) -> AsyncIterator[bytes]:
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        yield message.get("body", b"")
        if not message.get("more_body", False):
            return


def _replay_file(file: IO[bytes], receive: Receive) -> Receive:
    unread = True

    async def replay() -> Message:
        nonlocal unread
        if not unread:
            return await receive()
        part = file.read(_PART_BYTES)
        unread = len(part) == _PART_BYTES
        return {"type": "http.request", "body": part, "more_body": unread}

    return replay


def _replay(body: bytes, receive: Receive) -> Receive:
    unread = True

    async def replay() -> Message:
        nonlocal unread
        if unread:
            unread = False
            return {"type": "http.request", "body": body, "more_body": False}
        return await receive()

    return replay


def refused(scope: Scope, status: int, code: str, detail: str) -> Response:
    """The answer to a request that no route sees."""
    return problem(
        status=status,
        code=code,
        title="The request cannot be served",
        detail=detail,
        request_id=scope.get("state", {}).get("request_id"),
        headers={"connection": "close"} if status != 503 else None,
    )

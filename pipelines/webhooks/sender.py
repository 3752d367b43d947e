"""One request to a receiver: bounded in time and size, followed nowhere, never raising for what the receiver does.

On httpcore, the transport under httpx, which takes the network that we check: no redirects, no cookies, no proxies of
the environment, no decompression. Does not belong here: what an answer means for the delivery.
"""

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpcore

from bevyly.webhooks.addresses import AddressRefused, AddressRules, Resolve, Target
from pipelines.webhooks.network import CONNECT_SECONDS, CheckedNetwork

TOTAL_SECONDS = 15.0
MAX_BODY = 64 * 1024
KEPT_BODY = 1024
GONE = 410
_ASK_LATER = (429, 503)


@dataclass(frozen=True)
class Answer:
    """What came of one request; it arrived if there is no `error`. `body` is the beginning of the response's."""

    latency_ms: int
    error: str | None = None
    status_code: int | None = None
    body: str | None = None
    address: str | None = None
    retry_after: float | None = None


class Sender:
    """Posts webhooks, each over a connection of its own.

    A kept connection would skip the check of its address, and carry what a careless receiver left on it (a body after
    a 204) into the next answer.
    """

    def __init__(
        self,
        rules: AddressRules,
        resolve: Resolve,
        *,
        tls: ssl.SSLContext,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._rules = rules
        self._tls = tls
        self._total_seconds = total_seconds
        self._network = CheckedNetwork(rules, resolve)

    async def post(self, url: str, headers: Mapping[str, str], body: bytes, *, now: datetime) -> Answer:
        """Post `body` and say what came of it."""
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._total_seconds):
                answer = await self._post(self._rules.target(url), headers, body, now)
        except Exception as error:  # noqa: BLE001 - whatever a receiver provokes is its delivery's failure, not ours
            answer = Answer(0, error=_code(error))
        latency = round((time.perf_counter() - started) * 1000)
        return Answer(**{**vars(answer), "latency_ms": latency})

    async def _post(self, target: Target, headers: Mapping[str, str], body: bytes, now: datetime) -> Answer:
        request = {"host": target.authority, "content-length": str(len(body)), "connection": "close", **headers}
        url = httpcore.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        lines = [(name.encode(), value.encode()) for name, value in request.items()]
        timeout = {"timeout": {"connect": CONNECT_SECONDS}}
        async with (
            httpcore.AsyncConnectionPool(ssl_context=self._tls, network_backend=self._network) as connection,
            connection.stream("POST", url, headers=lines, content=body, extensions=timeout) as response,
        ):
            status = response.status
            peer = response.extensions["network_stream"].get_extra_info("server_addr")
            return Answer(
                0,
                error=None if 200 <= status < 300 else "redirect_refused" if 300 <= status < 400 else f"http_{status}",
                status_code=status,
                body=_text(await _beginning(response)),
                address=str(peer[0]) if peer else None,
                retry_after=_retry_after(response.headers, now) if status in _ASK_LATER else None,
            )


async def _beginning(response: httpcore.Response) -> bytes:
    """The body up to `MAX_BODY`; what is beyond that is left unread and the connection closed."""
    found = bytearray()
    async for chunk in response.aiter_stream():
        found += chunk
        if len(found) >= MAX_BODY:
            break
    return bytes(found[:KEPT_BODY])


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").replace("\x00", "\ufffd")


def _retry_after(headers: list[tuple[bytes, bytes]], now: datetime) -> float | None:
    told = next((value for name, value in headers if name.lower() == b"retry-after"), b"").decode("latin-1").strip()
    if told.isascii() and told.isdigit() and len(told) < 10:
        return float(told)
    try:
        instant = parsedate_to_datetime(told)
    except ValueError:
        return None
    return max(0.0, (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp() - now.timestamp())


def _code(error: Exception) -> str:
    """The stable code of a failure."""
    if isinstance(error, AddressRefused):
        return error.reason
    causes = [error, error.__cause__, error.__context__]
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "tls_failed"
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return "request_failed"


_CODES: tuple[tuple[type[Exception], str], ...] = (
    (httpcore.ConnectTimeout, "connect_timeout"),
    (httpcore.ConnectError, "connect_failed"),
    (httpcore.TimeoutException, "timeout"),
    (TimeoutError, "timeout"),
    (httpcore.RemoteProtocolError, "bad_response"),
    (httpcore.NetworkError, "connection_lost"),
)

"""How the API is served: uvicorn with uvloop and httptools, and deadlines, which uvicorn does not have.

A client that sends its headers slowly is cut off, and so is one that does not take its answer. When the server stops,
what is being answered is finished first, but for streams: their clients resume elsewhere.
"""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from api.middleware.limits import MAX_TARGET_BYTES, STREAMS, TARGET_TOO_LONG, refused
from bevyly.settings import Settings

HEADER_SECONDS = 10.0
WRITE_SECONDS = 20.0
MAX_HEAD_BYTES = 64 * 1024
BACKLOG = 1024


class DeadlineProtocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers are late or too many bytes, or whose client does not read."""

    _deadline: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _in_head = True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # only TCP
        super().connection_made(transport)
        self._await_head()

    def data_received(self, data: bytes) -> None:
        if self._deadline is None and self._in_head:
            self._await_head()
        self._head_bytes += len(data) if self._in_head else 0
        super().data_received(data)
        if self._in_head and self._head_bytes > MAX_HEAD_BYTES:
            if self._is_too_long():
                self._refuse_target()
            else:
                self.transport.abort()

    def send_400_response(self, msg: str) -> None:
        if self._is_too_long():
            self._refuse_target()
        else:
            super().send_400_response(msg)

    def on_headers_complete(self) -> None:
        self._in_head, self._head_bytes = False, 0
        self._cancel()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_head = True
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        self._is_read()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(WRITE_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._is_read()
        super().resume_writing()

    def shutdown(self) -> None:
        cycle = self.cycle
        if cycle is not None and not cycle.response_complete and cycle.scope["path"] in STREAMS:
            self.transport.close()
        else:
            super().shutdown()

    def _is_too_long(self) -> bool:
        return len(self.url or b"") > MAX_TARGET_BYTES

    def _refuse_target(self) -> None:
        """Answer what the parser cannot hold as the layers within answer what it can."""
        answer = refused({}, *TARGET_TOO_LONG)
        head = b"".join(b"%s: %s\r\n" % header for header in answer.raw_headers)
        self.transport.write(STATUS_LINE[414] + head + b"\r\n" + bytes(answer.body))
        self.transport.close()

    def _await_head(self) -> None:
        self._deadline = self.loop.call_later(HEADER_SECONDS, self._give_up)

    def _give_up(self) -> None:
        self._deadline = None
        self.transport.abort()

    def _is_read(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def server_options(settings: Settings, *, workers: int = 1) -> dict[str, Any]:
    """Options of uvicorn for the API."""
    return {
        "app": "api.main:create_app",
        "factory": True,
        "host": settings.api_host,
        "port": settings.api_port,
        "workers": workers,
        "loop": "uvloop",
        "http": DeadlineProtocol,
        "ws": "none",
        "lifespan": "on",
        "access_log": False,
        "log_level": settings.log_level.lower(),
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies,
        "server_header": False,
        "date_header": True,
        "timeout_keep_alive": 30,
        "timeout_graceful_shutdown": 20,
        "backlog": BACKLOG,
    }


def serve(settings: Settings, *, workers: int = 1) -> None:
    """Serve until told to stop; what is being answered then is finished first."""
    uvicorn.run(**server_options(settings, workers=workers))

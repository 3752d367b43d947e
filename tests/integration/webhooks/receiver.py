"""A receiver of webhooks on loopback: it keeps what it got and answers as a test tells it to."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from standardwebhooks import Webhook


@dataclass
class Got:
    """One request that arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    def verify(self, secret: str) -> None:
        """Raise unless the signature is one of `secret`, as the library for receivers checks it."""
        Webhook(secret).verify(self.body, self.headers)


@dataclass
class Reply:
    """What a receiver answers; `until` holds the answer back, `endless` never ends the body."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"ok"
    until: asyncio.Event | None = None
    endless: bool = False


@dataclass
class Receiver:
    """A server; `replies` by path, each given the number of the request on that path, from 1."""

    port: int = 0
    scheme: str = "http"
    got: list[Got] = field(default_factory=list)
    replies: dict[str, Callable[[int], Reply]] = field(default_factory=dict)
    sent_bytes: int = 0
    under_way: int = 0
    most_under_way: int = 0
    connections: int = 0
    serving: set["asyncio.Task[None]"] = field(default_factory=set)

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        return f"{self.scheme}://{host}:{self.port}{path}"

    def at(self, path: str) -> list[Got]:
        """Requests to `path`."""
        return [one for one in self.got if one.path == path]

    async def arrived(self, number: int, path: str = "/hook", seconds: float = 20.0) -> None:
        """Return once `number` requests to `path` are here."""
        async with asyncio.timeout(seconds):
            while len(self.at(path)) < number:
                await asyncio.sleep(0.005)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.serving.add(task)
        self.connections += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
                while True:
                    await self._answer(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()
            self.serving.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path = head[0].split(" ")[1]
        self.got.append(Got(path, headers, body))
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            reply = self.replies.get(path, lambda _: Reply())(len(self.at(path)))
            if reply.until is not None:
                await reply.until.wait()
            await self._write(writer, reply)
        finally:
            self.under_way -= 1

    async def _write(self, writer: asyncio.StreamWriter, reply: Reply) -> None:
        length = {} if reply.endless else {"content-length": str(len(reply.body))}
        lines = [f"HTTP/1.1 {reply.status} X", *(f"{k}: {v}" for k, v in {**length, **reply.headers}.items())]
        writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + reply.body)
        await writer.drain()
        while reply.endless:
            writer.write(b"x" * 16_384)
            await writer.drain()
            self.sent_bytes += 16_384


@asynccontextmanager
async def receiving(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """A receiver that listens until the block ends."""
    receiver = Receiver(scheme="https" if tls else "http")
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in list(receiver.serving):
            task.cancel()
        await asyncio.gather(*receiver.serving, return_exceptions=True)

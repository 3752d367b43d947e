"""A TCP proxy whose network can fail: cut, swallow, slow down. A context manager with a thread of its own.

`with TcpProxy(server_port) as proxy: connect to proxy.port`. Faults act on connections that are open and on new ones
until `heal`; a connection that met a cut is gone for good, as in a network.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, Self, TypeVar

from bevyly.runtime.ports import LOOPBACK

CHUNK = 16_384
SECONDS = 10.0
T = TypeVar("T")


class TcpProxy:
    """Forwards bytes between its own port and `target` on loopback."""

    def __init__(self, target: int, *, port: int = 0) -> None:
        self.port = port
        self.connections = 0
        """How many were accepted so far."""
        self._target = target
        self._delay = 0.0
        self._cut_after: int | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="tcp-proxy")
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._open = asyncio.Event()

    def cut(self) -> None:
        """Reset every connection now; new ones are served."""
        self._run(self._cut())

    def cut_after(self, number: int) -> None:
        """Reset each connection in the middle of its stream, once it has carried `number` more bytes."""
        self._cut_after = number

    def swallow(self) -> None:
        """Half-open: bytes are taken, or not even that, and none arrive; nobody is told."""
        self._run(self._set_open(False))

    def slow(self, seconds: float) -> None:
        """Hold each chunk of up to 16 KiB back for `seconds`."""
        self._delay = seconds

    def heal(self) -> None:
        """Forward again, at once."""
        self._delay, self._cut_after = 0.0, None
        self._run(self._set_open(True))

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._start())
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(SECONDS)

    async def _start(self) -> None:
        self._open.set()
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        assert self._server is not None
        self._server.close()
        await self._cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _set_open(self, is_open: bool) -> None:
        if is_open:
            self._open.set()
        else:
            self._open.clear()

    async def _cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        upstream = None
        try:
            server, upstream = await asyncio.open_connection(LOOPBACK, self._target)
            self._writers.add(upstream)
            ends = [asyncio.ensure_future(one) for one in (self._pump(reader, upstream), self._pump(server, writer))]
            _, rest = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in rest:
                end.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            for one in filter(None, (writer, upstream)):
                self._writers.discard(one)
                one.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        carried = 0
        with suppress(OSError):
            while chunk := await reader.read(CHUNK):
                await self._open.wait()
                if self._delay:
                    await asyncio.sleep(self._delay)
                carried += len(chunk)
                if self._cut_after is not None and carried > self._cut_after:
                    writer.write(chunk[: len(chunk) // 2])
                    return
                writer.write(chunk)
                await writer.drain()

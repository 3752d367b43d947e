"""Sockets: frames in, answers out, one request at a time per connection, as the protocol orders them."""

import asyncio
import struct

import structlog
from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.broker import Broker, Fsync
from bevyly.runtime.broker.codec import API_VERSIONS, Envelope, decode, encode, envelope
from bevyly.runtime.broker.handlers import APIS, version_list

MAX_FRAME = 32 << 20
READ_BUFFER = 1 << 20
_SIZE = struct.Struct(">i")

log = structlog.get_logger(__name__)


class BrokerServer:
    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._connections: set[asyncio.Task[None]] = set()

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set; everything acknowledged is on disk when this returns.

        Raises OSError where the disk refuses to keep what was acknowledged: to go on would be to promise in vain.
        """
        config = self._broker.config
        server = await asyncio.start_server(self._accept, config.host, config.port, limit=READ_BUFFER)
        chores = [asyncio.create_task(self._upkeep())]
        if config.fsync is Fsync.INTERVAL:
            chores.append(asyncio.create_task(self._sync()))
        log.info("broker_listening", host=config.host, port=config.port, data_dir=str(config.data_dir))
        stopping = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait([stopping, *chores], return_when=asyncio.FIRST_COMPLETED)
        server.close()
        for task in [stopping, *chores, *self._connections]:
            task.cancel()
        await asyncio.gather(*chores, *self._connections, return_exceptions=True)
        self._broker.close()
        for task in ended:
            task.result()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client_host = f"/{writer.get_extra_info('peername')[0]}"
        while True:
            (size,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
            if not 8 <= size <= MAX_FRAME:
                log.warning("frame_refused", size=size)
                return
            frame = await reader.readexactly(size)
            head = envelope(frame)
            if not _served(head) and head.api != API_VERSIONS:
                log.warning("api_refused", api=head.api, version=head.version)
                return
            response = await self._answer(head, frame, client_host)
            if response is not None:
                writer.write(response)
                await writer.drain()

    async def _answer(self, head: Envelope, frame: bytes, client_host: str) -> bytes | None:
        if not _served(head):
            # A client that is newer than this broker learns what is served from an answer in version 0 (KIP-511).
            return encode(API_VERSIONS, 0, head.correlation_id, version_list(ErrorCode.unsupported_version))
        request = decode(frame, client_host=client_host)
        answer = await APIS[head.api].handle(self._broker, request)
        return None if answer is None else encode(head.api, head.version, head.correlation_id, answer)

    async def _upkeep(self) -> None:
        while True:
            await asyncio.sleep(self._broker.config.upkeep_seconds)
            try:
                await self._broker.upkeep()
            except OSError as failure:
                log.error("upkeep_failed", error=str(failure))

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(self._broker.config.fsync_seconds)
            await self._broker.sync()


def _served(head: Envelope) -> bool:
    api = APIS.get(head.api)
    return api is not None and api.min_version <= head.version <= api.max_version

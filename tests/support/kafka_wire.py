"""A Kafka client of one socket: sends a request as it is and returns the answer, for what client libraries hide."""

import io
import socket
import struct
from types import TracebackType
from typing import Any, Self

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer


class Wire:
    def __init__(self, brokers: str) -> None:
        host, port = brokers.split(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._socket.close()

    def ask(self, request: Any) -> Any:
        kind = type(request)
        return self.ask_raw(_framed(request), api=kind.__api_key__, version=kind.__version__)

    def ask_raw(self, frame: bytes, *, api: int, version: int) -> Any:
        """Send `frame` and read the answer in the schema of `api` and `version`."""
        self._socket.sendall(struct.pack(">i", len(frame)) + frame)
        (size,) = struct.unpack(">i", self._exactly(4))
        answer = self._exactly(size)
        schema = load_response_schema(api, version)
        _, used = entity_reader(schema.__header_schema__)(answer, 0)
        return entity_reader(schema)(answer, used)[0]

    def send_without_reading(self, request: Any, *, times: int) -> None:
        """Send `request` again and again, and leave every answer where it is; stops when the peer takes no more."""
        frame = _framed(request)
        self._socket.settimeout(1.0)
        try:
            for _ in range(times):
                self.send(struct.pack(">i", len(frame)) + frame)
        except TimeoutError:
            return

    def is_closed_by_peer(self) -> bool:
        try:
            return self._socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def _exactly(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            part = self._socket.recv(size - len(content))
            if not part:
                raise ConnectionError("the broker closed the connection")
            content += part
        return content


def _framed(request: Any) -> bytes:
    kind = type(request)
    header_schema = kind.__header_schema__
    header = header_schema(
        request_api_key=kind.__api_key__,
        request_api_version=kind.__version__,
        correlation_id=7,
        client_id="wire",
    )
    buffer = io.BytesIO()
    entity_writer(header_schema)(buffer, header)
    entity_writer(load_request_schema(kind.__api_key__, kind.__version__))(buffer, request)
    return buffer.getvalue()

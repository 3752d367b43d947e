"""Frames on the wire to and from `kio` entities, whatever their version.

A handler reads the request entity and answers with a plain dict in the newest field names; `encode` builds the
answer in the version that was asked for, leaves out what that version does not know and fills in what is empty.
"""

import io
import struct
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from datetime import timedelta
from functools import cache
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from kio.index import load_request_schema, load_response_schema
from kio.serial import entity_reader, entity_writer

Answer = Mapping[str, Any]
"""Field name → value; nested entities are dicts, arrays are lists."""

API_VERSIONS = 18
_PREFIX = struct.Struct(">hhi")
_SIZE = struct.Struct(">i")


@dataclass(frozen=True, slots=True)
class Request:
    api: int
    version: int
    correlation_id: int
    client_id: str
    client_host: str
    body: Any


@dataclass(frozen=True, slots=True)
class Envelope:
    """The first eight bytes, readable whatever the rest is."""

    api: int
    version: int
    correlation_id: int


def envelope(frame: bytes) -> Envelope:
    return Envelope(*_PREFIX.unpack_from(frame))


def decode(frame: bytes, *, client_host: str) -> Request:
    head = envelope(frame)
    schema = load_request_schema(head.api, head.version)
    header, used = entity_reader(schema.__header_schema__)(frame, 0)
    body, _ = entity_reader(schema)(frame, used)
    return Request(head.api, head.version, head.correlation_id, header.client_id or "", client_host, body)


def encode(api: int, version: int, correlation_id: int, answer: Answer) -> bytes:
    schema = load_response_schema(api, version)
    header = schema.__header_schema__
    buffer = io.BytesIO()
    buffer.write(bytes(_SIZE.size))
    entity_writer(header)(buffer, header(correlation_id=correlation_id))  # type: ignore[arg-type]  # its kind is known by then
    entity_writer(schema)(buffer, _builder(schema)(answer))
    buffer.seek(0)
    buffer.write(_SIZE.pack(buffer.getbuffer().nbytes - _SIZE.size))
    return buffer.getvalue()


@cache
def _builder(entity: type[Any]) -> Callable[[Answer], Any]:
    """A function that makes `entity` out of a dict; the type hints are read once per entity."""
    hints = get_type_hints(entity)
    converters = {field.name: _converter(hints[field.name]) for field in fields(entity)}
    blanks = {
        field.name: _blank(hints[field.name])
        for field in fields(entity)
        if field.default is MISSING and _has_blank(hints[field.name])
    }

    def build(answer: Answer) -> Any:
        given = {name: convert(answer[name]) for name, convert in converters.items() if name in answer}
        return entity(**(blanks | given))

    return build


def _converter(hint: Any) -> Callable[[Any], Any]:
    if get_origin(hint) is UnionType:
        inner = next(option for option in get_args(hint) if option is not NoneType)
        convert = _converter(inner)
        return lambda value: None if value is None else convert(value)
    if get_origin(hint) is tuple:
        element = _converter(get_args(hint)[0])
        return lambda values: tuple(element(value) for value in values)
    if is_dataclass(hint) and isinstance(hint, type):
        return _builder(hint)
    return lambda value: value


def _has_blank(hint: Any) -> bool:
    return get_origin(hint) in (tuple, UnionType) or (isinstance(hint, type) and issubclass(hint, timedelta))


def _blank(hint: Any) -> Any:
    """No throttling, an empty list, or null."""
    if get_origin(hint) is tuple:
        return ()
    return None if get_origin(hint) is UnionType else timedelta()

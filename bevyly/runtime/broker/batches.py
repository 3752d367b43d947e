"""The header of a record batch, format version 2: the only part of a message the broker looks at.

Source: https://kafka.apache.org/documentation/#recordbatch. Records pass through as they came, compressed or not.
"""

import gzip
import struct
from collections.abc import Iterator
from typing import NamedTuple

from crc32c import crc32c
from kio.schema.errors import ErrorCode
from kio.serial.readers import read_signed_varint, read_signed_varlong

from bevyly.runtime.broker.errors import Refused

Buffer = bytes | bytearray | memoryview

LENGTH_PREFIX = 12
CHECKSUM_END = 21
MAGIC = 2
NO_PRODUCER = -1
COMPRESSION_MASK = 0b111
TIMESTAMP_TYPE_BIT = 0b1000
TRANSACTIONAL_BIT = 0b10000
CONTROL_BIT = 0b100000
NO_COMPRESSION = 0
GZIP = 1

_HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_SIZE = _HEADER.size
_OFFSET = struct.Struct(">q")
_LEADER_EPOCH = bytes(4)


class BatchHeader(NamedTuple):
    base_offset: int
    length: int
    leader_epoch: int
    magic: int
    checksum: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int
    max_timestamp: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        return LENGTH_PREFIX + self.length

    @property
    def next_offset(self) -> int:
        return self.base_offset + self.last_offset_delta + 1


def header_at(buffer: Buffer, position: int = 0) -> BatchHeader:
    """Raises struct.error when fewer than HEADER_SIZE bytes are left."""
    return BatchHeader._make(_HEADER.unpack_from(buffer, position))


def checksum_holds(buffer: Buffer, header: BatchHeader, position: int = 0) -> bool:
    return crc32c(memoryview(buffer)[position + CHECKSUM_END : position + header.size]) == header.checksum


def whole_batches(buffer: Buffer, position: int = 0) -> Iterator[tuple[int, BatchHeader]]:
    """Positions and headers of the complete batches in `buffer`; a partial one at the end is left out."""
    end = len(buffer)
    while end - position >= HEADER_SIZE:
        header = header_at(buffer, position)
        if header.size < HEADER_SIZE or header.size > end - position:
            return
        yield position, header
        position += header.size


def validated(records: bytes | None, *, max_bytes: int) -> BatchHeader:
    """The header of the one batch in a produce request; raises Refused as Apache Kafka would."""
    if records is None or len(records) < HEADER_SIZE:
        raise Refused(ErrorCode.corrupt_message, "no complete record batch")
    header = header_at(records)
    if header.magic != MAGIC:
        raise Refused(ErrorCode.unsupported_for_message_format, "only record batches of version 2 are stored")
    if header.size != len(records):
        raise Refused(ErrorCode.invalid_record, "exactly one record batch per partition and request")
    if header.size > max_bytes:
        raise Refused(ErrorCode.message_too_large, f"the batch has {header.size} bytes, allowed are {max_bytes}")
    if not checksum_holds(records, header):
        raise Refused(ErrorCode.corrupt_message, "the checksum does not match")
    if header.record_count < 1 or header.record_count != header.last_offset_delta + 1:
        raise Refused(ErrorCode.invalid_record, "the record count contradicts the last offset")
    if header.attributes & (TRANSACTIONAL_BIT | CONTROL_BIT):
        raise Refused(ErrorCode.invalid_txn_state, "transactions are not supported")
    return header


def stamped(records: bytes, base_offset: int) -> list[Buffer]:
    """`records` with its place in the log written in; both fields lie outside the checksum."""
    return [_OFFSET.pack(base_offset), records[8:12], _LEADER_EPOCH, memoryview(records)[16:]]


def first_record_since(batch: bytes, timestamp: int) -> tuple[int, int]:
    """(offset, timestamp) of the first record not older than `timestamp`.

    Where the codec is not in the standard library the batch is answered for as a whole: its first offset
    is never later than the record's.
    """
    header = header_at(batch)
    codec = header.attributes & COMPRESSION_MASK
    if codec not in (NO_COMPRESSION, GZIP):
        return header.base_offset, header.max_timestamp
    records = batch[HEADER_SIZE:] if codec == NO_COMPRESSION else gzip.decompress(batch[HEADER_SIZE:])
    position = 0
    for _ in range(header.record_count):
        length, read = read_signed_varint(records, position)
        start = position + read
        timestamp_delta, delta_size = read_signed_varlong(records, start + 1)
        offset_delta, _ = read_signed_varint(records, start + 1 + delta_size)
        if header.base_timestamp + timestamp_delta >= timestamp:
            return header.base_offset + offset_delta, header.base_timestamp + timestamp_delta
        position = start + length
    return header.base_offset, header.max_timestamp

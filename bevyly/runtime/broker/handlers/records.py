"""Messages in and out: Produce, Fetch, ListOffsets."""

import asyncio
from enum import IntEnum
from typing import Any

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.broker import Broker, Fsync
from bevyly.runtime.broker.codec import Answer, Request
from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.log import PartitionLog

ACKS_NONE, ACKS_LEADER, ACKS_ALL = 0, 1, -1
UNKNOWN_OFFSET = -1
MAX_FETCH_BYTES = 16 << 20


class SpecialTime(IntEnum):
    LATEST = -1
    EARLIEST = -2
    MAX_TIMESTAMP = -3


async def produce(broker: Broker, request: Request) -> Answer | None:
    body = request.body
    answers = [
        {"name": topic.name, "partition_responses": [_store(broker, body, topic.name, p) for p in topic.partition_data]}
        for topic in body.topic_data
    ]
    if broker.config.fsync is Fsync.ALWAYS:
        await broker.topics.sync()
    return None if body.acks == ACKS_NONE else {"responses": answers}


def _store(broker: Broker, body: Any, topic: str, part: Any) -> Answer:
    try:
        if body.acks not in (ACKS_NONE, ACKS_LEADER, ACKS_ALL):
            raise Refused(ErrorCode.invalid_required_acks)
        if body.transactional_id is not None:
            raise Refused(ErrorCode.invalid_txn_state, "transactions are not supported")
        known = broker.topics.get(topic)
        offset = known.append(part.index, part.records)
    except Refused as refused:
        return {
            "index": part.index,
            "error_code": refused.code,
            "base_offset": UNKNOWN_OFFSET,
            "error_message": refused.message,
        }
    start = known.log(part.index).start_offset
    return {"index": part.index, "error_code": ErrorCode.none, "base_offset": offset, "log_start_offset": start}


async def fetch(broker: Broker, request: Request) -> Answer:
    """Waits until `min_bytes` are there or `max_wait` is over; an error is answered at once."""
    body = request.body
    deadline = asyncio.get_running_loop().time() + body.max_wait.total_seconds()
    news = asyncio.Event()
    watched = _watch(broker, body, news)
    try:
        while True:
            news.clear()
            collected = _Collected(broker, body)
            patience = deadline - asyncio.get_running_loop().time()
            if collected.failed or collected.size >= body.min_bytes or patience <= 0:
                return {"error_code": ErrorCode.none, "responses": collected.topics}
            await _wait(news, patience)
    finally:
        for log in watched:
            log.stop_waking(news)


async def _wait(news: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await news.wait()
    except TimeoutError:
        pass


def _watch(broker: Broker, body: Any, news: asyncio.Event) -> list[PartitionLog]:
    watched = []
    for topic in body.topics:
        for part in topic.partitions:
            try:
                watched.append(broker.topics.get(topic.topic).log(part.partition))
            except Refused:
                continue
    for log in watched:
        log.wake_on_append(news)
    return watched


class _Collected:
    """What one pass over the wanted partitions found, within the request's limit of bytes."""

    def __init__(self, broker: Broker, body: Any) -> None:
        self.size = 0
        self.failed = False
        self._broker = broker
        self._max_bytes = min(body.max_bytes, MAX_FETCH_BYTES)
        self.topics = [
            {"topic": topic.topic, "partitions": [self._read(topic.topic, part) for part in topic.partitions]}
            for topic in body.topics
        ]

    def _read(self, topic: str, part: Any) -> Answer:
        try:
            log = self._broker.topics.get(topic).log(part.partition)
            room = min(part.partition_max_bytes, self._max_bytes - self.size)
            records = log.read(part.fetch_offset, room) if room > 0 else b""
        except Refused as refused:
            self.failed = True
            return {
                "partition_index": part.partition,
                "error_code": refused.code,
                "high_watermark": UNKNOWN_OFFSET,
                "records": b"",
            }
        self.size += len(records)
        return {
            "partition_index": part.partition,
            "error_code": ErrorCode.none,
            "high_watermark": log.end_offset,
            "last_stable_offset": log.end_offset,
            "log_start_offset": log.start_offset,
            "records": records,
        }


async def list_offsets(broker: Broker, request: Request) -> Answer:
    return {
        "topics": [
            {"name": topic.name, "partitions": [_offset(broker, topic.name, part) for part in topic.partitions]}
            for topic in request.body.topics
        ]
    }


def _offset(broker: Broker, topic: str, part: Any) -> Answer:
    try:
        offset, timestamp = _find_offset(broker.topics.get(topic).log(part.partition_index), part.timestamp)
    except Refused as refused:
        return {"partition_index": part.partition_index, "error_code": refused.code}
    epoch = 0 if offset >= 0 else -1
    return {
        "partition_index": part.partition_index,
        "error_code": ErrorCode.none,
        "timestamp": timestamp,
        "offset": offset,
        "leader_epoch": epoch,
    }


def _find_offset(log: PartitionLog, timestamp: int) -> tuple[int, int]:
    match timestamp:
        case SpecialTime.LATEST:
            return log.end_offset, -1
        case SpecialTime.EARLIEST:
            return log.start_offset, -1
        case SpecialTime.MAX_TIMESTAMP:
            return log.latest_time() or (UNKNOWN_OFFSET, -1)
        case _ if timestamp >= 0:
            return log.find_time(timestamp) or (UNKNOWN_OFFSET, -1)
    raise Refused(ErrorCode.unsupported_version, f"no such special timestamp: {timestamp}")

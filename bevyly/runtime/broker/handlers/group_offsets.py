"""Where a group has got to: OffsetCommit, OffsetFetch, OffsetDelete."""

from typing import Any

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.broker import Broker, Fsync
from bevyly.runtime.broker.codec import Answer, Request
from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.offsets import Committed, Key

MAX_METADATA = 4_096
NOTHING = Committed(-1, -1, "", 0)


async def commit(broker: Broker, request: Request) -> Answer:
    body = request.body
    refusal = _committer_refused(broker, body)
    accepted: dict[Key, Committed] = {}
    topics = [
        {
            "name": topic.name,
            "partitions": [
                {
                    "partition_index": part.partition_index,
                    "error_code": refusal or _accept(broker, body.group_id, topic.name, part, accepted),
                }
                for part in topic.partitions
            ],
        }
        for topic in body.topics
    ]
    if accepted:
        broker.offsets.commit(accepted)
        if broker.config.fsync is Fsync.ALWAYS:
            broker.offsets.sync()
    return {"topics": topics}


def _committer_refused(broker: Broker, body: Any) -> ErrorCode | None:
    instance = getattr(body, "group_instance_id", None)
    try:
        group = broker.groups.get(body.group_id)
        group.check_commit(body.member_id, instance, body.generation_id_or_member_epoch)
    except Refused as refused:
        return refused.code
    return None


def _accept(broker: Broker, group: str, topic: str, part: Any, accepted: dict[Key, Committed]) -> ErrorCode:
    metadata = part.committed_metadata or ""
    if len(metadata) > MAX_METADATA:
        return ErrorCode.offset_metadata_too_large
    try:
        broker.topics.get(topic).log(part.partition_index)
    except Refused as refused:
        return refused.code
    epoch = getattr(part, "committed_leader_epoch", -1)
    key = Key(group, topic, part.partition_index)
    accepted[key] = Committed(part.committed_offset, epoch, metadata, broker.now())
    return ErrorCode.none


async def fetch(broker: Broker, request: Request) -> Answer:
    """Since version 8 for several groups at once, before for one."""
    groups = getattr(request.body, "groups", None)
    if groups is None:
        return {"error_code": ErrorCode.none, "topics": _committed(broker, request.body)}
    return {
        "groups": [
            {"group_id": group.group_id, "error_code": ErrorCode.none, "topics": _committed(broker, group)}
            for group in groups
        ]
    }


def _committed(broker: Broker, wanted: Any) -> list[Answer]:
    found = broker.offsets.of_group(wanted.group_id)
    keys: dict[str, list[int]] = {}
    if wanted.topics is None:
        for key in found:
            keys.setdefault(key.topic, []).append(key.partition)
    else:
        keys = {topic.name: list(topic.partition_indexes) for topic in wanted.topics}
    return [
        {
            "name": topic,
            "partitions": [
                _position(number, found.get(Key(wanted.group_id, topic, number), NOTHING)) for number in partitions
            ],
        }
        for topic, partitions in keys.items()
    ]


def _position(partition: int, committed: Committed) -> Answer:
    return {
        "partition_index": partition,
        "committed_offset": committed.offset,
        "committed_leader_epoch": committed.leader_epoch,
        "metadata": committed.metadata,
        "error_code": ErrorCode.none,
    }


async def delete(broker: Broker, request: Request) -> Answer:
    body = request.body
    group = broker.groups.find(body.group_id)
    if group is None:
        return {"error_code": ErrorCode.group_id_not_found}
    if group.members:
        return {"error_code": ErrorCode.non_empty_group}
    keys = [Key(body.group_id, topic.name, part.partition_index) for topic in body.topics for part in topic.partitions]
    broker.offsets.remove(keys)
    return {
        "error_code": ErrorCode.none,
        "topics": [
            {
                "name": topic.name,
                "partitions": [
                    {"partition_index": part.partition_index, "error_code": ErrorCode.none} for part in topic.partitions
                ],
            }
            for topic in body.topics
        ],
    }

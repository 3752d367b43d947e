"""Who is there: metadata, coordinator, cluster description, producer ids. One node is everything."""

from typing import Any

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.broker import NODE_ID, Broker
from bevyly.runtime.broker.codec import Answer, Request
from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.topics import Topic

NO_ID = -1


def node(broker: Broker) -> dict[str, Any]:
    config = broker.config
    port = config.advertised_port or config.port
    return {"node_id": NODE_ID, "broker_id": NODE_ID, "host": config.host, "port": port}


async def metadata(broker: Broker, request: Request) -> Answer:
    wanted = request.body.topics
    everything = wanted is None or (request.version == 0 and not wanted)
    topics = broker.topics.all() if everything else None
    return {
        "brokers": [node(broker)],
        "cluster_id": broker.cluster_id,
        "controller_id": NODE_ID,
        "topics": [_topic(topic) for topic in topics]
        if topics is not None
        else [_wanted_topic(broker, entry) for entry in wanted],
    }


async def find_coordinator(broker: Broker, request: Request) -> Answer:
    keys = getattr(request.body, "coordinator_keys", None) or [getattr(request.body, "key", "")]
    transactional = getattr(request.body, "key_type", 0) != 0
    code = ErrorCode.coordinator_not_available if transactional else ErrorCode.none
    found = node(broker) | {"error_code": code, "error_message": None}
    return found | {"coordinators": [found | {"key": key} for key in keys]}


async def describe_cluster(broker: Broker, _: Request) -> Answer:
    return {
        "error_code": ErrorCode.none,
        "cluster_id": broker.cluster_id,
        "controller_id": NODE_ID,
        "brokers": [node(broker)],
    }


async def init_producer_id(broker: Broker, request: Request) -> Answer:
    if request.body.transactional_id is not None:
        return {"error_code": ErrorCode.invalid_request, "producer_id": NO_ID, "producer_epoch": NO_ID}
    return {"error_code": ErrorCode.none, "producer_id": broker.producer_ids.take(), "producer_epoch": 0}


def _wanted_topic(broker: Broker, entry: Any) -> Answer:
    try:
        by_name = entry.name is not None
        return _topic(broker.topics.get(entry.name) if by_name else broker.topics.by_id(entry.topic_id))
    except Refused as refused:
        identity = getattr(entry, "topic_id", None)
        return {"error_code": refused.code, "name": entry.name, "topic_id": identity, "partitions": []}


def _topic(topic: Topic) -> Answer:
    return {
        "error_code": ErrorCode.none,
        "name": topic.name,
        "topic_id": topic.id,
        "partitions": [
            {
                "error_code": ErrorCode.none,
                "partition_index": number,
                "leader_id": NODE_ID,
                "leader_epoch": 0,
                "replica_nodes": [NODE_ID],
                "isr_nodes": [NODE_ID],
            }
            for number in range(len(topic.partitions))
        ],
    }

"""Topics made, grown, deleted and described by an admin client."""

from collections.abc import Mapping
from typing import Any

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.broker import NODE_ID, Broker
from bevyly.runtime.broker.codec import Answer, Request
from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.topics import DEFAULTS

BROKER_DEFAULT = -1
TOPIC_RESOURCE, BROKER_RESOURCE = 2, 4
SOURCE_TOPIC, SOURCE_DEFAULT = 1, 5


async def create(broker: Broker, request: Request) -> Answer:
    return {"topics": [_create(broker, entry, request.body.validate_only) for entry in request.body.topics]}


def _create(broker: Broker, entry: Any, validate_only: bool) -> Answer:
    try:
        partitions = _partitions(entry)
        settings = {config.name: config.value for config in entry.configs if config.value is not None}
        broker.topics.check_new(entry.name, partitions=partitions, settings=settings)
        topic = None if validate_only else broker.topics.create(entry.name, partitions=partitions, settings=settings)
    except Refused as refused:
        return {"name": entry.name, "error_code": refused.code, "error_message": refused.message}
    return {
        "name": entry.name,
        "topic_id": topic.id if topic else None,
        "error_code": ErrorCode.none,
        "error_message": None,
        "num_partitions": partitions,
        "replication_factor": 1,
        "configs": [_setting(settings, name) for name in DEFAULTS],
    }


def _partitions(entry: Any) -> int:
    if entry.assignments:
        if any(list(assigned.broker_ids) != [NODE_ID] for assigned in entry.assignments):
            raise Refused(ErrorCode.invalid_replica_assignment, f"the only broker is {NODE_ID}")
        return len(entry.assignments)
    if entry.replication_factor not in (1, BROKER_DEFAULT):
        raise Refused(ErrorCode.invalid_replication_factor, "one broker can hold one replica")
    return 1 if entry.num_partitions == BROKER_DEFAULT else int(entry.num_partitions)


async def delete(broker: Broker, request: Request) -> Answer:
    states = getattr(request.body, "topics", None)
    if states is None:
        return {"responses": [await _delete(broker, name, None) for name in request.body.topic_names]}
    return {"responses": [await _delete(broker, state.name, state.topic_id) for state in states]}


async def _delete(broker: Broker, name: str | None, identity: Any) -> Answer:
    try:
        topic = broker.topics.get(name) if name is not None else broker.topics.by_id(identity)
        await broker.topics.delete(topic.name)
    except Refused as refused:
        return {"name": name, "topic_id": identity, "error_code": refused.code, "error_message": refused.message}
    broker.offsets.remove_topic(topic.name)
    return {"name": topic.name, "topic_id": topic.id, "error_code": ErrorCode.none}


async def create_partitions(broker: Broker, request: Request) -> Answer:
    results = []
    for entry in request.body.topics:
        code, message = ErrorCode.none, None
        try:
            broker.topics.check_growth(entry.name, entry.count)
            if not request.body.validate_only:
                broker.topics.add_partitions(entry.name, entry.count)
        except Refused as refused:
            code, message = refused.code, refused.message
        results.append({"name": entry.name, "error_code": code, "error_message": message})
    return {"results": results}


async def describe_configs(broker: Broker, request: Request) -> Answer:
    return {"results": [_describe(broker, resource) for resource in request.body.resources]}


def _describe(broker: Broker, resource: Any) -> Answer:
    about = {"resource_type": resource.resource_type, "resource_name": resource.resource_name}
    try:
        settings = _settings_of(broker, resource)
    except Refused as refused:
        return about | {"error_code": refused.code, "error_message": refused.message}
    names = resource.configuration_keys or DEFAULTS
    configs = [_setting(settings, name) for name in names if name in DEFAULTS]
    return about | {"error_code": ErrorCode.none, "configs": configs}


def _settings_of(broker: Broker, resource: Any) -> Mapping[str, str]:
    if resource.resource_type == TOPIC_RESOURCE:
        return broker.topics.get(resource.resource_name).settings
    if resource.resource_type == BROKER_RESOURCE:
        return {}
    raise Refused(ErrorCode.invalid_request, "only topics and the broker have settings")


def _setting(settings: Mapping[str, str], name: str) -> Answer:
    return {
        "name": name,
        "value": settings.get(name, DEFAULTS[name]),
        "read_only": False,
        "config_source": SOURCE_TOPIC if name in settings else SOURCE_DEFAULT,
        "is_sensitive": False,
    }

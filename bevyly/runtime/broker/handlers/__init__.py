"""One function per Kafka API: `(broker, request) → answer`, and the table of what is served in which versions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.broker import Broker
from bevyly.runtime.broker.codec import API_VERSIONS, Answer, Request
from bevyly.runtime.broker.handlers import cluster, group_admin, group_members, group_offsets, records, topic_admin

Handler = Callable[[Broker, Request], Awaitable[Answer | None]]


@dataclass(frozen=True, slots=True)
class Api:
    min_version: int
    max_version: int
    handle: Handler


async def _api_versions(_: Broker, __: Request) -> Answer:
    return version_list()


def version_list(error_code: int = 0) -> Answer:
    return {
        "error_code": ErrorCode(error_code),
        "api_keys": [
            {"api_key": key, "min_version": api.min_version, "max_version": api.max_version}
            for key, api in sorted(APIS.items())
        ],
    }


APIS: dict[int, Api] = {
    0: Api(3, 11, records.produce),
    1: Api(4, 12, records.fetch),
    2: Api(1, 8, records.list_offsets),
    3: Api(0, 12, cluster.metadata),
    8: Api(2, 9, group_offsets.commit),
    9: Api(1, 9, group_offsets.fetch),
    10: Api(0, 5, cluster.find_coordinator),
    11: Api(0, 9, group_members.join),
    12: Api(0, 4, group_members.heartbeat),
    13: Api(0, 5, group_members.leave),
    14: Api(0, 5, group_members.sync),
    15: Api(0, 5, group_admin.describe),
    16: Api(0, 5, group_admin.list_groups),
    API_VERSIONS: Api(0, 4, _api_versions),
    19: Api(2, 7, topic_admin.create),
    20: Api(1, 6, topic_admin.delete),
    22: Api(0, 4, cluster.init_producer_id),
    32: Api(1, 4, topic_admin.describe_configs),
    37: Api(0, 3, topic_admin.create_partitions),
    42: Api(0, 2, group_admin.delete),
    47: Api(0, 0, group_offsets.delete),
    60: Api(0, 1, cluster.describe_cluster),
}
"""Fetch ends at 12 and Produce at 11: later versions name topics by id, older clients and this broker by name."""

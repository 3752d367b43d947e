"""Every version that is advertised can be answered, and the answer can be read."""

import pytest
from kio.index import load_response_schema
from kio.schema.errors import ErrorCode
from kio.serial import entity_reader

from bevyly.runtime.broker.codec import encode
from bevyly.runtime.broker.handlers import APIS, version_list

VERSIONS = [(key, version) for key, api in APIS.items() for version in range(api.min_version, api.max_version + 1)]
TRANSACTIONS = range(24, 29)

PARTITION = {"partition_index": 3, "error_code": ErrorCode.none}
ANSWERS: dict[int, dict[str, object]] = {
    0: {
        "responses": [
            {"name": "t", "partition_responses": [{"index": 3, "error_code": ErrorCode.none, "base_offset": 9}]}
        ]
    },
    1: {
        "error_code": ErrorCode.none,
        "responses": [{"topic": "t", "partitions": [PARTITION | {"high_watermark": 9, "records": b"abc"}]}],
    },
    2: {"topics": [{"name": "t", "partitions": [PARTITION | {"timestamp": 5, "offset": 9}]}]},
    3: {
        "brokers": [{"node_id": 1, "host": "h", "port": 2}],
        "topics": [{"error_code": ErrorCode.none, "name": "t", "partitions": [PARTITION | {"leader_id": 1}]}],
    },
    8: {"topics": [{"name": "t", "partitions": [PARTITION]}]},
    9: {"topics": [], "groups": [{"group_id": "g", "topics": []}]},
    10: {"error_code": ErrorCode.none, "node_id": 1, "host": "h", "port": 2, "coordinators": []},
    11: {"error_code": ErrorCode.none, "protocol_name": "p", "leader": "l", "member_id": "m"},
    12: {"error_code": ErrorCode.none},
    13: {"error_code": ErrorCode.none},
    14: {"error_code": ErrorCode.none, "assignment": b"abc"},
    15: {"groups": []},
    16: {"error_code": ErrorCode.none},
    18: dict(version_list()),
    19: {"topics": [{"name": "t", "error_code": ErrorCode.none, "error_message": None}]},
    20: {"responses": [{"name": "t", "error_code": ErrorCode.none}]},
    22: {"error_code": ErrorCode.none, "producer_id": 5, "producer_epoch": 0},
    32: {"results": []},
    37: {"results": [{"name": "t", "error_code": ErrorCode.none}]},
    42: {"results": [{"group_id": "g", "error_code": ErrorCode.none}]},
    47: {"error_code": ErrorCode.none, "topics": []},
    60: {"error_code": ErrorCode.none, "cluster_id": "c", "brokers": []},
}


@pytest.mark.parametrize(("api", "version"), VERSIONS)
def test_an_answer_is_readable_in_each_version(api: int, version: int) -> None:
    frame = encode(api, version, 42, ANSWERS[api])
    assert int.from_bytes(frame[:4]) == len(frame) - 4
    schema = load_response_schema(api, version)
    header, used = entity_reader(schema.__header_schema__)(frame, 4)
    _, rest = entity_reader(schema)(frame, 4 + used)
    assert header.correlation_id == 42
    assert 4 + used + rest == len(frame)


def test_what_was_said_arrives() -> None:
    frame = encode(1, 12, 1, ANSWERS[1])
    answer, _ = entity_reader(load_response_schema(1, 12))(frame, 9)
    part = answer.responses[0].partitions[0]
    assert (part.partition_index, part.high_watermark, part.records) == (3, 9, b"abc")


def test_transactions_are_not_served() -> None:
    assert set(APIS).isdisjoint(TRANSACTIONS)

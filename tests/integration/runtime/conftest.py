"""The brokers that the behaviour suite runs against: the embedded one, and Apache Kafka as the reference."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bevyly.runtime.kafka import EmbeddedKafka
from bevyly.runtime.ports import free_port
from tests.support.kafka_reference import ApacheKafka, missing_tools

KINDS = [
    pytest.param(EmbeddedKafka, id="embedded"),
    pytest.param(ApacheKafka, id="apache", marks=pytest.mark.kafka),
]


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    kind: type[EmbeddedKafka] = request.param
    if kind is ApacheKafka and missing_tools():
        pytest.skip(f"Apache Kafka needs {' and '.join(missing_tools())}, which this machine lacks")
    directory: Path = tmp_path_factory.mktemp("kafka")
    with kind(directory, free_port()) as started:
        yield started


@pytest.fixture
def brokers(server: EmbeddedKafka) -> str:
    return server.url

"""Every stream is found by the name of its consumer group."""

import pytest

from bevyly.errors import NotFound
from bevyly.events.catalogue import topics
from bevyly.settings import Settings
from pipelines.streams.registry import STREAMS, make_named


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_what_its_name_says(name: str) -> None:
    stream = make_named(name, Settings(database_url="postgresql://nobody", kafka_brokers="nowhere"))
    assert stream.name == name
    assert stream.topics
    assert set(stream.topics) <= topics().keys()
    assert callable(stream.handler)


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFound, match="There is no stream 'nobody'"):
        make_named("nobody", Settings())

"""Which streams there are: a line each, so that commands find a stream's handler by the name of its consumer group."""

from collections.abc import Mapping
from importlib import import_module

from bevyly.clock import Clock
from bevyly.errors import NotFound
from bevyly.settings import Settings
from pipelines.streams.runner import Stream

# name of the consumer: module with `make_stream(settings, clock)`
STREAMS: Mapping[str, str] = {
    "agent-trigger": "pipelines.streams.agent_trigger",
    "briefing-keeper": "pipelines.streams.briefing_keeper",
    "signal-detector": "pipelines.streams.signal_detector",
    "webhook-fan-out": "pipelines.webhooks.fan_out",
}


def make_named(name: str, settings: Settings, clock: Clock | None = None) -> Stream:
    """The stream of that name; raises `NotFound`."""
    if name not in STREAMS:
        raise NotFound(f"There is no stream {name!r}. Streams: {', '.join(sorted(STREAMS))}.")
    stream = import_module(STREAMS[name]).make_stream(settings, clock)
    assert isinstance(stream, Stream) and stream.name == name
    return stream

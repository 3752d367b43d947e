"""Messages: what came from Kafka, either as an event that keeps its contract or as a dead letter with a reason."""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
from confluent_kafka import Message

from bevyly.errors import Invalid
from bevyly.events import contracts
from bevyly.events.catalogue import topic_of
from bevyly.events.dead_letters import DeadLetter
from bevyly.events.envelope import MAX_EVENT_BYTES, Event


class Refused(Invalid):
    """A message that no consumer can use; `context["code"]` is the code of its dead letter."""

    code = "refused"


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """An event, the JSON of its data, and the message that carried it."""

    message: Message
    event: Event
    data: bytes


@dataclass(frozen=True)
class Decoded:
    """A batch of messages, divided."""

    accepted: list[Incoming]
    letters: list[DeadLetter]


def decode(messages: Iterable[Message]) -> Decoded:
    """Events that keep their contract, in order of arrival, and dead letters for the rest."""
    letters: list[DeadLetter] = []
    with no_collection():
        return Decoded(list(readable(messages, letters)), letters)


def readable(messages: Iterable[Message], letters: list[DeadLetter]) -> Iterator[Incoming]:
    """Events that keep their contract, one by one as they are asked for; `letters` gets the rest.

    An event that is used and forgotten before the next one is made stays in the processor's cache: a third of the time.
    """
    for message in messages:
        try:
            event, data = read(message.topic(), message.value())
        except Refused as error:
            letters.append(DeadLetter(message=message, code=error.context["code"], reason=error.detail))
        else:
            yield Incoming(message, event, data)


@contextmanager
def no_collection() -> Iterator[None]:
    """No garbage collection within: a batch makes many objects and no cycles, and looking costs a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def read(topic: str | None, payload: bytes | None) -> tuple[Event, bytes]:
    """The event in `payload` and the JSON of its data; raises `Refused`."""
    if not payload:
        raise Refused("the message is empty", code="empty")
    if len(payload) > MAX_EVENT_BYTES:
        raise Refused(f"the message has {len(payload)} bytes; at most {MAX_EVENT_BYTES}", code="too_large")
    try:
        event = Event.from_json(payload)
        if event.specversion != "1.0":
            raise Refused(f"CloudEvents {event.specversion} is not understood", code="bad_envelope")
        data = contracts.validate(event)
        if topic_of(event.type) != topic:
            raise Refused(f"{event.type} belongs on {topic_of(event.type)}, not on {topic}", code="wrong_topic")
    except Refused:
        raise
    except Invalid as error:
        raise Refused(error.detail, code=error.code) from error
    except msgspec.ValidationError as error:
        raise Refused(f"not an event: {error}", code="bad_envelope") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refused(f"not JSON: {error}", code="bad_json") from error
    except RecursionError as error:
        raise Refused("nested too deeply", code="too_deep") from error
    return event, data

"""Dead letters: what a consumer could not apply, kept as it came, with the reason and where it came from."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from confluent_kafka import Message
from prometheus_client import Counter

from bevyly.events.bus import MAX_MESSAGE_BYTES, Publisher
from bevyly.events.catalogue import DEAD_LETTER_SUFFIX

REASON_LENGTH = 500
dead_lettered = Counter("bevyly_dead_letters", "Events that could not be applied", ["topic", "consumer", "code"])


@dataclass(frozen=True, kw_only=True)
class DeadLetter:
    """A message that will not be tried again here: a stable `code`, a `reason` in words, how often it was tried."""

    message: Message
    code: str
    reason: str
    tries: int = 1


def publish(
    publisher: Publisher,
    letters: list[DeadLetter],
    *,
    consumer: str,
    at: datetime,
    while_waiting: Callable[[], object] | None = None,
) -> None:
    """Send `letters` to the dead-letter topics of their origin and wait for the acknowledgement, as `Publisher.flush`.

    Call it before the offsets move: a crash in between repeats a letter, and never loses one. Of a message that is
    larger than our topics take, the beginning is sent; its size is in the header `origin-bytes`.
    """
    for letter in letters:
        topic = str(letter.message.topic())
        publisher.send(
            topic + DEAD_LETTER_SUFFIX,
            key=letter.message.key() or b"",
            value=(letter.message.value() or b"")[:MAX_MESSAGE_BYTES],
            headers=_headers(letter, consumer=consumer, at=at),
        )
    if letters:
        publisher.flush(while_waiting=while_waiting)
    for letter in letters:
        dead_lettered.labels(topic=letter.message.topic(), consumer=consumer, code=letter.code).inc()


def plain(text: str) -> str:
    """`text` as Kafka and PostgreSQL can hold it: no lone surrogate, no NUL, at most `REASON_LENGTH` characters."""
    return text.encode(errors="replace").decode().replace("\0", "\ufffd")[:REASON_LENGTH]


def _headers(letter: DeadLetter, *, consumer: str, at: datetime) -> list[tuple[str, str]]:
    origin = letter.message
    return [
        ("reason", plain(letter.reason)),
        ("error-code", letter.code),
        ("consumer", consumer),
        ("origin-topic", str(origin.topic())),
        ("origin-partition", str(origin.partition())),
        ("origin-offset", str(origin.offset())),
        ("origin-bytes", str(len(origin))),
        ("tries", str(letter.tries)),
        ("time", at.isoformat()),
    ]

"""The bus: producers, consumers and administration of Kafka, as every process of Bevyly configures them.

One port over confluent-kafka for every broker that speaks Kafka. Does not belong here: what is sent or what happens
with what arrives.
"""

from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bevyly.errors import Unavailable
from bevyly.settings import Settings

Config = dict[str, str | int | float | bool]
# a dead letter is its message and a few headers more
MAX_MESSAGE_BYTES = 1_000_000
MAX_DEAD_LETTER_BYTES = 1_100_000


class BrokerUnavailable(Unavailable):
    """No broker answers, or it did not acknowledge in time."""

    code = "broker_unavailable"


def connection_config(settings: Settings) -> Config:
    """Where the brokers are and how to log in: SASL over TLS with SCRAM as soon as a user name is set."""
    config: Config = {
        "bootstrap.servers": settings.require_kafka(),
        "reconnect.backoff.max.ms": 2_000,
        "topic.metadata.refresh.interval.ms": 30_000,
        # small requests answered at once: waiting to fill a packet would add 40 ms
        "socket.nagle.disable": True,
        "log_level": 0,
    }
    if settings.kafka_username:
        password = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
        config |= {
            "security.protocol": "SASL_SSL",
            "sasl.mechanisms": "SCRAM-SHA-512",
            "sasl.username": settings.kafka_username,
            "sasl.password": password,
        }
    return config


class Publisher:
    """A producer that knows whether everything it was given is acknowledged.

    Messages never time out one by one: one that expired before its successor would open a gap in the order of a key.
    Instead `flush` fails as a whole, and `discard` forgets what was not sent.
    """

    def __init__(self, settings: Settings) -> None:
        self._config: Config = connection_config(settings) | {
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "message.timeout.ms": 0,
            "message.max.bytes": MAX_DEAD_LETTER_BYTES,
            "delivery.report.only.error": True,
            "queue.buffering.max.kbytes": 262_144,
        }
        self._errors: list[KafkaError] = []
        self._producer = self._new_producer()

    def send(
        self, topic: str, *, key: str | bytes, value: str | bytes, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Hand one message over; `flush` tells whether it arrived."""
        try:
            self._producer.produce(topic, value, key, headers=list(headers), on_delivery=self._on_error)
        except (BufferError, KafkaException) as error:
            raise BrokerUnavailable(f"cannot publish to {topic}: {error}") from error

    def flush(self, *, seconds: float = 10.0, while_waiting: Callable[[], object] | None = None) -> None:
        """Wait until all is acknowledged, calling `while_waiting` about every second; else `BrokerUnavailable`."""
        waited = 0.0
        while self._producer.flush(min(1.0, seconds - waited)) and not self._errors:
            waited += 1.0
            if waited >= seconds:
                raise BrokerUnavailable(f"no acknowledgement within {seconds:.0f} s")
            if while_waiting:
                while_waiting()
        if self._errors:
            raise BrokerUnavailable(f"not acknowledged: {self._errors[0].str()}")

    def discard(self) -> None:
        """Forget what is not acknowledged and start afresh, so that nothing older follows what comes next."""
        self._producer.purge()
        self._producer.flush(0)
        self._errors.clear()
        self._producer = self._new_producer()

    def _new_producer(self) -> Producer:
        return Producer(self._config)

    def _on_error(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._errors.append(error)


def make_consumer(settings: Settings, *, group: str, **overrides: str | float | bool) -> Consumer:
    """A consumer that never commits to Kafka: positions live in `raw.consumer_offsets`, beside their effect.

    What it fetches ahead is bounded by bytes: a handler that is slow holds up Kafka, not memory. A fetch is answered as
    soon as there is a message, so that a longer wait costs no latency; the short back-off of a full queue does.
    """
    return Consumer(
        connection_config(settings)
        | {
            "group.id": group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "session.timeout.ms": 10_000,
            "heartbeat.interval.ms": 1_000,
            "max.poll.interval.ms": 300_000,
            "fetch.wait.max.ms": 50,
            "fetch.error.backoff.ms": 100,
            "fetch.queue.backoff.ms": 20,
            "queued.max.messages.kbytes": 65_536,
        }
        | overrides
    )


def make_admin(settings: Settings) -> AdminClient:
    """A client that creates topics and asks for offsets."""
    return AdminClient(connection_config(settings))


def partitions_of(client: Consumer, topics: Iterable[str], *, timeout: float = 10.0) -> list[TopicPartition]:
    """All partitions of `topics`; raises `BrokerUnavailable` when no broker answers or one topic is missing."""
    try:
        known = client.list_topics(timeout=timeout).topics
    except KafkaException as error:
        raise BrokerUnavailable(f"Kafka does not answer: {error.args[0].str()}") from error
    wanted = sorted(topics)
    missing = [name for name in wanted if name not in known or known[name].error is not None]
    if missing:
        raise BrokerUnavailable(f"Kafka lacks {', '.join(missing)}: run `python -m bevyly.events.topics`.")
    return [TopicPartition(name, number) for name in wanted for number in sorted(known[name].partitions)]


def watermarks(client: Consumer, partition: TopicPartition, *, timeout: float = 10.0) -> tuple[int, int]:
    """First offset that is kept, and the one that the next message will get."""
    try:
        low, high = client.get_watermark_offsets(partition, timeout=timeout)
    except (KafkaException, TypeError) as error:
        raise BrokerUnavailable(f"Kafka does not tell the offsets of {partition.topic}") from error
    return low, high

"""`python -m bevyly.events.topics`: make the topics of the catalogue, with their dead-letter topics, where missing."""

import sys
from concurrent.futures import Future

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from bevyly.errors import BevylyError
from bevyly.events.bus import MAX_DEAD_LETTER_BYTES, MAX_MESSAGE_BYTES, BrokerUnavailable, make_admin
from bevyly.events.catalogue import Topic, topics
from bevyly.settings import Settings, get_settings

DEAD_LETTER_PARTITIONS = 1
DEAD_LETTER_HOURS = 24 * 90


def create_topics(settings: Settings, *, timeout: float = 15.0) -> list[str]:
    """Create what is missing, in any number of processes at once; the names of the topics that were created."""
    admin = make_admin(settings)
    replication = settings.kafka_replication_factor
    wanted = [new for topic in topics().values() for new in _with_dead_letters(topic, replication)]
    existing = _existing(admin, timeout=timeout)
    missing = [new for new in wanted if new.topic not in existing]
    if not missing:
        return []
    answers = admin.create_topics(missing, operation_timeout=timeout, request_timeout=timeout)
    return [name for name, answer in answers.items() if _created(name, answer)]


def _with_dead_letters(topic: Topic, replication: int) -> list[NewTopic]:
    return [
        _new_topic(topic.name, topic.partitions, replication, topic.retention_hours, MAX_MESSAGE_BYTES),
        _new_topic(
            topic.dead_letters, DEAD_LETTER_PARTITIONS, replication, DEAD_LETTER_HOURS, MAX_DEAD_LETTER_BYTES + 100_000
        ),
    ]


def _new_topic(name: str, partitions: int, replication: int, hours: int, max_bytes: int) -> NewTopic:
    config = {"retention.ms": str(hours * 3_600_000), "max.message.bytes": str(max_bytes)}
    if replication >= 3:
        config["min.insync.replicas"] = "2"
    return NewTopic(name, num_partitions=partitions, replication_factor=replication, config=config)


def _existing(admin: AdminClient, *, timeout: float) -> set[str]:
    try:
        return set(admin.list_topics(timeout=timeout).topics)
    except KafkaException as error:
        raise BrokerUnavailable(f"Kafka does not answer: {error.args[0].str()}") from error


def _created(name: str, answer: "Future[None]") -> bool:
    try:
        answer.result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise BrokerUnavailable(f"cannot create {name}: {error.args[0].str()}") from error
    return True


def main() -> int:
    """Exit code 0 when all topics exist; otherwise one sentence and 1."""
    try:
        created = create_topics(get_settings())
    except BevylyError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    sys.stdout.write(f"created: {', '.join(sorted(created)) or 'nothing, all topics exist'}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

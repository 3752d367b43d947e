"""Topics are made from their files, as often as one likes."""

import sys

import pytest
from confluent_kafka.admin import AdminClient

from bevyly.events import topics
from bevyly.events.catalogue import topics as catalogue
from bevyly.events.topics import create_topics
from bevyly.settings import Settings, get_settings


def test_all_topics_exist_with_their_partitions(settings: Settings) -> None:
    assert create_topics(settings) == []
    found = AdminClient({"bootstrap.servers": settings.require_kafka()}).list_topics(timeout=10).topics
    for topic in catalogue().values():
        assert len(found[topic.name].partitions) == topic.partitions
        assert topic.dead_letters in found


def test_a_missing_broker_is_one_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KAFKA_BROKERS", "127.0.0.1:1")
    monkeypatch.setattr(topics, "create_topics", lambda settings: create_topics(settings, timeout=1.0))
    get_settings.cache_clear()
    try:
        assert topics.main() == 1
    finally:
        get_settings.cache_clear()
    assert capsys.readouterr().err.count("\n") == 1
    assert sys.exc_info() == (None, None, None)

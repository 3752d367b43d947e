"""Topics on disk: an interrupted creation or deletion leaves nothing half."""

from pathlib import Path

import pytest
from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.identities import BLOCK, ProducerIds
from bevyly.runtime.broker.topics import TopicStore
from tests.support.kafka_batches import BIRTH_MS, batch


def opened(directory: Path) -> TopicStore:
    return TopicStore(directory, now=lambda: BIRTH_MS)


def test_a_topic_keeps_its_id_partitions_and_settings(tmp_path: Path) -> None:
    made = opened(tmp_path).create("t", partitions=2, settings={"retention.ms": "5"})
    found = opened(tmp_path).get("t")
    assert (found.id, len(found.partitions), found.setting("retention.ms")) == (made.id, 2, 5)


def test_an_unfinished_creation_is_as_if_it_had_not_begun(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    store = opened(tmp_path)
    assert store.all() == []
    store.create("t", partitions=1, settings={})


async def test_a_deleted_topic_can_be_made_again_and_is_empty(tmp_path: Path) -> None:
    store = opened(tmp_path)
    first = store.create("t", partitions=1, settings={})
    first.append(0, batch())
    await store.delete("t")
    again = store.create("t", partitions=1, settings={})
    assert (again.log(0).end_offset, again.id == first.id) == (0, False)


def test_an_unfinished_deletion_is_finished(tmp_path: Path) -> None:
    topic = opened(tmp_path).create("t", partitions=1, settings={})
    (tmp_path / "t").rename(tmp_path / f"{topic.id}~deleted")
    assert opened(tmp_path).all() == []
    assert list(tmp_path.iterdir()) == []


async def test_retention_follows_the_setting_of_each_topic(tmp_path: Path) -> None:
    store = TopicStore(tmp_path, now=lambda: BIRTH_MS + 10_000)
    short = store.create("short", partitions=1, settings={"retention.ms": "5000"})
    forever = store.create("forever", partitions=1, settings={"retention.ms": "-1"})
    for topic in (short, forever):
        topic.append(0, batch())
    await store.enforce_retention()
    assert (short.log(0).start_offset, forever.log(0).start_offset) == (1, 0)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a" * 250, "ü"])
def test_a_name_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused) as refused:
        opened(tmp_path).create(name, partitions=1, settings={})
    assert refused.value.code is ErrorCode.invalid_topic_exception


def test_producer_ids_are_never_given_twice_across_kills(tmp_path: Path) -> None:
    first = ProducerIds(tmp_path / "ids")
    given = [first.take() for _ in range(BLOCK + 5)]
    second = ProducerIds(tmp_path / "ids")
    given += [second.take() for _ in range(5)]
    assert len(set(given)) == len(given)

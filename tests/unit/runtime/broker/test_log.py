"""The log of a partition on disk: what a crash leaves, what retention takes, what a reader finds."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kio.schema.errors import ErrorCode

from bevyly.runtime.broker.batches import whole_batches
from bevyly.runtime.broker.errors import Refused
from bevyly.runtime.broker.log import PartitionLog
from tests.support.kafka_batches import BIRTH_MS, batch

NOW = BIRTH_MS
LARGE = 1 << 30


def opened(directory: Path) -> PartitionLog:
    return PartitionLog(directory, now=lambda: NOW)


def append(log: PartitionLog, *records: bytes, segment_bytes: int = LARGE) -> list[int]:
    return [log.append(entry, max_bytes=LARGE, segment_bytes=segment_bytes) for entry in records]


def offsets(log: PartitionLog, start: int = 0) -> list[int]:
    """First offsets of all batches from `start` on, read in small steps as a consumer does."""
    found = []
    while start < log.end_offset:
        for _, header in whole_batches(log.read(start, 300)):
            found.append(header.base_offset)
            start = header.next_offset
    return found


def only_segment(directory: Path) -> Path:
    (path,) = directory.glob("*.log")
    return path


def test_batches_get_consecutive_offsets_and_keep_their_bytes(tmp_path: Path) -> None:
    log = opened(tmp_path)
    assert append(log, batch([b"a", b"b"]), batch([b"c"])) == [0, 2]
    stored = log.read(2, 10_000)
    assert stored[8:12] + stored[16:] == batch([b"c"])[8:12] + batch([b"c"])[16:]
    assert int.from_bytes(stored[:8]) == 2


def test_a_reopened_log_goes_on_where_it_was(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, batch([b"a"]), batch([b"b", b"c"]))
    log.close()
    again = opened(tmp_path)
    assert (again.start_offset, again.end_offset) == (0, 3)
    assert append(again, batch()) == [3]


@given(cut=st.integers(min_value=1, max_value=200))
def test_a_torn_tail_is_cut_to_the_last_whole_batch(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    directory = tmp_path_factory.mktemp("torn")
    log = opened(directory)
    sizes = [len(entry) for entry in (batch([b"first"]), batch([b"second"]), batch([b"third"]))]
    append(log, batch([b"first"]), batch([b"second"]), batch([b"third"]))
    log.close()
    path = only_segment(directory)
    left = sum(sizes) - cut
    path.write_bytes(path.read_bytes()[:left])

    again = opened(directory)

    whole = sum(1 for number in range(1, 4) if sum(sizes[:number]) <= left)
    assert again.end_offset == whole
    assert path.stat().st_size == sum(sizes[:whole])
    assert append(again, batch([b"next"])) == [whole]
    again.close()


def test_a_damaged_tail_is_cut_although_its_length_fits(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, batch([b"good"]), batch([b"damaged"]))
    log.close()
    path = only_segment(tmp_path)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert opened(tmp_path).end_offset == 1


def test_a_tail_of_zeros_is_cut(tmp_path: Path) -> None:
    """What a file system may leave after a power cut."""
    log = opened(tmp_path)
    append(log, batch())
    log.close()
    with only_segment(tmp_path).open("ab") as file:
        file.write(bytes(4_096))
    assert opened(tmp_path).end_offset == 1


def test_repeats_and_gaps_are_known_after_reopening(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, batch(producer_id=7, sequence=0), batch(producer_id=7, sequence=1))
    log.close()
    again = opened(tmp_path)
    assert append(again, batch(producer_id=7, sequence=1)) == [1]
    assert again.end_offset == 2
    with pytest.raises(Refused) as gap:
        append(again, batch(producer_id=7, sequence=3))
    assert gap.value.code is ErrorCode.out_of_order_sequence_number


def test_segments_follow_each_other_without_a_seam(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, *[batch([b"x" * 50]) for _ in range(40)], segment_bytes=500)
    assert len(list(tmp_path.glob("*.log"))) > 5
    assert offsets(log) == list(range(40))
    log.close()
    assert offsets(opened(tmp_path)) == list(range(40))


@given(st.lists(st.integers(min_value=1, max_value=2_000), min_size=1, max_size=60), st.integers(0, 10_000))
def test_a_read_starts_with_the_batch_that_holds_the_offset(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], seed: int
) -> None:
    """Across index entries and segments, whatever the sizes of the batches."""
    log = opened(tmp_path_factory.mktemp("sizes"))
    append(log, *[batch([b"x" * size, b"y"]) for size in sizes], segment_bytes=20_000)
    wanted = seed % log.end_offset
    _, header = next(whole_batches(log.read(wanted, 1)))
    assert header.base_offset <= wanted < header.next_offset
    log.close()


def test_a_batch_above_the_limit_of_a_read_is_given_whole(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, batch([b"x" * 5_000]), batch([b"y"]))
    assert [h.size for _, h in whole_batches(log.read(0, 1))] == [len(batch([b"x" * 5_000]))]


def test_reads_outside_the_log_are_refused(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, batch())
    assert log.read(1, 100) == b""
    for outside in (-1, 2):
        with pytest.raises(Refused) as refused:
            log.read(outside, 100)
        assert refused.value.code is ErrorCode.offset_out_of_range


def test_the_first_record_of_a_time_is_found(tmp_path: Path) -> None:
    log = opened(tmp_path)
    hour = 3_600_000
    for number in range(5):
        append(log, batch([b"a", b"b"], timestamp=BIRTH_MS + number * hour), segment_bytes=200)
    assert log.find_time(BIRTH_MS) == (0, BIRTH_MS)
    assert log.find_time(BIRTH_MS + 1) == (1, BIRTH_MS + 1_000)
    assert log.find_time(BIRTH_MS + 3 * hour) == (6, BIRTH_MS + 3 * hour)
    assert log.find_time(BIRTH_MS + 9 * hour) is None
    assert log.latest_time() == (9, BIRTH_MS + 4 * hour + 1_000)


def test_retention_by_age_moves_the_start_and_survives_reopening(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, batch(timestamp=BIRTH_MS), batch(timestamp=BIRTH_MS + 10_000), segment_bytes=1)
    log.enforce_retention(oldest=BIRTH_MS + 5_000, max_bytes=None)
    assert (log.start_offset, log.end_offset) == (1, 2)
    log.enforce_retention(oldest=BIRTH_MS + 20_000, max_bytes=None)
    assert (log.start_offset, log.end_offset, log.size) == (2, 2, 0)
    log.close()
    assert opened(tmp_path).end_offset == 2


def test_retention_by_size_keeps_the_youngest(tmp_path: Path) -> None:
    log = opened(tmp_path)
    append(log, *[batch() for _ in range(10)], segment_bytes=1)
    log.enforce_retention(oldest=None, max_bytes=3 * len(batch()))
    assert (log.start_offset, log.end_offset) == (7, 10)


def test_a_full_disk_leaves_the_log_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = opened(tmp_path)
    append(log, batch([b"before"]))

    def half_written(descriptor: int, parts: list[bytes]) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("bevyly.runtime.broker.segment.os.writev", half_written)
        with pytest.raises(Refused) as refused:
            append(log, batch([b"lost"], producer_id=1, sequence=0))
    assert refused.value.code is ErrorCode.kafka_storage_error
    assert append(log, batch([b"after"], producer_id=1, sequence=0)) == [1]

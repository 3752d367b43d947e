"""Order of letters: by origin, and across a change of partition by who came first."""

from datetime import UTC, datetime

from bevyly.ids import new_id
from pipelines.dead_letters.letters import FullLetter, in_order


def letter(position: int, partition: int, offset: int) -> FullLetter:
    return FullLetter(
        id=new_id(), position=position, consumer="probe", topic="t", partition=partition, offset=offset,
        customer_id=None, event_id=None, type=None, subject=None, code="parked", reason="", tries=0,
        created_at=datetime(2026, 11, 23, tzinfo=UTC), status="open", resolved_at=None, resolution=None,
        payload=b"", key=None, headers=[],
    )  # fmt: skip


def test_offsets_count_and_not_when_a_letter_was_written() -> None:
    late, early = letter(1, 0, 9), letter(2, 0, 3)
    assert in_order([late, early]) == [early, late]


def test_a_subject_that_moved_to_another_partition_goes_on_there() -> None:
    """All of the first partition was applied or set aside before anything came on the second."""
    before, after = [letter(1, 5, 800), letter(2, 5, 801)], [letter(3, 2, 7), letter(4, 2, 8)]
    assert in_order([*reversed(after), *reversed(before)]) == [*before, *after]

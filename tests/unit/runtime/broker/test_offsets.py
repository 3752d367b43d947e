"""The journal of committed offsets: what a kill leaves, what compaction keeps, what ages away."""

from pathlib import Path

import pytest

from bevyly.runtime.broker import offsets
from bevyly.runtime.broker.offsets import Committed, Key, OffsetStore

A = Key("group-a", "topic", 0)
B = Key("group-b", "topic", 1)


def at(offset: int, *, when: int = 1_000) -> Committed:
    return Committed(offset, 0, "", when)


def test_the_last_commit_of_each_key_survives_reopening(tmp_path: Path) -> None:
    store = OffsetStore(tmp_path / "journal")
    store.commit({A: at(1), B: at(5)})
    store.commit({A: at(2)})
    store.close()
    again = OffsetStore(tmp_path / "journal")
    assert (again.get(A), again.get(B)) == (at(2), at(5))


@pytest.mark.parametrize("damage", [b"0000", b"deadbeef [[]]\n", b"\x00" * 50])
def test_a_torn_or_damaged_line_ends_the_journal(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "journal"
    store = OffsetStore(path)
    store.commit({A: at(1)})
    store.close()
    path.write_bytes(path.read_bytes() + damage)

    again = OffsetStore(path)
    again.commit({B: at(7)})
    again.close()

    final = OffsetStore(path)
    assert (final.get(A), final.get(B)) == (at(1), at(7))


def test_removed_offsets_stay_removed(tmp_path: Path) -> None:
    store = OffsetStore(tmp_path / "journal")
    store.commit({A: at(1), B: at(2)})
    store.remove([A])
    store.close()
    assert OffsetStore(tmp_path / "journal").groups() == {"group-b"}


def test_the_journal_is_rewritten_when_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(offsets, "COMPACT_BYTES", 2_000)
    store = OffsetStore(tmp_path / "journal")
    for number in range(500):
        store.commit({A: at(number)})
    assert (tmp_path / "journal").stat().st_size < 2_100
    store.close()
    assert OffsetStore(tmp_path / "journal").get(A) == at(499)


def test_idle_groups_age_away_and_groups_in_use_do_not(tmp_path: Path) -> None:
    store = OffsetStore(tmp_path / "journal")
    store.commit({A: at(1, when=100), B: at(1, when=100)})
    store.remove_idle({"group-b"}, before=200)
    assert store.groups() == {"group-b"}

"""Any change to a log that anybody could make is found, at the first link that it breaks."""

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bevyly.decisions.chain import GENESIS, Entry, Head, id_of, numbers, verify

TENANT = "01a22795-0000-7000-8000-000000000000"
AT = "2026-11-23T08:00:00.000000Z"
words = st.text(max_size=12)
grounds = st.dictionaries(st.sampled_from(["score_id", "signal_id", "ü"]), words)
bodies = st.lists(
    st.tuples(st.sampled_from(["recommendation.made", "outcome.won"]), grounds, st.none() | words), min_size=1
)


def log_of(found: list[tuple[str, dict[str, str], str | None]]) -> list[Entry]:
    """A log that holds."""
    entries: list[Entry] = []
    for sequence, (kind, grounds, details) in enumerate(found, start=1):
        salt = None if details is None else f"{sequence:032x}"
        hashed = None if details is None else sha256(f"{salt}{details}".encode()).hexdigest()
        previous = entries[-1].hash if entries else GENESIS
        entry = Entry(
            customer_id=TENANT, id=id_of(sequence), sequence=sequence, kind=kind, recommendation_id=None,
            subject_type="opportunity", subject_id="x", grounds=grounds, occurred_at=AT, noted_at=AT,
            details_hash=hashed, previous=previous, hash="", salt=salt, details=details,
            details_noted_at=None if details is None else AT,
        )  # fmt: skip
        entry.hash = entry.link(previous)
        entries.append(entry)
    return entries


def head_of(entries: list[Entry]) -> Head:
    return Head(entries[-1].sequence, entries[-1].hash, entries[-1].noted_at)


def changed(value: Any, by: str) -> Any:
    """Something else of the same shape."""
    if isinstance(value, int):
        return value + 1
    return value | {"score_id": value.get("score_id", "") + by} if isinstance(value, dict) else (value or "") + by


@given(bodies, st.data())
def test_whatever_is_changed_is_found_where_it_was(found: list[Any], data: st.DataObject) -> None:
    entries = log_of(found)
    assert verify(TENANT, entries, head=head_of(entries)).holds
    place = data.draw(st.integers(0, len(entries) - 1))
    fields = [name for name in Entry.__struct_fields__ if name not in ("salt", "details", "details_noted_at")]
    if entries[place].details is not None:
        fields += ["salt", "details", "details_noted_at"]
    fields.remove("score_sha256")
    name = data.draw(st.sampled_from(fields))
    setattr(entries[place], name, changed(getattr(entries[place], name), data.draw(st.text("ab", min_size=1))))
    assert verify(TENANT, entries).broken_at == entries[place].sequence


@dataclass
class Cut:
    """What may be done to the order of a log."""

    name: str
    first: int
    second: int

    def apply(self, entries: list[Entry]) -> list[Entry]:
        first, second = sorted((self.first % len(entries), self.second % len(entries)))
        if self.name == "swap":
            entries[first], entries[second] = entries[second], entries[first]
        elif self.name == "repeat":
            entries.insert(second, entries[first])
        else:
            del entries[first : second + 1]
        return entries


@given(bodies, st.builds(Cut, st.sampled_from(["swap", "repeat", "drop"]), st.integers(0, 99), st.integers(0, 99)))
def test_no_entry_moves_comes_twice_or_goes(found: list[Any], cut: Cut) -> None:
    entries = log_of(found)
    end, before = head_of(entries), list(entries)
    after = cut.apply(entries)
    assert verify(TENANT, after, head=end).holds == (after == before)


@given(bodies, st.data())
def test_a_log_that_was_written_anew_is_not_the_one_that_was_known(found: list[Any], data: st.DataObject) -> None:
    entries = log_of(found)
    known = data.draw(st.sampled_from(entries))
    other = log_of([(kind, grounds | {"signal_id": "forged"}, details) for kind, grounds, details in found])
    note = Head(known.sequence, known.hash)
    assert verify(TENANT, entries, known=note).holds
    assert verify(TENANT, other, head=head_of(other)).holds, "in itself it holds"
    assert verify(TENANT, other, known=note).broken_at == (known.sequence if other != entries else None)
    assert not verify(TENANT, entries[: known.sequence - 1], known=note).holds


def test_details_may_only_be_gone_where_the_log_says_so() -> None:
    entries = log_of(
        [("outcome.won", {}, "a"), ("outcome.won", {}, "b"), ("details.erased", {"sequences": "1-2"}, None)]
    )
    for entry in entries:
        entry.salt = entry.details = entry.details_noted_at = None
    verdict = verify(TENANT, entries)
    assert (verdict.holds, verdict.erased) == (True, 2)
    assert verify(TENANT, entries[:2]).broken_at == 1


def test_the_score_that_it_rests_on_must_be_the_same() -> None:
    [entry] = log_of([("score.used", {"score_sha256": "a"}, None)])
    entry.score_sha256 = "b"
    assert verify(TENANT, [entry]).reason == "the score that it rests on was changed"


def test_an_entry_is_hashed_in_canonical_form() -> None:
    [entry] = log_of([("outcome.won", {"ü": '\x01"\\\n/', "a": "ü"}, None)])
    canonical = entry.canonical().decode()
    assert canonical.startswith(
        f'{{"customer_id":"{TENANT}","details_hash":null,"grounds":{{"a":"ü","ü":"\\u0001\\"\\\\\\n/"}},"id":"{id_of(1)}",'
    )
    assert msgspec.json.decode(canonical)["sequence"] == 1


@pytest.mark.parametrize(("text", "expected"), [("7", [7]), ("1-3,7", [1, 2, 3, 7])])
def test_ranges(text: str, expected: list[int]) -> None:
    assert list(numbers(text)) == expected

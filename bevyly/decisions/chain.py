"""The chain: how an entry becomes a hash, and finding the first link that does not hold. Pure: no database.

Written apart from the SQL that chains, so that one checks the other. An entry as canonical JSON (RFC 8785) has its keys
in order, no spaces, texts and whole numbers only, times in UTC with microseconds.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

GENESIS = "0" * 64
"""What the first entry of a log stands on."""
ERASED = "details.erased"


class Entry(msgspec.Struct, kw_only=True, omit_defaults=False):
    """An entry with its place in the chain and, where they are still there, its details. Times are ISO 8601 texts."""

    customer_id: str
    id: str
    sequence: int
    kind: str
    recommendation_id: str | None
    subject_type: str
    subject_id: str | None
    grounds: dict[str, str]
    occurred_at: str
    noted_at: str
    details_hash: str | None
    previous: str
    hash: str
    salt: str | None = None
    details: str | None = None
    details_noted_at: str | None = None
    score_sha256: str | None = None
    """Of `score.used`: the hash of the score as it is stored now, where it still is."""

    def canonical(self) -> bytes:
        """What is hashed."""
        return msgspec.json.encode({name: getattr(self, name) for name in _CHAINED}, order="sorted")

    def link(self, previous: str) -> str:
        """Its hash, standing on `previous`."""
        return sha256(previous.encode() + b"\n" + self.canonical()).hexdigest()


_CHAINED = (
    "customer_id", "details_hash", "grounds", "id", "kind", "noted_at", "occurred_at", "recommendation_id",
    "sequence", "subject_id", "subject_type",
)  # fmt: skip


class Head(msgspec.Struct, frozen=True):
    """Where a log ends."""

    sequence: int = 0
    hash: str = GENESIS
    noted_at: str | None = None


class Verdict(msgspec.Struct):
    """What came of a log: how far it holds, and what is wrong with the first link that does not."""

    customer_id: str
    head: Head
    erased: int = 0
    """Entries whose details were erased, which the log says."""
    broken_at: int | None = None
    reason: str | None = None

    @property
    def holds(self) -> bool:
        """Whether every link does."""
        return self.broken_at is None


def verify(
    customer_id: str, entries: Iterable[Entry], *, head: Head | None = None, known: Head | None = None
) -> Verdict:
    """Look at all links of a tenant's log, in the order of their sequence.

    `head` is where the database says that the log ends; `known` is an end that somebody wrote down before, which must
    still be in it: without one, nothing can tell a log that was replaced as a whole.
    """
    verdict = Verdict(customer_id=customer_id, head=Head())
    missing: set[int] = set()
    for entry in entries:
        reason = _wrong(entry, verdict)
        if reason is not None:
            verdict.broken_at, verdict.reason = entry.sequence, reason
            return verdict
        verdict.head = Head(entry.sequence, entry.hash, entry.noted_at)
        if known is not None and entry.sequence == known.sequence and entry.hash != known.hash:
            return _broken(verdict, entry.sequence, "it is not the entry that was known")
        if entry.details_hash is not None and entry.details is None:
            missing.add(entry.sequence)
        if entry.kind == ERASED:
            erased = set(numbers(entry.grounds["sequences"]))
            verdict.erased += len(erased & missing)
            missing -= erased
    if missing:
        return _broken(verdict, min(missing), "its details are gone, and no entry says that they were erased")
    if head is not None and head != verdict.head:
        return _broken(verdict, verdict.head.sequence + 1, f"the log ends before its head, entry {head.sequence}")
    if known is not None and known.sequence > verdict.head.sequence:
        return _broken(
            verdict, verdict.head.sequence + 1, f"the log ends before entry {known.sequence}, which was known"
        )
    return verdict


def numbers(ranges: str) -> Iterator[int]:
    """`1-3,7` as 1, 2, 3, 7."""
    for one in ranges.split(","):
        first, _, last = one.partition("-")
        yield from range(int(first), int(last or first) + 1)


def id_of(sequence: int) -> str:
    """The id of an entry: a UUID of version 8 that sorts as the sequence does."""
    return str(UUID(int=(8 << 76) | (8 << 60) | sequence))


def _wrong(entry: Entry, verdict: Verdict) -> str | None:
    before = verdict.head
    checks: tuple[tuple[bool, str], ...] = (
        (entry.customer_id == verdict.customer_id, "it belongs to another tenant"),
        (entry.sequence == before.sequence + 1, f"entry {before.sequence + 1} is missing"),
        (entry.previous == before.hash, "it does not stand on the entry before"),
        (entry.id == id_of(entry.sequence), "its id is not that of its place"),
        (entry.link(before.hash) == entry.hash, "its hash is not that of what it says"),
        (_details_hold(entry), "its details are not those that were noted"),
        (
            entry.score_sha256 in (None, entry.grounds.get("score_sha256")),
            "the score that it rests on was changed",
        ),
    )
    return next((reason for holds, reason in checks if not holds), None)


def _details_hold(entry: Entry) -> bool:
    if entry.details is None:
        return True
    found = sha256(f"{entry.salt}{entry.details}".encode()).hexdigest()
    return found == entry.details_hash and entry.details_noted_at in (None, entry.noted_at)


def _broken(verdict: Verdict, sequence: int, reason: str) -> Verdict:
    verdict.broken_at, verdict.reason = sequence, reason
    return verdict


def as_json(value: Any) -> bytes:
    """A line of an export, or a verdict."""
    return msgspec.json.encode(value)

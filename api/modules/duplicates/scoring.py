"""How likely two records are the same: from equal keys, and from how alike their names are.

Pure: rows as the database renders them (`api_find_duplicates_…`), scores between 0 and 1. The keys are columns that the
database derives (names folded and without legal form, registrable domains, digits of phone numbers).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rapidfuzz import fuzz
from rapidfuzz.distance import JaroWinkler

BLOCKED = 0.9
"""From this score on a new record is refused, unless the caller knows better."""
LISTED = 0.7
"""From this score on two records are shown as candidates."""
_ALIKE = 0.88

# Providers of private mailboxes: a shared domain there says nothing about the company.
MAILBOXES = frozenset(
    {
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "live.com",
        "msn.com",
        "yahoo.com",
        "yahoo.co.uk",
        "icloud.com",
        "me.com",
        "mac.com",
        "aol.com",
        "gmx.de",
        "gmx.net",
        "gmx.com",
        "web.de",
        "t-online.de",
        "proton.me",
        "protonmail.com",
        "mail.com",
        "zoho.com",
        "yandex.com",
        "qq.com",
        "163.com",
    }
)

Row = dict[str, Any]


@dataclass(frozen=True)
class Match:
    """How likely, and what matched: `name` is an equal name, `similar_name` one that is alike."""

    score: float
    keys: tuple[str, ...]


@dataclass(frozen=True)
class Candidate:
    """A record that may be the same as another one."""

    id: str
    kind: str
    title: str
    matched: tuple[str, ...]
    score: float


def candidates(kind: str, record: Row, others: Iterable[Row]) -> list[Candidate]:
    """Those of `others` that are probably the same as `record`, the likeliest first."""
    found = [(other, _SCORES[kind](record, other)) for other in others]
    likely = [
        Candidate(other["id"], kind, other["title"] or "", match.keys, match.score)
        for other, match in found
        if match.score >= LISTED
    ]
    return sorted(likely, key=lambda one: (-one.score, one.id))


def _account(one: Row, other: Row) -> Match:
    """The same domain is the same company; the same name is, where nothing speaks against it."""
    name, alike = _names(one, other)
    keys = [name] if name else []
    if _equal(one, other, "domain") and one["domain"] not in MAILBOXES:
        return Match(0.95, ("domain", *keys))
    if not name or (one["domain"] and other["domain"]):
        return Match(0.6 * alike, tuple(keys))
    if name == "name" and _equal(one, other, "city"):
        return Match(0.92, ("name", "city"))
    return Match(round(0.8 * alike, 3), tuple(keys))


def _contact(one: Row, other: Row) -> Match:
    """The same mailbox is the same person; a phone may be shared, a name even more so."""
    name, alike = _names(one, other)
    keys = [name] if name else []
    if _equal(one, other, "email"):
        return Match(0.98, ("email", *keys))
    if _equal(one, other, "phone"):
        return Match(0.92, ("phone", *keys)) if name else Match(0.6, ("phone",))
    if name and _equal(one, other, "account"):
        return Match(round(0.85 * alike, 3), (name, "account"))
    return Match(round(0.6 * alike, 3), tuple(keys))


def _lead(one: Row, other: Row) -> Match:
    """As contacts; a name counts together with the company."""
    name, alike = _names(one, other)
    keys = [name] if name else []
    if _equal(one, other, "email"):
        return Match(0.98, ("email", *keys))
    if _equal(one, other, "phone") and name:
        return Match(0.92, ("phone", *keys))
    return Match(round((0.85 if one["person"] and other["person"] else 0.6) * alike, 3), tuple(keys))


_SCORES: dict[str, Callable[[Row, Row], Match]] = {"account": _account, "contact": _contact, "lead": _lead}


def _equal(one: Row, other: Row, key: str) -> bool:
    return one[key] is not None and one[key] == other[key]


def _names(one: Row, other: Row) -> tuple[str | None, float]:
    """What to call the match of two names, and how alike they are: a word more or less counts, its place does not."""
    if not one["name"] or not other["name"]:
        return None, 0.0
    if one["name"] == other["name"]:
        return "name", 1.0
    words = fuzz.token_sort_ratio(one["name"], other["name"]) / 100
    letters = JaroWinkler.similarity(one["name"], other["name"])
    alike = min(words, letters) if len(one["name"].split()) == len(other["name"].split()) else words
    return ("similar_name", alike) if alike >= _ALIKE else (None, alike)

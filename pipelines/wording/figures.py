"""Every figure in a text, as what it is: money, percent, a date, a place in an order, or a count of something.

`EUR 1,400`, `€1.4k` and `1400 euros` are one amount; `nine days` and `9-day` one count. Belongs here: reading. What a
figure may be is `check`'s business.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

_UNITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_ORDINALS = (
    *("zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"),
    *("eleventh", "twelfth"),
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH_NAMES = (
    "january|february|march|april|may|june|july|august|september|october|november|december"
    "|jan|feb|mar|apr|jun|jul|aug|sept|sep|oct|nov|dec"
)
_SIGNS = {"€": "EUR", "$": "USD", "£": "GBP", "¥": "JPY"}
_CALLED = {"euro": "EUR", "dollar": "USD", "pound": "GBP", "yen": "JPY", "franc": "CHF"}
_SCALES = {"k": 1_000, "thousand": 1_000, "m": 10**6, "mn": 10**6, "million": 10**6, "bn": 10**9, "billion": 10**9}
_NUMBER = r"\d+(?:[,’' \u00a0\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_SCALE = r"(?:\s?(?P<scale>k|thousand|mn|million|m|bn|billion))(?![a-z])"
_FIGURE = re.compile(
    rf"""
    (?P<iso>\d{{4}}-\d{{2}}-\d{{2}})
    | (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month>{_MONTH_NAMES})\b\.?(?:,?\s+(?P<year>\d{{4}}))?
    | \b(?P<month2>{_MONTH_NAMES})\b\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,?\s+(?P<year2>\d{{4}}))?
    | (?P<before>(?-i:\b[A-Z]{{3}})\s?|[€$£¥]\s?)?(?P<sign>[-−+](?=\d))?
      (?P<number>{_NUMBER}|\b(?:{"|".join(_UNITS)})\b)
      (?P<ordinal>(?:st|nd|rd|th)\b)?(?:{_SCALE})?
      (?P<after>\s?(?:%|per\s?cent\b|percent\b)|\s?[€$£¥]|\s?(?-i:[A-Z]{{3}})\b|\s(?:{"|".join(_CALLED)})s?\b)?
    | \b(?P<word>{"|".join(_ORDINALS)})\b
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NEXT = re.compile(r"[\s-]*([A-Za-z]+)")


class Figure(NamedTuple):
    """What a figure says: its kind, its value, and of what: the currency, or what is counted."""

    kind: str
    value: str
    of: str = ""


def figures(text: str) -> Iterator[Figure]:
    """The figures of `text` in their order."""
    for found in _FIGURE.finditer(text):
        yield _figure(found, text)


def dateless(text: str) -> str:
    """`text` without its dates, whose months are written like names; a full stop behind one stays."""

    def kept(found: re.Match[str]) -> str:
        dated = _figure(found, text).kind == "date"
        return ("it." if found[0].endswith(".") else "it") if dated else found[0]

    return _FIGURE.sub(kept, text)


def _figure(found: re.Match[str], text: str) -> Figure:
    part = found.groupdict()
    if part["iso"]:
        return Figure("date", part["iso"][5:], part["iso"][:4])
    day, month = part["day"] or part["day2"], part["month"] or part["month2"]
    if day:
        number = _MONTHS.index(month[:3].lower()) + 1
        return Figure("date", f"{number:02}-{int(day):02}", part["year"] or part["year2"] or "")
    if part["word"]:
        return Figure("place", str(_ORDINALS.index(part["word"].lower())))
    value = _value(part["number"], part["scale"]) * (-1 if part["sign"] in ("-", "−") else 1)
    told = f"{value.normalize():f}"
    after = (part["after"] or "").strip()
    if after and (after == "%" or after.lower().replace(" ", "") == "percent"):
        return Figure("percent", told)
    currency = _currency((part["before"] or "").strip()) or _currency(after)
    if currency or part["scale"]:
        return Figure("money", told, currency)
    return Figure("place", told) if part["ordinal"] else Figure("count", told, _counted(text[found.end() :]))


def _value(number: str, scale: str | None) -> Decimal:
    lowered = number.lower()
    plain = Decimal(_UNITS.index(lowered)) if lowered in _UNITS else Decimal(re.sub(r"[^\d.]", "", number))
    return plain * _SCALES[scale.lower()] if scale else plain


def _currency(text: str) -> str:
    if text in _SIGNS:
        return _SIGNS[text]
    return _CALLED.get(text.lower().removesuffix("s"), text if re.fullmatch("[A-Z]{3}", text) else "")


def _counted(rest: str) -> str:
    """What stands behind a number, in the singular."""
    found = _NEXT.match(rest)
    return found[1].lower().removesuffix("s") if found else ""

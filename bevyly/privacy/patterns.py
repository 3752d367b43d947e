"""Patterns: how a person is recognised in texts, written for PostgreSQL's regular expressions (case-insensitive).

A text may be JSON or bytes that PostgreSQL shows as text, so each needle is looked for in the forms that these give it.
"""

import json
import re
from collections.abc import Iterable

NEVER = "a^"
"""Matches nothing."""
_PART_OF_ADDRESS = r"[[:alnum:]._%+-]"
# behind `\n` in JSON the n belongs to nobody
_BEGINS = rf"(?:(?<!{_PART_OF_ADDRESS})|(?<=\\[nrtbf])|(?<=\\u[0-9a-f][0-9a-f][0-9a-f][0-9a-f]))"
_PLAIN = re.compile(r"[a-z0-9@._+ -]+")
_ENDS = r"(?![[:alnum:]-]|\.[[:alnum:]])"


def mention(*, ids: Iterable[str], emails: Iterable[str], phones: Iterable[str]) -> str:
    """Where a person is meant: by id, address or telephone number."""
    return _any([*sorted(ids), *map(_address, sorted(emails)), *_literal(phones)])


def redaction(*, emails: Iterable[str], phones: Iterable[str], names: Iterable[str]) -> str:
    """What is taken out of a text in which a person is meant. Ids stay: they lead nowhere any more."""
    return _any([*map(_address, sorted(emails)), *_literal(phones), *_literal(names)])


def loose(emails: Iterable[str]) -> str:
    """Addresses in bytes of any encoding, with a zero byte between letters or without."""
    return _any([r"(?:\\000)?".join(map(re.escape, email)) for email in sorted(emails)])


def hints(needles: Iterable[str]) -> list[str]:
    """What LIKE finds, in lower case, wherever one of `needles` can be: a tenth of the time of a regular expression.

    Of each needle the longest run of letters that JSON and bytes show as they are. An underscore finds too much, which
    the expression then sets right.
    """
    runs = [max(_PLAIN.findall(needle.lower()), key=len, default="") for needle in needles]
    return sorted({f"%{run}%" for run in runs})


def _address(email: str) -> str:
    return f"{_BEGINS}(?:{_any(_literal([email]))}){_ENDS}"


def _literal(needles: Iterable[str]) -> list[str]:
    """Each needle as it is, in JSON, and in bytes; the longest first, since the first that fits is taken."""
    forms = {form for needle in needles for form in (needle, *_in_json(needle), _in_bytes(needle))}
    return [re.escape(form) for form in sorted(forms, key=lambda form: (-len(form), form))]


def _in_json(needle: str) -> tuple[str, str]:
    return json.dumps(needle, ensure_ascii=False)[1:-1], json.dumps(needle)[1:-1]


def _in_bytes(needle: str) -> str:
    raw = needle.encode()
    return "".join(chr(byte) if 32 <= byte < 127 else f"\\{byte:03o}" for byte in raw)


def _any(alternatives: list[str]) -> str:
    return "|".join(alternatives) or NEVER

"""Whether a sentence of a model says only what the facts say. Whatever is not surely so is refused, with the reason.

Belongs here: the rules. What the template says needs no check. A refusal costs nothing but the model's sentence.
"""

import re

from pipelines.wording.facts import Facts
from pipelines.wording.figures import Figure, dateless, figures
from pipelines.wording.vocabulary import CLAIMS, COMMON, VAGUE

SHORTEST, LONGEST = 20, 320
_ALLOWED = re.compile(r"[A-Za-z0-9 .,;:!?'’\"“”()%€$£¥–—−+&-]*")
_LINK = re.compile(r"[A-Za-z]\.[A-Za-z]|www|https?", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z][A-Za-z'’]*")
_SENTENCE_START = re.compile(r"(?:^|[.!?:]\s+[\"“(]?)([A-Za-z][A-Za-z'’]*)")
_LEAST_ENGLISH = 0.25


def refusal(text: str, facts: Facts) -> str | None:
    """Why `text` may not be used in place of the template's sentences; None where it may."""
    if not SHORTEST <= len(text) <= LONGEST:
        return f"its length is {len(text)}"
    plain, unknown = _without_placeholders(text, facts)
    if unknown:
        return "it names somebody whom the facts do not name"
    return _characters(plain) or _figures(plain, facts) or _words(dateless(plain), facts) or _language(plain)


def _without_placeholders(text: str, facts: Facts) -> tuple[str, bool]:
    plain = text
    for token in facts.placeholders:
        plain = plain.replace(token, "it")
    return plain, "[" in plain or "]" in plain


def _characters(text: str) -> str | None:
    if not _ALLOWED.fullmatch(text):
        return "it has characters that a sentence does not need"
    return "it has a link" if _LINK.search(text) else None


def _figures(text: str, facts: Facts) -> str | None:
    known = {figure for part in facts.texts for figure in figures(_masked(part))}
    known |= {Figure("money", figure.value, "") for figure in known if figure.kind == "money"}
    # the second amount of a range goes without its currency: `EUR 1,643 (120 to 3,292)`
    currencies = {figure.of for figure in known if figure.kind == "money" and figure.of}
    bare = {figure.value for figure in figures(facts.between)}
    known |= {Figure("money", value, currency) for value in bare for currency in (*currencies, "")}
    dates = {figure.value for figure in known if figure.kind == "date"}
    for figure in figures(text):
        if figure in known or (figure.kind == "date" and not figure.of and figure.value in dates):
            continue
        return f"a {figure.kind} in it is not in the facts"
    return None


def _words(text: str, facts: Facts) -> str | None:
    told = [word for part in facts.texts for word in _WORD.findall(_masked(part))]
    said, lowered = set(told), {word.lower() for word in told}
    opening = set(_SENTENCE_START.findall(text))
    for word in _WORD.findall(text):
        low = word.lower().replace("’", "'")
        if low in CLAIMS | VAGUE and low not in lowered:
            return f"the facts do not say {low!r}"
        if word in said or word == low:
            continue
        begins = word in opening and word == low.capitalize() and low in lowered | COMMON
        if not begins:
            return "a name in it is not in the facts"
    return None


def _language(text: str) -> str | None:
    words = [word.lower() for word in _WORD.findall(text)]
    english = sum(word in COMMON for word in words)
    return None if words and english / len(words) >= _LEAST_ENGLISH else "it is not English"


def _masked(text: str) -> str:
    """A text of the facts without what stands for names."""
    return re.sub(r"\[[A-Z]+\]", "it", text)

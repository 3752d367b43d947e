"""Texts with fields: `{{contact.first_name}}`, or with what stands for a missing value `{{contact.title|expert}}`.

A template is looked through once and nothing in it is code: what a value contains is text, whatever it looks like.
"""

import re
from collections.abc import Mapping

FIELDS = frozenset(
    {
        *(f"contact.{name}" for name in ("first_name", "last_name", "name", "email", "phone", "title")),
        *(f"account.{name}" for name in ("name", "domain", "industry", "city", "country")),
        *(f"sender.{name}" for name in ("first_name", "name", "email")),
    }
)
"""Everything that can be asked for; for a lead, `contact` and `account` are what the lead says of them."""
_FIELD = re.compile(r"\{\{ ?([a-z_]{1,20}\.[a-z_]{1,20}) ?(?:\|([^{}|\r\n]{0,100}))?\}\}")
_LEFT = ("{{", "}}", "{%", "%}")


class MissingValue(Exception):
    """A record lacks the value of a field that has nothing to stand for it."""


def checked(template: str) -> str:
    """`template` as it is; raises `ValueError` for a field that does not exist, or is not written as one."""
    unknown = sorted({found[0] for found in _FIELD.findall(template)} - FIELDS)
    if unknown:
        raise ValueError(f"there is no field {unknown[0]}; there are {', '.join(sorted(FIELDS))}")
    rest = _FIELD.sub("", template)
    if any(mark in rest for mark in _LEFT):
        raise ValueError("a field is written {{contact.first_name}} or {{contact.first_name|there}}")
    return template


def rendered(template: str, values: Mapping[str, str | None]) -> str:
    """`template` with its fields filled in, each value on one line; raises `MissingValue` with the name of a field."""

    def fill(found: re.Match[str]) -> str:
        value = " ".join((values.get(found[1]) or "").split()) or found[2]
        if value is None:
            raise MissingValue(found[1])
        return value.strip()

    return _FIELD.sub(fill, template)

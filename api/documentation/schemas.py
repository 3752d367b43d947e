"""JSON Schemas of two documents, compared: what the later one refuses, and what it no longer gives."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs

Json = dict[str, Any]
_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_SAME = ("pattern", "format", "multipleOf", "uniqueItems")


def refused(old: Json, new: Json, old_document: Json, new_document: Json, path: str) -> list[str]:
    """What `old` took and `new` refuses."""
    return sorted(set(_Comparison(old_document, new_document, reading=False).narrowed(old, new, path)))


def lost(old: Json, new: Json, old_document: Json, new_document: Json, path: str) -> list[str]:
    """What readers of `old` miss or do not expect in what `new` gives, beside new fields and new values."""
    return sorted(set(_Comparison(new_document, old_document, reading=True).narrowed(new, old, path)))


class _Comparison:
    """Whether all that schema `a` allows is allowed by `b`. Where answers are compared, `a` is the later one."""

    def __init__(self, a_document: Json, b_document: Json, *, reading: bool) -> None:
        self._a_document = a_document
        self._b_document = b_document
        self._reading = reading
        self._under_way: set[tuple[str, str]] = set()

    def narrowed(self, a: Json, b: Json, path: str) -> Iterator[str]:
        pair = (a.get("$ref", ""), b.get("$ref", ""))
        if all(pair) and pair in self._under_way:
            return
        self._under_way.add(pair)
        yield from self._branches(_resolved(a, self._a_document), _resolved(b, self._b_document), path)
        self._under_way.discard(pair)

    def _branches(self, a: Json, b: Json, path: str) -> Iterator[str]:
        """Each branch of `a` must fit into one of `b`; the one that comes closest tells what is in the way."""
        if not b.keys() - {"title", "description", "default", "examples"}:
            return
        theirs = [_resolved(one, self._b_document) for one in _alternatives(b)]
        for branch in (_resolved(one, self._a_document) for one in _alternatives(a)):
            tries = [(not _types(branch) <= _types(other), list(self._one(branch, other, path))) for other in theirs]
            if all(reasons for _, reasons in tries):
                yield from min(tries, key=lambda tried: (tried[0], len(tried[1])))[1]
        if self._reading:
            given = {str(one.get("type")) for one in _alternatives(a)}
            yield from (
                f"{path}: is never {type_} now"
                for one in _alternatives(b)
                if (type_ := one.get("type")) is not None and type_ != "null" and type_ not in given and len(theirs) > 1
            )

    def _one(self, a: Json, b: Json, path: str) -> Iterator[str]:
        if not _types(a) <= _types(b):
            yield f"{path}: {self._word('takes', 'gives')} {_named(b, a, self._reading)}"
            return
        yield from self._values(a, b, path)
        yield from self._bounds(a, b, path)
        yield from self._members(a, b, path)
        for word in ("items", "additionalProperties"):
            if isinstance(a.get(word), dict) and isinstance(b.get(word), dict):
                yield from self.narrowed(a[word], b[word], f"{path}/*")

    def _values(self, a: Json, b: Json, path: str) -> Iterator[str]:
        had, has = _enum(a), _enum(b)
        if self._reading:
            if had is not None and has is not None:
                yield from (f"{path}: the value {value} is gone" for value in sorted(has - had))
            elif has is not None:
                yield f"{path}: may be any value now"
        elif has is not None:
            gone = ["any value"] if had is None else sorted(had - has)
            yield from (f"{path}: the value {value} is no longer taken" for value in gone)

    def _bounds(self, a: Json, b: Json, path: str) -> Iterator[str]:
        if self._reading:
            if a.get("format") != b.get("format"):
                yield f"{path}: format changed"
            return
        if "enum" in a:
            bounds = {word: b[word] for word in (*_UPPER, *_LOWER, *_SAME) if word in b}
            unfit = (value for value in a["enum"] if not jsonschema_rs.is_valid(bounds, value))
            yield from (f"{path}: the value {value} is no longer taken" for value in unfit)
            return
        for word in _UPPER:
            if word in b and not (word in a and a[word] <= b[word]):
                yield f"{path}: {word} is lower"
        for word in _LOWER:
            if word in b and not (word in a and a[word] >= b[word]):
                yield f"{path}: {word} is higher"
        yield from (f"{path}: {word} changed" for word in _SAME if word in b and a.get(word) != b[word])

    def _members(self, a: Json, b: Json, path: str) -> Iterator[str]:
        mine, theirs = a.get("properties", {}), b.get("properties", {})
        for name in set(b.get("required", ())) - set(a.get("required", ())):
            if name in mine or not self._reading:
                yield f"{path}/{name}: {self._word('is newly required', 'may be missing now')}"
        if self._reading:
            yield from (f"{path}/{name}: is gone" for name in theirs.keys() - mine.keys())
        elif b.get("additionalProperties") is False:
            yield from (f"{path}/{name}: is no longer taken" for name in mine.keys() - theirs.keys())
            if theirs and a.get("additionalProperties") is not False and "properties" in a:
                yield f"{path}: unknown fields are no longer taken"
        for name in mine.keys() & theirs.keys():
            yield from self.narrowed(mine[name], theirs[name], f"{path}/{name}")

    def _word(self, sent: str, read: str) -> str:
        return read if self._reading else sent


def _resolved(schema: Json, document: Json) -> Json:
    while "$ref" in schema:
        found: Any = document
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def _alternatives(schema: Json) -> list[Json]:
    found: list[Json] = schema.get("anyOf") or schema.get("oneOf") or [schema]
    return found


def _types(schema: Json) -> set[str]:
    type_ = schema.get("type")
    if type_ is None:
        return {"any"} if _enum(schema) is None else set()
    types = {type_} if isinstance(type_, str) else set(type_)
    return types | {"integer"} if "number" in types else types


def _enum(schema: Json) -> set[str] | None:
    if "const" in schema:
        return {str(schema["const"])}
    return {str(value) for value in schema["enum"]} if "enum" in schema else None


def _named(b: Json, a: Json, reading: bool) -> str:
    before, after = (b, a) if reading else (a, b)
    return f"{after.get('type', 'any type')} in place of {before.get('type', 'any type')}"

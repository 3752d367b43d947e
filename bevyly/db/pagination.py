"""Keyset pages: where a page ends, as an opaque cursor that only we can have made.

A cursor is bound to its tenant, its list and the filters and order it was made with; one that was altered, or is used
elsewhere, is a typed error. Does not belong here: the statements, whose indexes are declared in the page's order.
"""

import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import orjson

from bevyly.errors import Invalid
from bevyly.ids import is_id

DEFAULT_LIMIT = 50
MAX_LIMIT = 200
_MAC_BYTES = 16


class InvalidCursor(Invalid):
    """The cursor was not made by us for this list and these filters."""

    code = "invalid_cursor"


@dataclass(frozen=True)
class Position:
    """The last row of a page: its time and its id; the next page starts after it."""

    at: datetime
    id: str


@dataclass(frozen=True)
class Bookmark:
    """Where a page of a query ends: the sort values of its last row as texts, its id, and the first page's `now`."""

    now: datetime
    values: tuple[str | None, ...]


START = Position(datetime.max.replace(tzinfo=UTC), "\x7f")
"""Before the first row of every list that goes from newest to oldest."""

ASCENDING_START = Position(datetime.min.replace(tzinfo=UTC), "")
"""Before the first row of every list that goes from oldest to newest."""


class CursorCodec:
    """Prints and parses cursors, signed with a key derived from `secret`."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"bevyly cursor v1", "sha256")

    def encode(self, position: Position, *, scope: str) -> str:
        """The cursor after `position` in the list that `scope` names (tenant, list, filters)."""
        return self._seal(f"{_micros(position.at)}:{position.id}".encode(), scope)

    def decode(self, cursor: str | None, *, scope: str, start: Position = START) -> Position:
        """The position in `cursor`, or `start`; raises `InvalidCursor`."""
        if cursor is None:
            return start
        payload = self._open(cursor, scope)
        micros, _, row_id = payload.decode().partition(":")
        if not is_id(row_id):
            raise _invalid()
        return Position(_instant(int(micros)), row_id)

    def encode_bookmark(self, bookmark: Bookmark, *, scope: str) -> str:
        """The cursor after `bookmark` in the list that `scope` names (tenant, list, filters, order)."""
        return self._seal(orjson.dumps([_micros(bookmark.now), *bookmark.values]), scope)

    def decode_bookmark(self, cursor: str, *, scope: str) -> Bookmark:
        """The bookmark in `cursor`; raises `InvalidCursor`."""
        micros, *values = orjson.loads(self._open(cursor, scope))
        return Bookmark(_instant(micros), tuple(values))

    def _seal(self, payload: bytes, scope: str) -> str:
        return urlsafe_b64encode(self._mac(payload, scope) + payload).decode().rstrip("=")

    def _open(self, cursor: str, scope: str) -> bytes:
        try:
            raw = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except (ValueError, Base64Error):
            raise _invalid() from None
        mac, payload = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(payload, scope)):
            raise _invalid()
        return payload

    def _mac(self, payload: bytes, scope: str) -> bytes:
        return hmac.digest(self._key, sha256(scope.encode()).digest() + payload, "sha256")[:_MAC_BYTES]


def _instant(micros: int) -> datetime:
    seconds, rest = divmod(micros, 1_000_000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)


def _invalid() -> InvalidCursor:
    return InvalidCursor("This cursor does not belong to this list with these filters. Start again without it.")


def _micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)

"""Ids: UUIDv7 as text of 36 characters, so that ids of one table sort by the time they were made."""

from hashlib import sha256
from uuid import UUID

import uuid_utils

ID_LENGTH = 36


def new_id() -> str:
    """A new id; later ids sort after earlier ones."""
    return str(uuid_utils.uuid7())


def is_id(text: str) -> bool:
    """Whether `text` is a UUID in its canonical lower-case form."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def derived_id(*parts: str) -> str:
    """The id that belongs to `parts`: equal parts give equal ids, on every machine.

    For imports, which must be repeatable. A UUIDv8 (custom content, RFC 9562) from SHA-256.
    """
    digest = bytearray(sha256("\x1f".join(parts).encode()).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return str(UUID(bytes=bytes(digest)))

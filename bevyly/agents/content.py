"""What an agent wants to do, as one number: what was approved can be compared with what is executed."""

from hashlib import sha256
from typing import Any

import msgspec


def content_hash(content: dict[str, Any]) -> str:
    """SHA-256 of `content` in one canonical form, as it comes back from the database."""
    return sha256(msgspec.json.encode(content, order="sorted")).hexdigest()

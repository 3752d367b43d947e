"""Marks: keyed hashes by which somebody is recognised again, and from which nobody finds out who it was.

HMAC-SHA-256 under the keys of ENCRYPTION_KEYS: the first one writes, all of them read, as with what is sealed.
"""

import hmac
from hashlib import sha256

from bevyly.settings import Settings


class Marks:
    """Marks values of tenants."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = [sha256(b"bevyly/marks" + key.encode()).digest() for key in keys]

    @classmethod
    def of(cls, settings: Settings) -> "Marks":
        """With the keys of `settings`; raises `MissingDependency` where there are none."""
        return cls(settings.require_encryption_keys())

    def mark(self, customer_id: str, value: str) -> str:
        """The mark of `value`, the same in any case."""
        return self.all(customer_id, value)[0]

    def all(self, customer_id: str, value: str) -> list[str]:
        """The marks that `value` may have been given, the newest key's first."""
        message = f"{customer_id}\n{value.strip().lower()}".encode()
        return [hmac.new(key, message, sha256).hexdigest() for key in self._keys]

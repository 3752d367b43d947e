"""Encryption at rest: what the database keeps of secrets that we must be able to use again.

Fernet (AES-128-CBC with HMAC-SHA-256) under the keys of ENCRYPTION_KEYS: the first encrypts, all decrypt, which is how
keys are rotated. What only has to be recognised again is hashed instead (`bevyly.identity`).
"""

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from bevyly.errors import BevylyError, MissingDependency
from bevyly.settings import Settings


class CannotDecrypt(BevylyError):
    """None of the keys opens it: a key was lost, or the row was changed."""

    code = "cannot_decrypt"


class Vault:
    """Seals texts and opens them again."""

    def __init__(self, keys: list[str]) -> None:
        try:
            self._fernet = MultiFernet([Fernet(key) for key in keys])
        except ValueError:
            raise MissingDependency(
                "ENCRYPTION_KEYS holds something that is no Fernet key (32 bytes in URL-safe base64)."
            ) from None

    @classmethod
    def of(cls, settings: Settings) -> "Vault":
        """The vault with the keys of `settings`; raises `MissingDependency` where there are none."""
        return cls(settings.require_encryption_keys())

    def seal(self, text: str) -> str:
        """`text` as it may be stored."""
        return self._fernet.encrypt(text.encode()).decode()

    def open(self, sealed: str) -> str:
        """What was sealed; raises `CannotDecrypt`."""
        try:
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise CannotDecrypt("A stored secret cannot be opened with the keys of ENCRYPTION_KEYS.") from None


def new_key() -> str:
    """A key for ENCRYPTION_KEYS."""
    return Fernet.generate_key().decode()

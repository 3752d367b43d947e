"""Passwords: argon2id with OWASP's minimum parameters (19 MiB, 2 passes, 1 lane)."""

from functools import lru_cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

MEMORY_KIB = 19_456
PASSES = 2
LANES = 1

_hasher = PasswordHasher(time_cost=PASSES, memory_cost=MEMORY_KIB, parallelism=LANES)


def hash_password(password: str) -> str:
    """What is kept of a password; takes about 20 ms of one core."""
    return _hasher.hash(password)


def matches(password_hash: str, password: str) -> bool:
    """Whether `password` is the one; takes as long as `hash_password`, whatever the answer."""
    try:
        return _hasher.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


@lru_cache(maxsize=1)
def nobodys_hash() -> str:
    """A hash to verify against where there is no user, so that the answer takes as long as with one."""
    return hash_password("nobody has this password")

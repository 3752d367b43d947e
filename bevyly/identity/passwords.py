"""Passwords: argon2id with parameters from the settings (OWASP's minimum unless said otherwise), off the event loop.

A hash costs 20 ms of a core and 19 MiB on purpose, so only a few are worked out at once; the others wait their turn.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from bevyly.errors import Invalid
from bevyly.settings import Settings

MIN_LENGTH, MAX_LENGTH = 12, 200
_LOOKED_AT = 72
"""As far as guessing is estimated: beyond that no password is easy."""
_GUESSABLE = 3
"""Below this of zxcvbn's 0 to 4 somebody with a list and patience gets in (under 10^8 guesses)."""


class PasswordTooEasy(Invalid):
    """The password is on the lists that are tried first, or is made like those."""

    code = "password_too_easy"


@dataclass
class Passwords:
    """Hashes and verifies with one set of parameters; recognises hashes that were made with others."""

    hasher: PasswordHasher
    at_once: int = 2
    _turns: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._turns = asyncio.Semaphore(self.at_once)

    @classmethod
    def of(cls, settings: Settings) -> "Passwords":
        """As `settings` say."""
        hasher = PasswordHasher(
            time_cost=settings.argon2_passes, memory_cost=settings.argon2_memory_kib, parallelism=settings.argon2_lanes
        )
        return cls(hasher, settings.argon2_at_once)

    async def hash(self, password: str) -> str:
        """What is kept of a password."""
        async with self._turns:
            return await asyncio.to_thread(self.hasher.hash, password)

    async def hash_new(self, password: str, *, about: Sequence[str | None]) -> str:
        """What is kept of a password that somebody chose; raises `PasswordTooEasy`. `about` is known of its owner."""
        async with self._turns:
            if await asyncio.to_thread(too_easy, password, about):
                raise PasswordTooEasy(
                    "This password is easy to guess. A few words that do not belong together are a good one.",
                    errors=[{"field": "body.password", "code": PasswordTooEasy.code}],
                )
            return await asyncio.to_thread(self.hasher.hash, password)

    async def first_match(self, hashes: Sequence[str], password: str) -> int | None:
        """Which of `hashes` is that of `password`; without any it takes as long as with one that is not."""
        async with self._turns:
            return await asyncio.to_thread(self._first_match, hashes, password)

    def outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than those in force."""
        return self.hasher.check_needs_rehash(password_hash)

    def matches(self, password_hash: str, password: str) -> bool:
        """Whether `password` is the one; takes as long whatever the answer."""
        try:
            return self.hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    def _first_match(self, hashes: Sequence[str], password: str) -> int | None:
        if not hashes:
            self.matches(self._nobodys, password)
        return next((index for index, one in enumerate(hashes) if self.matches(one, password)), None)

    @cached_property
    def _nobodys(self) -> str:
        return self.hasher.hash("nobody has this password")


def too_easy(password: str, about: Sequence[str | None]) -> bool:
    """Whether a list of common passwords and patterns leads to it soon."""
    # its word lists take a moment to load, which commands without passwords need not wait for
    from zxcvbn import zxcvbn

    known = [part for text in about if text for part in (text, *text.replace("@", " ").split())]
    return bool(zxcvbn(password[:_LOOKED_AT], user_inputs=known)["score"] < _GUESSABLE)

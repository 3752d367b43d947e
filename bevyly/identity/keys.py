"""API keys: how they look, how they are made, what is kept of them.

`bvy_live_<tenant>_<secret><checksum>`: a typed prefix that secret scanners know, the tenant (so that the look-up runs
under row-level security like any other), 160 random bits, and a checksum that tells a mistyped key from a revoked one
without asking the database. Only the SHA-256 of the text is kept.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from uuid import UUID
from zlib import crc32

from sqlalchemy import Engine

from bevyly.db.schema import ApiKey
from bevyly.db.unit_of_work import tenant_session
from bevyly.ids import new_id

LIVE = "bvy_live_"
REFRESH = "bvy_refresh_"
VERIFY, RESET, CHANGE = "bvy_verify_", "bvy_reset_", "bvy_change_"
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SECRET_LENGTH = 27
_CHECKSUM_LENGTH = 6
_TENANT_LENGTH = 32
_PREFIX_SHOWN = 8


@dataclass(frozen=True)
class Secret:
    """A secret text that was just made, with what may be kept of it."""

    text: str = field(repr=False)
    prefix: str
    hash: str


def mint(kind: str, customer_id: str) -> Secret:
    """A new secret of `kind` (`LIVE`, `REFRESH`, …) for a tenant."""
    random = "".join(secrets.choice(_ALPHABET) for _ in range(_SECRET_LENGTH))
    body = f"{kind}{UUID(customer_id).hex}_{random}"
    text = body + _checksum(body)
    return Secret(text=text, prefix=f"{kind}…{random[:_PREFIX_SHOWN]}", hash=hash_of(text))


def hash_of(text: str) -> str:
    """What is kept of a secret: 160 random bits need no slow hash."""
    return sha256(text.encode()).hexdigest()


def tenant_in(kind: str, text: str) -> str | None:
    """The tenant that a secret of `kind` names, or None where it is not one."""
    if len(text) != len(kind) + _TENANT_LENGTH + 1 + _SECRET_LENGTH + _CHECKSUM_LENGTH or not text.isascii():
        return None
    if not text.startswith(kind) or _checksum(text[:-_CHECKSUM_LENGTH]) != text[-_CHECKSUM_LENGTH:]:
        return None
    try:
        return str(UUID(text[len(kind) : len(kind) + _TENANT_LENGTH]))
    except ValueError:
        return None


def create_api_key(
    engine: Engine,
    customer_id: str,
    user_id: str,
    name: str,
    scopes: Sequence[str],
    *,
    expires_at: datetime | None = None,
) -> str:
    """Store a new API key of a user and return its text, which is nowhere else."""
    secret = mint(LIVE, customer_id)
    with tenant_session(engine, customer_id) as session:
        session.add(
            ApiKey(
                customer_id=customer_id,
                id=new_id(),
                user_id=user_id,
                name=name,
                prefix=secret.prefix,
                secret_hash=secret.hash,
                scopes=sorted(scopes),
                expires_at=expires_at,
            )
        )
    return secret.text


def _checksum(text: str) -> str:
    number, digits = crc32(text.encode()), ""
    for _ in range(_CHECKSUM_LENGTH):
        number, digit = divmod(number, len(_ALPHABET))
        digits = _ALPHABET[digit] + digits
    return digits

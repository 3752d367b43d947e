"""Access tokens: short-lived JWTs, signed with HS256 under a named key.

Claims: `sub cid email role permissions exp iat`, the issuer, `ver`, the token version of the user, which makes all
tokens of a user worthless at once, and `sid`, the session, whose end ends its tokens. Times are compared with the
injected clock.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import jwt

from api.permissions import permissions_of
from bevyly.clock import Clock
from bevyly.ids import is_id

ISSUER = "bevyly"
LEEWAY_SECONDS = 30
_ALGORITHM = "HS256"
_REQUIRED = ["sub", "cid", "email", "role", "permissions", "exp", "iat", "iss", "ver"]


@dataclass(frozen=True)
class Claims:
    """What a valid access token says."""

    user_id: str
    customer_id: str
    token_version: int
    expires_at: datetime
    session_id: str | None


class AccessTokens:
    """Issues and verifies access tokens. The first secret signs, all verify: that is how keys are rotated."""

    def __init__(self, secrets: list[str], *, expires_in: int, clock: Clock) -> None:
        self._keys = {key_id(secret): secret for secret in secrets}
        self._current = key_id(secrets[0])
        self._clock = clock
        self.expires_in = expires_in

    def issue(
        self,
        *,
        customer_id: str,
        user_id: str,
        email: str,
        role: str,
        token_version: int,
        session_id: str | None = None,
    ) -> str:
        """A token for a user, valid from now, and with its session no longer than that."""
        now = int(self._clock.now().timestamp())
        claims: dict[str, Any] = {
            "iss": ISSUER,
            "sub": user_id,
            "cid": customer_id,
            "email": email,
            "role": role,
            "permissions": sorted(permissions_of(role)),
            "ver": token_version,
            "iat": now,
            "exp": now + self.expires_in,
        }
        if session_id is not None:
            claims["sid"] = session_id
        return jwt.encode(claims, self._keys[self._current], algorithm=_ALGORITHM, headers={"kid": self._current})

    def verify(self, token: str) -> Claims | None:
        """The claims of a token that we signed and that is valid now, or None."""
        try:
            secret = self._keys.get(str(jwt.get_unverified_header(token).get("kid")))
            if secret is None:
                return None
            claims = jwt.decode(
                token,
                secret,
                algorithms=[_ALGORITHM],
                issuer=ISSUER,
                options={"require": _REQUIRED, "verify_exp": False, "verify_iat": False, "verify_nbf": False},
            )
        except (jwt.PyJWTError, ValueError):
            return None
        return self._valid_now(claims)

    def _valid_now(self, claims: dict[str, Any]) -> Claims | None:
        expires, issued, version = claims["exp"], claims["iat"], claims["ver"]
        not_before = claims.get("nbf", issued)
        numbers = all(type(value) is int and 0 <= value < 2**33 for value in (expires, issued, version, not_before))
        session = claims.get("sid")
        ids = (claims["sub"], claims["cid"], *([] if session is None else [session]))
        if not numbers or not all(is_id(str(value)) for value in ids):
            return None
        now = self._clock.now().timestamp()
        if expires <= now or max(issued, not_before) > now + LEEWAY_SECONDS:
            return None
        return Claims(claims["sub"], claims["cid"], version, datetime.fromtimestamp(expires, UTC), session)


def key_id(secret: str) -> str:
    """The name of a signing key: says nothing about it, and differs when it differs."""
    return sha256(b"kid:" + secret.encode()).hexdigest()[:12]

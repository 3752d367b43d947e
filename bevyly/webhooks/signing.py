"""Signatures as in the Standard Webhooks specification, and the secrets that make them.

An endpoint has a list of sealed secrets, the newest first. All that have not expired sign, so that a receiver may
change over at any time while they overlap.
"""

import base64
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from standardwebhooks import Webhook

from bevyly.encryption import Vault

PREFIX = "whsec_"
SECRET_BYTES = 32
MAX_SECRETS = 5
"""The one in force and as many earlier ones as may overlap."""

Sealed = Mapping[str, Any]


def mint() -> str:
    """A new secret in the form that the libraries of the specification take."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def sealed(secret: str, vault: Vault) -> dict[str, Any]:
    """`secret` as an endpoint keeps it."""
    return {"sealed": vault.seal(secret), "expires_at": None}


def rotated(held: Sequence[Sealed], secret: str, vault: Vault, *, now: datetime, overlap: timedelta) -> list[Sealed]:
    """`held` with `secret` in front; what signed until now signs along for `overlap`, expired ones are dropped."""
    until = (now + overlap).isoformat()
    earlier = [one if one["expires_at"] else {**one, "expires_at": until} for one in held if _signs(one, now)]
    return [sealed(secret, vault), *(one for one in earlier if _signs(one, now))][:MAX_SECRETS]


def headers(held: Sequence[Sealed], vault: Vault, *, message_id: str, at: datetime, body: str) -> dict[str, str]:
    """The three headers of the specification, with a signature of each secret that signs at `at`."""
    opened = [Webhook(vault.open(one["sealed"])) for one in held if _signs(one, at)]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(one.sign(message_id, at, body) for one in opened),
    }


def _signs(one: Sealed, at: datetime) -> bool:
    return one["expires_at"] is None or datetime.fromisoformat(one["expires_at"]) > at

"""Repeating a POST safely: the answer is kept with the effect, in the same transaction, under the caller's key.

One caller at a time works under a key (an advisory lock of its transaction); another with the same key is told so. The
same key with another request is an error, the same request again gets the same bytes. Only what took effect is kept:
after an error the key is free again. An answer that shows a secret (`no-store`) is kept encrypted.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response

from bevyly.db.schema import IdempotencyRecord
from bevyly.encryption import Vault
from bevyly.errors import Conflict, Invalid
from bevyly.ids import derived_id, new_id
from bevyly.settings import Settings

KEPT = timedelta(hours=24)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
_KEPT_HEADERS = ("content-type", "etag", "location", "cache-control")
_SECRET = "no-store"  # noqa: S105 - what the header says


class KeyReused(Invalid):
    """The key was used for another request."""

    code = "idempotency_key_reused"


class StillRunning(Conflict):
    """The first request with this key has not finished."""

    code = "idempotency_key_in_use"


@dataclass(frozen=True)
class Repeatable:
    """One request under one key of one tenant."""

    customer_id: str
    key: str
    request_hash: str

    async def earlier_answer(self, session: AsyncSession, now: datetime, settings: Settings) -> Response | None:
        """The kept answer, or None for the first time; raises `StillRunning` or `KeyReused`."""
        lock = func.pg_try_advisory_xact_lock(func.hashtextextended(f"{self.customer_id}:{self.key}", 0))
        if not await session.scalar(select(lock)):
            raise StillRunning("A request with this Idempotency-Key is still running.")
        record = await session.get(IdempotencyRecord, (self.customer_id, self.key))
        if record is None or record.expires_at <= now:
            return None
        if record.request_hash != self.request_hash:
            raise KeyReused("This Idempotency-Key was used for another request.")
        headers = {name: str(value) for name, value in (record.response_headers or {}).items()}
        body = record.response_body or b""
        if headers.get("cache-control") == _SECRET:
            body = Vault.of(settings).open(body.decode()).encode()
        return Response(
            body,
            status_code=record.response_status or 200,
            headers=headers | {"idempotency-replayed": "true"},
        )

    async def keep(self, session: AsyncSession, response: Response, now: datetime, settings: Settings) -> None:
        """Keep the answer with the effect."""
        body = bytes(response.body)
        if response.headers.get("cache-control") == _SECRET:
            body = Vault.of(settings).seal(body.decode()).encode()
        values = {
            "request_hash": self.request_hash,
            "response_status": response.status_code,
            "response_headers": {name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers},
            "response_body": body,
            "created_at": now,
            "expires_at": now + KEPT,
        }
        statement = insert(IdempotencyRecord).values(customer_id=self.customer_id, key=self.key, **values)
        await session.execute(statement.on_conflict_do_update(index_elements=["customer_id", "key"], set_=values))


async def repeatable(request: Request, customer_id: str, actor_id: str) -> Repeatable | None:
    """The request as one that may be repeated, if it is a POST with an `Idempotency-Key`."""
    key = request.headers.get("idempotency-key")
    if key is None or request.method != "POST":
        return None
    if not _KEY.fullmatch(key):
        raise Invalid("An Idempotency-Key is 1 to 255 visible ASCII characters.")
    asked = "\n".join(
        (request.method, request.scope["path"], request.scope["query_string"].decode("latin-1"), actor_id)
    )
    # of a file only the digest is at hand
    body = request.scope["state"].get("body_digest") or await request.body()
    return Repeatable(customer_id, key, sha256(asked.encode() + b"\n" + body).hexdigest())


def tenant_of_key(request: Request, purpose: str, who: str) -> str:
    """The id of the tenant that a request makes: the same for the same key of the same person, else a new one."""
    key = request.headers.get("idempotency-key")
    return new_id() if key is None else derived_id(purpose, who, key)

"""API keys: made, rotated, revoked."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import select

from api.dependencies.work import WriteContext
from api.modules.api_keys.schemas import NewKey
from api.permissions import MANAGERS, PERMISSIONS, permissions_of
from api.records.repository import missing
from api.records.trail import Trail, Values
from bevyly.db.schema import ApiKey
from bevyly.errors import Conflict, Forbidden, Invalid
from bevyly.identity import keys
from bevyly.ids import is_id, new_id

# versions of a key: it has these two states, in this order
CREATED, REVOKED = 1, 2


class KeyEnded(Conflict):
    """The key was revoked, rotated or has expired."""

    code = "key_ended"


class ApiKeyService:
    """Keys of one tenant's users."""

    def __init__(self, context: WriteContext) -> None:
        self.principal = context.principal
        self.session = context.work.session
        self.trail = Trail(context)

    def create(self, *, name: str, scopes: list[str], expires_at: datetime | None) -> NewKey:
        """A new key of the one who asks, and its text; raises `Forbidden` for scopes that they do not have."""
        unknown = sorted(set(scopes) - PERMISSIONS.keys())
        if unknown:
            raise Invalid(f"There is no permission {unknown[0]}.", errors=[{"field": "body.scopes", "code": "unknown"}])
        wider = sorted(set(scopes) - self.principal.permissions)
        if wider:
            raise Forbidden(f"You do not have {wider[0]} yourself.", permission=wider[0])
        return _shown(*self._add(name, scopes, expires_at))

    async def rotate(self, key_id: str, *, overlap: timedelta) -> NewKey:
        """A key in place of one's own, and its text; the old one ends after `overlap`.

        It may do what the old one may, less what its user may no longer, and lives as long as that one was made to.
        Raises `Forbidden` where that is more than the one who asks may do: a narrow key cannot get hold of a wider.
        """
        row = await self._lock(key_id)
        if row.user_id != self.principal.user_id:
            raise missing("api_key")
        now = self.trail.now
        if row.revoked_at is not None or row.rotated_to is not None or (row.expires_at and row.expires_at <= now):
            raise KeyEnded("This key was revoked, rotated or has expired: create a new one.")
        scopes = set(row.scopes) & permissions_of(self.principal.role)
        wider = sorted(scopes - self.principal.permissions)
        if wider or not scopes:
            raise Forbidden("You do not have what this key may do.", permission=next(iter(wider or row.scopes), None))
        new, text = self._add(row.name, scopes, now + (row.expires_at - row.created_at) if row.expires_at else None)
        await self.session.flush()
        row.rotated_to = new.id
        before = {"rotated_to": None, "expires_at": row.expires_at}
        if overlap:
            row.expires_at = min(row.expires_at or now + overlap, now + overlap)
        else:
            self._end(row)
        after = {"rotated_to": new.id, "expires_at": row.expires_at}
        self.trail.audit("api_key.rotated", ("api_key", row.id), before=before, after=after)
        return _shown(new, text)

    def _add(self, name: str, scopes: Iterable[str], expires_at: datetime | None) -> tuple[ApiKey, str]:
        secret = keys.mint(keys.LIVE, self.principal.customer_id)
        row = ApiKey(
            customer_id=self.principal.customer_id,
            id=new_id(),
            user_id=self.principal.user_id,
            name=name,
            prefix=secret.prefix,
            secret_hash=secret.hash,
            scopes=sorted(set(scopes)),
            expires_at=expires_at,
            created_at=self.trail.now,
        )
        self.session.add(row)
        self.trail.audit("api_key.created", ("api_key", row.id), after={"name": name, "scopes": row.scopes})
        data = _public(row) | {"scopes": row.scopes, "expires_at": row.expires_at}
        self.trail.emit("api_key.created", ("api_key", row.id), sequence=CREATED, data=data)
        return row, secret.text

    async def revoke(self, key_id: str) -> None:
        """End a key: one's own, or anybody's for owners and admins."""
        row = await self._lock(key_id)
        if row.user_id != self.principal.user_id and self.principal.role not in MANAGERS:
            raise missing("api_key")
        if row.revoked_at is None:
            self._end(row)

    async def _lock(self, key_id: str) -> ApiKey:
        statement = select(ApiKey).where(ApiKey.customer_id == self.principal.customer_id, ApiKey.id == key_id)
        row = await self.session.scalar(statement.with_for_update()) if is_id(key_id) else None
        if row is None:
            raise missing("api_key")
        return row

    def _end(self, row: ApiKey) -> None:
        row.revoked_at = self.trail.now
        before, after = {"revoked_at": None}, {"revoked_at": row.revoked_at}
        self.trail.audit("api_key.revoked", ("api_key", row.id), before=before, after=after)
        data = _public(row) | {"revoked_at": row.revoked_at, "revoked_by": self.principal.user_id}
        self.trail.emit("api_key.revoked", ("api_key", row.id), sequence=REVOKED, data=data)


def _public(row: ApiKey) -> Values:
    return {"api_key_id": row.id, "user_id": row.user_id, "name": row.name, "prefix": row.prefix}


def _shown(row: ApiKey, text: str) -> NewKey:
    return NewKey(id=row.id, name=row.name, prefix=row.prefix, scopes=row.scopes, expires_at=row.expires_at, key=text)

"""API keys: made, listed, revoked."""

from datetime import datetime

from sqlalchemy import select

from api.dependencies.work import WriteContext
from api.permissions import MANAGERS, PERMISSIONS
from api.records.repository import missing
from api.records.trail import Trail, Values
from bevyly.db.schema import ApiKey
from bevyly.errors import Forbidden, Invalid
from bevyly.identity import keys
from bevyly.ids import is_id, new_id

# versions of a key: it has these two states, in this order
CREATED, REVOKED = 1, 2


class ApiKeyService:
    """Keys of one tenant's users."""

    def __init__(self, context: WriteContext) -> None:
        self.principal = context.principal
        self.session = context.work.session
        self.trail = Trail(context)

    def create(self, *, name: str, scopes: list[str], expires_at: datetime | None) -> tuple[ApiKey, str]:
        """A new key of the one who asks, and its text; raises `Forbidden` for scopes that they do not have."""
        unknown = sorted(set(scopes) - PERMISSIONS.keys())
        if unknown:
            raise Invalid(f"There is no permission {unknown[0]}.", errors=[{"field": "body.scopes", "code": "unknown"}])
        wider = sorted(set(scopes) - self.principal.permissions)
        if wider:
            raise Forbidden(f"You do not have {wider[0]} yourself.", permission=wider[0])
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
        statement = select(ApiKey).where(ApiKey.customer_id == self.principal.customer_id, ApiKey.id == key_id)
        row = await self.session.scalar(statement.with_for_update()) if is_id(key_id) else None
        if row is None or (row.user_id != self.principal.user_id and self.principal.role not in MANAGERS):
            raise missing("api_key")
        if row.revoked_at is None:
            row.revoked_at = self.trail.now
            before, after = {"revoked_at": None}, {"revoked_at": row.revoked_at}
            self.trail.audit("api_key.revoked", ("api_key", row.id), before=before, after=after)
            data = _public(row) | {"revoked_at": row.revoked_at, "revoked_by": self.principal.user_id}
            self.trail.emit("api_key.revoked", ("api_key", row.id), sequence=REVOKED, data=data)


def _public(row: ApiKey) -> Values:
    return {"api_key_id": row.id, "user_id": row.user_id, "name": row.name, "prefix": row.prefix}

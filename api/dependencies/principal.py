"""Who is asking: the principal of a request, from an access token or an API key.

What was verified is remembered until it expires, but asked again of the database every few seconds, so that a changed
role, a disabled user, a session that ended or a revoked key counts everywhere soon. Does not belong here: what the
principal may do.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, update
from sqlalchemy.ext.asyncio import AsyncEngine

from api.dependencies.tokens import AccessTokens
from api.permissions import effective
from bevyly.clock import Clock
from bevyly.db.read import Reader
from bevyly.db.schema import ApiKey
from bevyly.db.scope import EVERY_OWNER
from bevyly.db.unit_of_work import unit_of_work
from bevyly.errors import Unauthorized
from bevyly.identity import keys

RECHECK_AFTER = timedelta(seconds=20)
TOUCH_AFTER = timedelta(minutes=1)
MAX_REMEMBERED = 10_000
_MAX_CREDENTIAL = 4096


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody of one tenant, with everything they may do."""

    customer_id: str
    user_id: str
    email: str
    role: str
    permissions: frozenset[str]
    actor_type: str
    actor_id: str
    session_id: str | None = None
    visible_owners: str = EVERY_OWNER
    """Whose records they see: ids with commas between them (`bevyly.db.scope`)."""


@dataclass(slots=True)
class _Remembered:
    principal: Principal
    expires_at: datetime | None
    checked_at: datetime


class Authenticator:
    """Turns credentials into principals."""

    def __init__(self, reader: Reader, engine: AsyncEngine, tokens: AccessTokens, clock: Clock) -> None:
        self._reader = reader
        self._engine = engine
        self._tokens = tokens
        self._clock = clock
        self._known: OrderedDict[str, _Remembered] = OrderedDict()

    async def principal(self, credential: str | None) -> Principal:
        """The principal of a credential; raises `Unauthorized` with one and the same answer whatever is wrong."""
        if not credential or len(credential) > _MAX_CREDENTIAL:
            raise unauthorized()
        now = self._clock.now()
        known = self._known.get(credential)
        if known is not None and now - known.checked_at < RECHECK_AFTER:
            if known.expires_at is not None and known.expires_at <= now:
                raise unauthorized()
            return known.principal
        check: Callable[[str, datetime], Awaitable[_Remembered]] = (
            self._by_key if credential.startswith(keys.LIVE) else self._by_token
        )
        try:
            found = await check(credential, now)
        except Unauthorized:
            self._known.pop(credential, None)
            raise
        self._remember(credential, found)
        return found.principal

    async def _by_token(self, text: str, now: datetime) -> _Remembered:
        claims = self._tokens.verify(text)
        if claims is None:
            raise unauthorized()
        row = await self._reader.one("api_get_user", claims.customer_id, claims.user_id, claims.session_id)
        if row is None or row[0] is None:
            raise unauthorized()
        email, _, role, token_version, disabled, _, _, session_over = row
        if disabled or session_over or token_version != claims.token_version:
            raise unauthorized()
        principal = Principal(
            customer_id=claims.customer_id,
            user_id=claims.user_id,
            email=email,
            role=role,
            permissions=effective(role, None),
            actor_type="user",
            actor_id=claims.user_id,
            session_id=claims.session_id,
            visible_owners=await self._visible_owners(claims.customer_id, claims.user_id),
        )
        return _Remembered(principal, claims.expires_at, now)

    async def _by_key(self, text: str, now: datetime) -> _Remembered:
        customer_id = keys.tenant_in(keys.LIVE, text)
        if customer_id is None:
            raise unauthorized()
        row = await self._reader.one("api_get_key", customer_id, keys.hash_of(text))
        if row is None or row[0] is None:
            raise unauthorized()
        key_id, scopes, expires_at, revoked, last_used_at, user_id, email, role, disabled = row
        if revoked or disabled or (expires_at is not None and expires_at <= now):
            raise unauthorized()
        if last_used_at is None or now - last_used_at >= TOUCH_AFTER:
            await self._touch(customer_id, key_id, now)
        principal = Principal(
            customer_id=customer_id,
            user_id=user_id,
            email=email,
            role=role,
            permissions=effective(role, frozenset(scopes)),
            actor_type="api_key",
            actor_id=key_id,
            visible_owners=await self._visible_owners(customer_id, user_id),
        )
        return _Remembered(principal, expires_at, now)

    async def _visible_owners(self, customer_id: str, user_id: str) -> str:
        row = await self._reader.one("api_get_visible_owners", customer_id, user_id)
        if row is None or row[0] is None:
            raise unauthorized()
        return str(row[0])

    async def _touch(self, customer_id: str, key_id: str, now: datetime) -> None:
        unused = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= now - TOUCH_AFTER)
        async with unit_of_work(self._engine, customer_id) as work:
            await work.session.execute(
                update(ApiKey)
                .where(ApiKey.customer_id == customer_id, ApiKey.id == key_id, unused)
                .values(last_used_at=now)
                .execution_options(synchronize_session=False)
            )

    def _remember(self, credential: str, found: _Remembered) -> None:
        self._known[credential] = found
        self._known.move_to_end(credential)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)


def credential_in(headers: list[tuple[bytes, bytes]]) -> str | None:
    """The access token or API key in the headers of a request."""
    for name, value in headers:
        if name == b"authorization" and value[:7].lower() == b"bearer ":
            return value[7:].strip().decode("latin-1")
        if name == b"x-api-key":
            return value.strip().decode("latin-1")
    return None


def unauthorized() -> Unauthorized:
    """One answer for a missing, wrong, expired or revoked credential, so that nobody learns which it was."""
    return Unauthorized("A valid access token or API key is needed.")

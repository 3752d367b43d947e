"""Sign-up, log-in, refresh, log-out.

These open their own units of work: the tenant is known only once the credentials are, and a refused refresh still has
to revoke its family. An unknown email takes as long as a wrong password.
"""

import asyncio
from datetime import datetime, timedelta

from api.dependencies.principal import Principal
from api.modules.auth.errors import InvalidRefreshToken, RefreshRace, WrongLogin
from api.modules.auth.repository import MAX_LOGINS, IdentityRepository, find_logins
from api.modules.auth.schemas import Tokens
from api.resources import Resources
from bevyly.clock import FixedClock
from bevyly.db.schema import Customer, RefreshToken, User
from bevyly.db.unit_of_work import unit_of_work
from bevyly.events.envelope import Event, new_event
from bevyly.identity import keys
from bevyly.identity.passwords import hash_password, matches, nobodys_hash
from bevyly.ids import new_id

GRACE = timedelta(seconds=10)
"""Two tabs that refresh at once are no theft: within this time a used token is refused without revoking its family."""
_hashing = asyncio.Semaphore(2)


class AuthService:
    """Who may come in, and with what."""

    def __init__(self, resources: Resources, request_id: str | None) -> None:
        self.resources = resources
        self.request_id = request_id
        self.now = resources.clock.now()

    async def sign_up(self, *, company: str, name: str | None, email: str, password: str) -> Tokens:
        """A new tenant with its owner, logged in."""
        async with _hashing:
            password_hash = await asyncio.to_thread(hash_password, password)
        customer = Customer(id=new_id(), name=company, created_at=self.now)
        owner = User(
            customer_id=customer.id,
            id=new_id(),
            email=email.lower(),
            name=name,
            password_hash=password_hash,
            role="owner",
            token_version=1,
            created_at=self.now,
        )
        async with unit_of_work(self.resources.engine, customer.id) as work:
            identity = IdentityRepository(work.session, customer.id)
            await identity.add_customer(customer, owner)
            identity.audit("user.signed_up", owner.id, request_id=self.request_id, now=self.now)
            work.emit(self._created(owner))
            return self._tokens(identity, owner, family_id=new_id())

    async def log_in(self, *, email: str, password: str, customer_id: str | None) -> Tokens:
        """A new session; raises `WrongLogin`, always the same and after the same time."""
        logins = await find_logins(self.resources.engine, email)
        candidates = [login for login in logins if customer_id in (None, login[0])][:MAX_LOGINS]
        async with _hashing:
            found = await asyncio.to_thread(_first_match, candidates, password)
        if found is None:
            raise _wrong()
        tenant, user_id = found
        async with unit_of_work(self.resources.engine, tenant) as work:
            identity = IdentityRepository(work.session, tenant)
            user = await identity.user(user_id)
            if user is None:
                raise _wrong()
            identity.audit("user.logged_in", user.id, request_id=self.request_id, now=self.now)
            return self._tokens(identity, user, family_id=new_id())

    async def refresh(self, refresh_token: str) -> Tokens:
        """A new pair for a token that was not used before; one that was revokes its whole family."""
        tenant = keys.tenant_in(keys.REFRESH, refresh_token)
        if tenant is None:
            raise _refused()
        async with unit_of_work(self.resources.engine, tenant) as work:
            identity = IdentityRepository(work.session, tenant)
            used = await identity.use_token(keys.hash_of(refresh_token), self.now)
            user = await identity.user(used.user_id) if used is not None else None
            if used is not None and user is not None:
                return self._tokens(identity, user, family_id=used.family_id)
            race = used is None and await self._was_reused(identity, keys.hash_of(refresh_token))
        if race:
            raise RefreshRace("This refresh token was used a moment ago. Use the pair that was issued then.")
        raise _refused()

    async def log_out(self, principal: Principal, refresh_token: str | None, *, everywhere: bool) -> None:
        """End the chain of one refresh token, or everything of the user."""
        async with unit_of_work(self.resources.engine, principal.customer_id) as work:
            identity = IdentityRepository(work.session, principal.customer_id)
            if everywhere:
                await identity.revoke_user(principal.user_id, self.now)
            elif refresh_token is not None:
                token = await identity.token(keys.hash_of(refresh_token))
                if token is not None and token.user_id == principal.user_id:
                    await identity.revoke_family(token.family_id, self.now)
            identity.audit("user.logged_out", principal.user_id, request_id=self.request_id, now=self.now)

    async def _was_reused(self, identity: IdentityRepository, token_hash: str) -> bool:
        """Whether this is a race of two refreshes; real reuse revokes the family."""
        token = await identity.token(token_hash)
        if token is None or token.used_at is None:
            return False
        if token.revoked_at is None and _recently(token, self.now):
            return True
        await identity.revoke_family(token.family_id, self.now)
        identity.audit("refresh_token.reused", token.user_id, request_id=self.request_id, now=self.now)
        return False

    def _created(self, user: User) -> Event:
        return new_event(
            "user.created",
            tenant_id=user.customer_id,
            subject=("user", user.id),
            sequence=1,
            data={"user_id": user.id, "email": user.email, "name": user.name, "role": user.role},
            clock=FixedClock(self.now),
            correlation_id=self.request_id,
        )

    def _tokens(self, identity: IdentityRepository, user: User, *, family_id: str) -> Tokens:
        secret = keys.mint(keys.REFRESH, user.customer_id)
        identity.add_token(
            user_id=user.id,
            family_id=family_id,
            token_hash=secret.hash,
            expires_at=self.now + timedelta(seconds=self.resources.settings.refresh_expires_in),
            now=self.now,
        )
        access = self.resources.tokens.issue(
            customer_id=user.customer_id,
            user_id=user.id,
            email=user.email,
            role=user.role,
            token_version=user.token_version,
        )
        return Tokens(access_token=access, refresh_token=secret.text, expires_in=self.resources.tokens.expires_in)


def _first_match(candidates: list[tuple[str, str, str]], password: str) -> tuple[str, str] | None:
    if not candidates:
        matches(nobodys_hash(), password)
    for customer_id, user_id, password_hash in candidates:
        if matches(password_hash, password):
            return customer_id, user_id
    return None


def _recently(token: RefreshToken, now: datetime) -> bool:
    return token.used_at is not None and now - token.used_at < GRACE


def _wrong() -> WrongLogin:
    return WrongLogin("Email and password do not belong together.")


def _refused() -> InvalidRefreshToken:
    return InvalidRefreshToken("This refresh token is not valid. Log in again.")

"""Sign-up, log-in, refresh.

Log-in and refresh open their own units of work: the tenant is known only once the credentials are, and a refused
refresh still has to revoke its family. An unknown email takes as long as a wrong password.
"""

from datetime import datetime, timedelta
from functools import partial

from api.modules.auth import letters
from api.modules.auth.errors import InvalidRefreshToken, RefreshRace, WrongLogin
from api.modules.auth.links import VERIFY, Links
from api.modules.auth.repository import MAX_LOGINS, IdentityRepository, find_logins
from api.modules.auth.schemas import Tokens
from api.modules.auth.sessions import Client, issue_pair
from api.resources import Resources
from bevyly.clock import FixedClock
from bevyly.db.schema import Customer, RefreshToken, User
from bevyly.db.unit_of_work import UnitOfWork, unit_of_work
from bevyly.events.envelope import Event, new_event
from bevyly.identity import keys
from bevyly.ids import new_id

GRACE = timedelta(seconds=10)
"""Two tabs that refresh at once are no theft: within this time a used token is refused without revoking its family."""


class AuthService:
    """Who may come in, and with what."""

    def __init__(self, resources: Resources, request_id: str | None, client: Client) -> None:
        self.resources = resources
        self.request_id = request_id
        self.client = client
        self.now = resources.clock.now()

    async def prepare(self, *, company: str, name: str | None, email: str, password: str, customer_id: str) -> User:
        """The owner of a new tenant, not stored yet: a password costs time, and no connection waits for that."""
        password_hash = await self.resources.passwords.hash_new(password, about=(company, name, email))
        return User(
            customer_id=customer_id,
            id=new_id(),
            email=email.lower(),
            name=name,
            password_hash=password_hash,
            role="owner",
            token_version=1,
            created_at=self.now,
        )

    async def sign_up(self, work: UnitOfWork, company: str, owner: User) -> Tokens:
        """A new tenant with its owner, logged in; the address is to be confirmed by mail."""
        identity = IdentityRepository(work.session, work.customer_id)
        await identity.add_customer(Customer(id=work.customer_id, name=company, created_at=self.now), owner)
        settings = self.resources.settings
        write = partial(letters.verify, owner.email, settings.app_url)
        await Links(identity, settings, self.now).send(VERIFY, owner, owner.email, write)
        identity.audit("user.signed_up", owner.id, request_id=self.request_id, now=self.now)
        work.emit(self._created(owner))
        return issue_pair(self.resources, work.session, owner, self.client, now=self.now)

    async def log_in(self, *, email: str, password: str, customer_id: str | None) -> Tokens:
        """A new session; raises `WrongLogin`, always the same and after the same time, or `TooManyLogins`."""
        attempt = await self.resources.throttle.attempt(email.lower(), self.client.site)
        logins = await find_logins(self.resources.engine, email)
        candidates = [login for login in logins if customer_id in (None, login[0])][:MAX_LOGINS]
        match = await self.resources.passwords.first_match([login[2] for login in candidates], password)
        if match is None:
            raise _wrong()
        tenant, user_id, password_hash = candidates[match]
        passwords = self.resources.passwords
        renewed = await passwords.hash(password) if passwords.outdated(password_hash) else None
        async with unit_of_work(self.resources.engine, tenant) as work:
            identity = IdentityRepository(work.session, tenant)
            user = await identity.user(user_id, lock=renewed is not None)
            if user is None:
                raise _wrong()
            if renewed is not None and user.password_hash == password_hash:
                user.password_hash = renewed
            identity.audit("user.logged_in", user.id, request_id=self.request_id, now=self.now)
            pair = issue_pair(self.resources, work.session, user, self.client, now=self.now)
        await attempt.succeeded()
        return pair

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
                return issue_pair(self.resources, work.session, user, self.client, now=self.now, earlier=used)
            race = used is None and await self._was_reused(identity, keys.hash_of(refresh_token))
        if race:
            raise RefreshRace("This refresh token was used a moment ago. Use the pair that was issued then.")
        raise _refused()

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


def _recently(token: RefreshToken, now: datetime) -> bool:
    return token.used_at is not None and now - token.used_at < GRACE


def _wrong() -> WrongLogin:
    return WrongLogin("Email and password do not belong together.")


def _refused() -> InvalidRefreshToken:
    return InvalidRefreshToken("This refresh token is not valid. Log in again.")

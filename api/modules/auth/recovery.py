"""What somebody does with nothing but their mails: set a forgotten password, prove an address."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from hashlib import sha256

from api.modules.auth import letters
from api.modules.auth.errors import EmailTaken
from api.modules.auth.links import CHANGE, RESET, VERIFY, Links, invalid_link, tenant_of
from api.modules.auth.repository import MAX_LOGINS, IdentityRepository, find_logins
from api.modules.auth.sessions import Client
from api.resources import Resources
from bevyly.db.unit_of_work import unit_of_work


class RecoveryService:
    """Opens its own units of work: the tenant is known only from the link."""

    def __init__(self, resources: Resources, request_id: str | None, client: Client) -> None:
        self.resources = resources
        self.request_id = request_id
        self.client = client
        self.now = resources.clock.now()

    async def forgot_password(self, email: str) -> None:
        """Send a link for each log-in of `email`, after the answer: whether there is any shows in nothing."""
        recipient = sha256(email.lower().encode()).hexdigest()
        await self.resources.limiter.hit(self.resources.limits.recovery, recipient)
        self.resources.aftermath.add(self._send_links(email))

    async def reset_password(self, token: str, password: str) -> None:
        """Another password by a link; every session ends. Raises `InvalidLink`; `PasswordTooEasy` keeps it."""
        tenant = tenant_of(RESET, token)
        async with self._tenant(tenant) as (identity, links):
            link, user = await links.take(RESET, token)
            user.password_hash = await self.resources.passwords.hash_new(password, about=(user.name, user.email))
            if link.email == user.email:
                user.email_verified_at = user.email_verified_at or self.now
            await identity.session.flush()
            await identity.revoke_user(user.id, self.now)
            await links.tell(user, letters.password_changed(user.email), kind="password_changed")
            self._audit(identity, "user.password_reset", user.id)
        # a count kept by an attacker must not stand in the way of who can read the mails
        await self.resources.throttle.forget(user.email, self.client.site)

    async def verify_email(self, token: str) -> None:
        """The address is confirmed; raises `InvalidLink`, also where the user has another by now."""
        async with self._tenant(tenant_of(VERIFY, token)) as (identity, links):
            link, user = await links.take(VERIFY, token)
            if link.email != user.email:
                raise invalid_link()
            user.email_verified_at = self.now
            self._audit(identity, "user.email_verified", user.id)

    async def confirm_email(self, token: str) -> None:
        """The new address counts, and the old one is told; raises `InvalidLink`, `EmailTaken`."""
        async with self._tenant(tenant_of(CHANGE, token)) as (identity, links):
            link, user = await links.take(CHANGE, token)
            if await identity.email_taken(link.email):
                raise EmailTaken("Somebody here has this email by now.")
            old, user.email, user.email_verified_at = user.email, link.email, self.now
            await links.tell(user, letters.email_changed(old, user.email), kind="email_changed")
            self._audit(identity, "user.email_changed", user.id)

    async def _send_links(self, email: str) -> None:
        for tenant, user_id, _ in (await find_logins(self.resources.engine, email))[:MAX_LOGINS]:
            async with self._tenant(tenant) as (identity, links):
                user = await identity.user(user_id)
                if user is None:
                    continue
                company, app_url = await identity.customer_name(), self.resources.settings.app_url
                write = partial(letters.reset, user.email, app_url, company)
                await links.send(RESET, user, user.email, write)
                self._audit(identity, "user.password_reset_asked", user.id)

    @asynccontextmanager
    async def _tenant(self, customer_id: str) -> AsyncIterator[tuple[IdentityRepository, Links]]:
        async with unit_of_work(self.resources.engine, customer_id) as work:
            identity = IdentityRepository(work.session, customer_id)
            yield identity, Links(identity, self.resources.settings, self.now)

    def _audit(self, identity: IdentityRepository, action: str, user_id: str) -> None:
        identity.audit(action, user_id, request_id=self.request_id, now=self.now)

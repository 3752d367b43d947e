"""What somebody who is in does about it: end sessions, change password or email. A password confirms the latter."""

from functools import partial

from api.dependencies.work import WriteContext
from api.modules.auth import letters
from api.modules.auth.errors import EmailTaken, WrongPassword
from api.modules.auth.links import CHANGE, VERIFY, Links
from api.modules.auth.repository import IdentityRepository
from api.modules.auth.schemas import Tokens
from api.modules.auth.sessions import Client, issue_pair
from api.records.repository import missing
from api.records.trail import Trail
from api.resources import Resources
from bevyly.db.schema import User
from bevyly.identity import keys
from bevyly.ids import is_id


class AccountService:
    """One's own sessions and credentials."""

    def __init__(self, context: WriteContext, resources: Resources, client: Client) -> None:
        self.principal = context.principal
        self.resources = resources
        self.client = client
        self.trail = Trail(context)
        self.now = self.trail.now
        self.identity = IdentityRepository(context.work.session, context.principal.customer_id)
        self.links = Links(self.identity, resources.settings, self.now)

    async def log_out(self, refresh_token: str | None, *, everywhere: bool) -> None:
        """End the chain of one refresh token, everything of the user, or else the session that asks."""
        who = self.principal.user_id
        family_id = self.principal.session_id
        if refresh_token is not None:
            token = await self.identity.token(keys.hash_of(refresh_token))
            family_id = token.family_id if token is not None else None
        if everywhere:
            await self.identity.revoke_user(who, self.now)
        elif family_id is not None:
            await self.identity.revoke_family(family_id, self.now, user_id=who)
        self._audit("user.logged_out")

    async def end_session(self, session_id: str) -> None:
        """End one session of the user; raises `NotFound` for one that is not theirs or has ended."""
        who = self.principal.user_id
        if not is_id(session_id) or not await self.identity.revoke_family(session_id, self.now, user_id=who):
            raise missing("session")
        self._audit("session.ended", after={"session_id": session_id})

    async def change_password(self, old: str, new: str) -> Tokens:
        """Another password; every session ends but the new one of the answer. Raises `WrongPassword`."""
        user = await self._confirmed(old)
        user.password_hash = await self.resources.passwords.hash_new(new, about=(user.name, user.email))
        await self.identity.session.flush()
        await self.identity.revoke_user(user.id, self.now)
        await self.identity.session.refresh(user)
        await self.links.tell(user, letters.password_changed(user.email), kind="password_changed")
        self._audit("user.password_changed")
        return issue_pair(self.resources, self.identity.session, user, self.client, now=self.now)

    async def change_email(self, email: str, password: str) -> None:
        """Send a link to the new address, which counts once it was followed. Raises `WrongPassword`, `EmailTaken`."""
        user = await self._confirmed(password)
        if await self.identity.email_taken(email):
            raise EmailTaken("Somebody here has this email already.")
        await self.links.send(CHANGE, user, email, partial(letters.confirm, email, self.resources.settings.app_url))
        self._audit("user.email_change_asked")

    async def verify_again(self) -> None:
        """Send the link that confirms the address once more, unless it is confirmed."""
        user = await self._user()
        if user.email_verified_at is None:
            write = partial(letters.verify, user.email, self.resources.settings.app_url)
            await self.links.send(VERIFY, user, user.email, write)

    async def _confirmed(self, password: str) -> User:
        user = await self._user()
        attempt = await self.resources.throttle.attempt(user.email, self.client.site)
        known = [user.password_hash] if user.password_hash else []
        if await self.resources.passwords.first_match(known, password) is None:
            raise WrongPassword(
                "This is not your password.", errors=[{"field": "body.password", "code": WrongPassword.code}]
            )
        await attempt.succeeded()
        return user

    async def _user(self) -> User:
        user = await self.identity.user(self.principal.user_id, lock=True)
        if user is None:
            raise missing("user")
        return user

    def _audit(self, action: str, *, after: dict[str, str] | None = None) -> None:
        self.trail.audit(action, ("user", self.principal.user_id), after=after)

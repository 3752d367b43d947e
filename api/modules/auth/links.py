"""Links in mails that prove an address: one-time tokens, kept as hashes, queued with the mail that carries them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from api.modules.auth.errors import InvalidLink
from api.modules.auth.repository import IdentityRepository
from bevyly.db.schema import OneTimeToken, User
from bevyly.encryption import Vault
from bevyly.identity import keys
from bevyly.ids import new_id
from bevyly.mail.message import Mail
from bevyly.mail.queue import queue_mail
from bevyly.settings import Settings


@dataclass(frozen=True)
class Purpose:
    """What a link is for, how its token looks, how long it works."""

    name: str
    kind: str
    lives: timedelta


VERIFY = Purpose("verify_email", keys.VERIFY, timedelta(days=1))
RESET = Purpose("reset_password", keys.RESET, timedelta(hours=1))
CHANGE = Purpose("change_email", keys.CHANGE, timedelta(days=1))


class Links:
    """Sends links and takes them back, for one tenant in one unit of work."""

    def __init__(self, identity: IdentityRepository, settings: Settings, now: datetime) -> None:
        self._identity = identity
        self._settings = settings
        self._now = now

    async def send(self, purpose: Purpose, user: User, to: str, write: Callable[[str], Mail]) -> None:
        """Queue the mail that `write` makes of a new token for `to`."""
        secret = keys.mint(purpose.kind, user.customer_id)
        expires = self._now + purpose.lives
        await self._identity.replace_link(
            OneTimeToken(
                customer_id=user.customer_id,
                id=new_id(),
                user_id=user.id,
                purpose=purpose.name,
                token_hash=secret.hash,
                email=to,
                expires_at=expires,
                created_at=self._now,
            )
        )
        await self.tell(user, write(secret.text), kind=purpose.name, expires_at=expires)

    async def tell(self, user: User, mail: Mail, *, kind: str, expires_at: datetime | None = None) -> None:
        """Queue a mail about a user."""
        await queue_mail(
            self._identity.session,
            user.customer_id,
            mail,
            kind=kind,
            vault=Vault.of(self._settings),
            now=self._now,
            expires_at=expires_at,
        )

    async def take(self, purpose: Purpose, token: str) -> tuple[OneTimeToken, User]:
        """The link and its user, once; raises `InvalidLink` with one answer whatever is wrong."""
        link = await self._identity.use_link(purpose.name, keys.hash_of(token), self._now)
        user = await self._identity.user(link.user_id, lock=True) if link is not None else None
        if link is None or user is None:
            raise invalid_link()
        return link, user


def tenant_of(purpose: Purpose, token: str) -> str:
    """The tenant that the token of a mail names; raises `InvalidLink`."""
    tenant = keys.tenant_in(purpose.kind, token)
    if tenant is None:
        raise invalid_link()
    return tenant


def invalid_link() -> InvalidLink:
    """One answer for an unknown, used, expired and replaced token."""
    return InvalidLink("This link was used before or is too old. Ask for a new one.")

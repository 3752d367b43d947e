"""Statements about users, their log-ins, refresh tokens, and the tokens of mails."""

from datetime import datetime

from sqlalchemy import ColumnElement, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from bevyly.db.schema import AuditEntry, Customer, OneTimeToken, RefreshToken, User
from bevyly.ids import new_id

MAX_LOGINS = 5
_FIND_LOGINS = text("select customer_id, user_id, password_hash from find_logins(:email)")


async def find_logins(engine: AsyncEngine, email: str) -> list[tuple[str, str, str]]:
    """Tenant, user and password hash of every log-in of an email, oldest first: the one question without tenant."""
    async with engine.connect() as connection:
        rows = await connection.execute(_FIND_LOGINS, {"email": email.lower()})
        return [(row[0], row[1], row[2]) for row in rows]


class IdentityRepository:
    """Users and tokens of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def add_customer(self, customer: Customer, owner: User) -> None:
        """A new tenant with its first user."""
        self.session.add(customer)
        await self.session.flush()
        self.session.add(owner)
        await self.session.flush()

    async def customer_name(self) -> str:
        """What the tenant is called."""
        name = await self.session.scalar(select(Customer.name).where(Customer.id == self.customer_id))
        return name or ""

    async def user(self, user_id: str, *, lock: bool = False) -> User | None:
        """A user who may come in; locked where what is read decides what is written."""
        statement = select(User).where(
            User.customer_id == self.customer_id, User.id == user_id, User.disabled_at.is_(None)
        )
        return await self.session.scalar(statement.with_for_update() if lock else statement)

    async def email_taken(self, email: str) -> bool:
        """Whether a user of the tenant has this email."""
        statement = select(User.id).where(User.customer_id == self.customer_id, User.email == email)
        return await self.session.scalar(statement) is not None

    async def use_token(self, token_hash: str, now: datetime) -> RefreshToken | None:
        """Mark the token as used; of many callers exactly one gets it."""
        statement = (
            update(RefreshToken)
            .where(
                RefreshToken.customer_id == self.customer_id,
                RefreshToken.token_hash == token_hash,
                RefreshToken.used_at.is_(None),
                RefreshToken.revoked_at.is_(None),
                RefreshToken.expires_at > now,
            )
            .values(used_at=now)
            .returning(RefreshToken)
        )
        return await self.session.scalar(statement)

    async def token(self, token_hash: str) -> RefreshToken | None:
        """The token, whatever its state."""
        statement = select(RefreshToken).where(
            RefreshToken.customer_id == self.customer_id, RefreshToken.token_hash == token_hash
        )
        return await self.session.scalar(statement.execution_options(populate_existing=True))

    async def revoke_family(self, family_id: str, now: datetime, *, user_id: str | None = None) -> bool:
        """End a chain of refresh tokens, of that user if one is named; whether there was one that still lived."""
        own = RefreshToken.user_id == user_id if user_id else RefreshToken.family_id == family_id
        return await self._revoke((RefreshToken.family_id == family_id) & own, now)

    async def revoke_user(self, user_id: str, now: datetime) -> None:
        """End every chain of a user and every access token."""
        await self._revoke(RefreshToken.user_id == user_id, now)
        await self.session.execute(
            update(User)
            .where(User.customer_id == self.customer_id, User.id == user_id)
            .values(token_version=User.token_version + 1)
            .execution_options(synchronize_session=False)
        )

    async def replace_link(self, link: OneTimeToken) -> None:
        """Keep the token of a mail; those that its user has for the same purpose end."""
        await self.session.execute(
            update(OneTimeToken)
            .where(
                OneTimeToken.customer_id == self.customer_id,
                OneTimeToken.user_id == link.user_id,
                OneTimeToken.purpose == link.purpose,
                OneTimeToken.used_at.is_(None),
            )
            .values(used_at=link.created_at)
            .execution_options(synchronize_session=False)
        )
        self.session.add(link)

    async def use_link(self, purpose: str, token_hash: str, now: datetime) -> OneTimeToken | None:
        """Mark the token of a mail as used; of many callers exactly one gets it."""
        statement = (
            update(OneTimeToken)
            .where(
                OneTimeToken.customer_id == self.customer_id,
                OneTimeToken.token_hash == token_hash,
                OneTimeToken.purpose == purpose,
                OneTimeToken.used_at.is_(None),
                OneTimeToken.expires_at > now,
            )
            .values(used_at=now)
            .returning(OneTimeToken)
        )
        return await self.session.scalar(statement)

    def audit(self, action: str, user_id: str, *, request_id: str | None, now: datetime) -> None:
        """One row of the audit about a user."""
        self.session.add(
            AuditEntry(
                customer_id=self.customer_id,
                id=new_id(),
                actor_type="user",
                actor_id=user_id,
                action=action,
                entity_type="user",
                entity_id=user_id,
                request_id=request_id,
                occurred_at=now,
            )
        )

    async def _revoke(self, condition: ColumnElement[bool], now: datetime) -> bool:
        revoked = await self.session.scalars(
            update(RefreshToken)
            .where(RefreshToken.customer_id == self.customer_id, RefreshToken.revoked_at.is_(None), condition)
            .values(revoked_at=now)
            .returning(RefreshToken.id)
            .execution_options(synchronize_session=False)
        )
        return bool(revoked.all())

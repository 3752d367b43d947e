"""Pairs of tokens: each belongs to a session, which is a family of refresh tokens, and shows by whom it is used."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from api.modules.auth.schemas import Tokens
from api.resources import Resources
from bevyly.db.schema import RefreshToken, User
from bevyly.identity import keys
from bevyly.ids import new_id


@dataclass(frozen=True)
class Client:
    """From where somebody asks, for people to recognise their sessions; attempts are counted by `site`."""

    user_agent: str | None
    address: str | None
    site: str


def issue_pair(
    resources: Resources,
    session: AsyncSession,
    user: User,
    client: Client,
    *,
    now: datetime,
    earlier: RefreshToken | None = None,
) -> Tokens:
    """The next pair of the session of `earlier`, or the first of a new one."""
    secret = keys.mint(keys.REFRESH, user.customer_id)
    family_id, started_at = (earlier.family_id, earlier.started_at) if earlier else (new_id(), now)
    session.add(
        RefreshToken(
            customer_id=user.customer_id,
            id=new_id(),
            user_id=user.id,
            family_id=family_id,
            token_hash=secret.hash,
            started_at=started_at,
            user_agent=client.user_agent,
            address=client.address,
            expires_at=now + timedelta(seconds=resources.settings.refresh_expires_in),
            created_at=now,
        )
    )
    access = resources.tokens.issue(
        customer_id=user.customer_id,
        user_id=user.id,
        email=user.email,
        role=user.role,
        token_version=user.token_version,
        session_id=family_id,
    )
    return Tokens(access_token=access, refresh_token=secret.text, expires_in=resources.tokens.expires_in)

"""Somebody comes by an invitation: as a new user, or as one who was known here and had no password yet.

It opens its own units of work: the tenant is known only from the token, and no connection waits for a hash.
"""

from api.dependencies.principal import Principal
from api.dependencies.work import WriteContext
from api.modules.invitations.errors import InvalidInvitation
from api.modules.invitations.repository import InvitationRepository
from api.modules.invitations.service import INVITE
from api.permissions import effective
from api.records.trail import Trail, Values
from api.resources import Resources
from bevyly.db.schema import Invitation, User
from bevyly.db.unit_of_work import UnitOfWork, unit_of_work
from bevyly.identity import keys
from bevyly.ids import new_id


class InvitationAcceptance:
    """Turns a token into a user."""

    def __init__(self, resources: Resources, request_id: str | None) -> None:
        self.resources = resources
        self.request_id = request_id
        self.now = resources.clock.now()

    async def accept(self, token: str, *, name: str | None, password: str) -> User:
        """The user that one is now; raises `InvalidInvitation`, always the same."""
        tenant = keys.tenant_in(INVITE, token)
        if tenant is None:
            raise _invalid()
        token_hash = keys.hash_of(token)
        async with unit_of_work(self.resources.engine, tenant) as work:
            row = await InvitationRepository(work.session, tenant).open(token_hash, self.now)
        if row is None:
            raise _invalid()
        password_hash = await self.resources.passwords.hash_new(password, about=(name, row.email))
        async with unit_of_work(self.resources.engine, tenant) as work:
            invitations = InvitationRepository(work.session, tenant)
            taken = await invitations.take(token_hash, self.now)
            if taken is None:
                raise _invalid()
            return await self._user(work, invitations, taken, {"name": name, "password_hash": password_hash})

    async def _user(self, work: UnitOfWork, invitations: InvitationRepository, row: Invitation, chosen: Values) -> User:
        user = await invitations.user(row.email)
        if user is not None and (user.password_hash is not None or user.disabled_at is not None):
            raise _invalid()
        before = None if user is None else {"name": user.name, "role": user.role}
        if user is None:
            user = User(customer_id=row.customer_id, id=new_id(), email=row.email, version=1, token_version=1)
            user.created_at = self.now
            work.session.add(user)
        else:
            user.version += 1
        user.role, user.password_hash, user.name = row.role, chosen["password_hash"], chosen["name"] or user.name
        row.user_id = user.id
        await work.session.flush()
        if row.team_id is not None:
            await invitations.join(row.team_id, user.id)
        self._tell(work, user, row, before)
        return user

    def _tell(self, work: UnitOfWork, user: User, row: Invitation, before: Values | None) -> None:
        who = Principal(
            customer_id=user.customer_id,
            user_id=user.id,
            email=user.email,
            role=user.role,
            permissions=effective(user.role, None),
            actor_type="user",
            actor_id=user.id,
        )
        trail = Trail(WriteContext(work, who, self.resources.clock, self.request_id))
        after: Values = {"name": user.name, "role": user.role}
        trail.audit(
            "invitation.accepted", ("invitation", row.id), before={"accepted_at": None}, after={"user_id": user.id}
        )
        action = "created" if before is None else "updated"
        trail.audit(f"user.{action}", ("user", user.id), before=before, after=after)
        changes: Values = {"before": before, "after": after}
        if before is None:
            changes = {"email": user.email} | after
        trail.emit(f"user.{action}", ("user", user.id), sequence=user.version, data={"user_id": user.id} | changes)


def _invalid() -> InvalidInvitation:
    return InvalidInvitation("This invitation is not valid any more. Ask for a new one.")

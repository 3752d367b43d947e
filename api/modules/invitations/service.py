"""What may be done with invitations. Accepting one is `acceptance`."""

from datetime import timedelta

from api.dependencies.work import WriteContext
from api.modules.invitations.errors import AlreadyIn, NotPending, SentRecently, TooManyInvitations
from api.modules.invitations.repository import InvitationRepository
from api.modules.users.errors import AboveOwnRole
from api.modules.users.service import may_grant
from api.records.trail import Trail
from bevyly.db.schema import Invitation
from bevyly.encryption import Vault
from bevyly.identity import keys
from bevyly.ids import new_id
from bevyly.mail.message import Link, letter
from bevyly.mail.queue import queue_mail
from bevyly.settings import Settings

INVITE = "bvy_invite_"
LIVES = timedelta(days=7)
PAUSE = timedelta(minutes=1)
MAX_PENDING = 500


class InvitationService:
    """Invitations of one tenant."""

    def __init__(self, context: WriteContext, settings: Settings) -> None:
        self.principal = context.principal
        self.session = context.work.session
        self.settings = settings
        self.vault = Vault.of(settings)
        self.trail = Trail(context)
        self.invitations = InvitationRepository(self.session, self.principal.customer_id)

    async def create(self, *, email: str, role: str, team_id: str | None) -> Invitation:
        """Invite somebody; raises `AboveOwnRole`, `AlreadyIn` or `TooManyInvitations`."""
        self._require_may_grant(role)
        if await self.invitations.pending() >= MAX_PENDING:
            raise TooManyInvitations(f"{MAX_PENDING} invitations are open; that is as many as there may be.")
        user = await self.invitations.user(email.lower())
        if user is not None and (user.password_hash is not None or user.disabled_at is not None):
            raise AlreadyIn("There is a user with this email.")
        row = Invitation(
            customer_id=self.principal.customer_id,
            id=new_id(),
            email=email.lower(),
            role=role,
            team_id=team_id,
            invited_by=self.principal.user_id,
            created_at=self.trail.now,
        )
        token = self._renew(row)
        self.session.add(row)
        await self.session.flush()
        await self._send(row, token)
        after = {"email": row.email, "role": role, "team_id": team_id}
        self.trail.audit("invitation.created", ("invitation", row.id), after=after)
        return row

    async def resend(self, invitation_id: str) -> Invitation:
        """Send it again with another token, which ends the one before; raises `NotPending` or `SentRecently`."""
        row = await self._pending(invitation_id)
        if self.trail.now - row.sent_at < PAUSE:
            raise SentRecently("It was sent less than a minute ago.")
        before = {"sent_at": row.sent_at, "expires_at": row.expires_at}
        await self._send(row, self._renew(row))
        after = {"sent_at": row.sent_at, "expires_at": row.expires_at}
        self.trail.audit("invitation.sent", ("invitation", row.id), before=before, after=after)
        return row

    async def revoke(self, invitation_id: str) -> None:
        """Take it back; raises `NotPending`."""
        row = await self._pending(invitation_id)
        row.revoked_at = self.trail.now
        before, after = {"revoked_at": None}, {"revoked_at": row.revoked_at}
        self.trail.audit("invitation.revoked", ("invitation", row.id), before=before, after=after)

    async def _pending(self, invitation_id: str) -> Invitation:
        row = await self.invitations.lock(invitation_id)
        self._require_may_grant(row.role)
        if row.accepted_at is not None or row.revoked_at is not None:
            raise NotPending("It was accepted or taken back.")
        return row

    def _require_may_grant(self, role: str) -> None:
        if not may_grant(self.principal.role, role):
            raise AboveOwnRole(f"You cannot make somebody {role} who are {self.principal.role} yourself.")

    def _renew(self, row: Invitation) -> str:
        secret = keys.mint(INVITE, self.principal.customer_id)
        row.token_hash, row.sent_at, row.expires_at = secret.hash, self.trail.now, self.trail.now + LIVES
        return secret.text

    async def _send(self, row: Invitation, token: str) -> None:
        company = await self.invitations.company()
        mail = letter(
            row.email,
            f"Join {company} on Bevyly",
            f"You are invited to work with {company} on Bevyly.",
            "The link works once and for seven days. If you do not know who this is, there is nothing to do.",
            link=Link("Accept the invitation", f"{self.settings.app_url}/accept-invitation#token={token}"),
        )
        customer_id, now = self.principal.customer_id, self.trail.now
        await queue_mail(
            self.session, customer_id, mail, kind="invitation", vault=self.vault, now=now, expires_at=row.expires_at
        )

"""Errors of invitations."""

from bevyly.errors import Conflict, NotFound


class InvalidInvitation(NotFound):
    """The token is unknown, expired, revoked or was used before; which of them is not said."""

    code = "invalid_invitation"


class AlreadyIn(Conflict):
    """Somebody with this email can come in already."""

    code = "already_a_user"


class NotPending(Conflict):
    """The invitation was accepted or revoked."""

    code = "invitation_not_pending"


class SentRecently(Conflict):
    """Nobody gets the same invitation twice within a minute."""

    code = "sent_recently"


class TooManyInvitations(Conflict):
    """As many invitations are open as may be."""

    code = "too_many_invitations"

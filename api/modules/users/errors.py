"""Errors of changes to users."""

from bevyly.errors import Conflict, Forbidden


class LastOwner(Conflict):
    """A tenant always has an owner who can come in."""

    code = "last_owner"


class AboveOwnRole(Forbidden):
    """Nobody grants more than they have, nor changes somebody who has more."""

    code = "above_own_role"


class NotASuccessor(Conflict):
    """Records can go only to another user who can come in."""

    code = "not_a_successor"

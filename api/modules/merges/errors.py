"""What can go wrong with merges."""

from bevyly.errors import Conflict


class NotMergeable(Conflict):
    """These records cannot be merged like this; the detail says why."""

    code = "not_mergeable"


class AlreadyUnmerged(Conflict):
    """The merge was taken back before."""

    code = "already_unmerged"

"""Why a row of many is refused, or all of them."""

from bevyly.errors import Conflict, Forbidden, Invalid, NotFound


class AlreadyExists(Conflict):
    """Another record has this key."""

    code = "already_exists"


class Ambiguous(Conflict):
    """Several records have the key by which one was looked for."""

    code = "ambiguous_match"


class Deleted(Conflict):
    """The record that has this key is deleted; restore it first."""

    code = "record_deleted"


class NoMatch(NotFound):
    """No record has the key by which one was looked for."""

    code = "no_match"


class DeleteNotAllowed(Forbidden):
    """Who asks may not delete records of this kind."""

    code = "delete_not_allowed"


class BatchRefused(Invalid):
    """A row of an atomic batch is refused, so that none took effect; `results` says which and why."""

    code = "batch_refused"

"""Whose records may be seen: the owners that a request is narrowed to, beside its tenant.

It travels with the request, like its id in the log: the gate sets it, and every statement of a tenant carries it into
the transaction, where row-level security applies it (`bevyly.db.rls.narrow`). A statement that was never narrowed
(a command, a pipeline, an owner or admin) sees every record of its tenant.
"""

from contextvars import ContextVar

EVERY_OWNER = ""
NOBODY = "-"
"""Stands in a list of owners for records that nobody owns."""

_visible: ContextVar[str] = ContextVar("visible_owners", default=EVERY_OWNER)


def narrow_to(owners: str) -> None:
    """From here on this request sees records of `owners` alone: ids with commas between them, first
    the user's own, or `EVERY_OWNER`."""
    _visible.set(owners)


def visible_owners() -> str:
    """The owners that this request is narrowed to."""
    return _visible.get()

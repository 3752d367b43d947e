"""Named errors: one base with a stable code and an HTTP status, so that every door can tell them apart.

Belongs here: errors that more than one area raises. An area's own errors live beside it and subclass these.
"""

from typing import Any, ClassVar


class BevylyError(Exception):
    """Base of every error that we raise on purpose.

    `code` is stable and part of the API; `status` is what HTTP answers; `detail` is one sentence for a person.
    """

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    title: ClassVar[str] = "Something went wrong on our side"

    def __init__(self, detail: str, **context: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.context = context


class Invalid(BevylyError):
    """The input is well-formed but not acceptable."""

    code, status, title = "invalid", 422, "The request is not valid"


class NotFound(BevylyError):
    """No such thing in this tenant."""

    code, status, title = "not_found", 404, "Not found"


class Conflict(BevylyError):
    """The request collides with what is already so."""

    code, status, title = "conflict", 409, "Conflict with the current state"


class PreconditionFailed(BevylyError):
    """`If-Match` names another version than the stored one."""

    code, status, title = "precondition_failed", 412, "Changed since you read it"


class Unauthorized(BevylyError):
    """Who is asking is not known."""

    code, status, title = "unauthorized", 401, "Log in first"


class Forbidden(BevylyError):
    """Who is asking may not do this."""

    code, status, title = "forbidden", 403, "Not allowed"


class Unavailable(BevylyError):
    """Something we depend on is away; trying again later may help."""

    code, status, title = "unavailable", 503, "Temporarily unavailable"


class MissingDependency(BevylyError):
    """A setting, file or service is missing; the detail says which, and what to do."""

    code, status, title = "missing_dependency", 503, "Something needed is missing"

"""Why one event of another system is refused. Each has a stable code; the others of its batch go on."""

from typing import Any

from bevyly.errors import BevylyError, Conflict, Forbidden, Invalid, NotFound


class UnsupportedMediaType(BevylyError):
    """The body is none of the forms in which events may be sent."""

    code, status, title = "unsupported_media_type", 415, "Unsupported media type"


class TooManyEvents(Invalid):
    """More events than one call may carry."""

    code = "too_many_events"


class InvalidEvent(Invalid):
    """The envelope or the data of an event is not as its type asks; `errors` says where."""

    code = "invalid_event"


class TypeNotAccepted(Invalid):
    """An event of this type cannot be sent; `accepted` lists those that can."""

    code = "type_not_accepted"


class InFuture(Invalid):
    """The event has not happened yet."""

    code = "time_in_future"


class IdReused(Conflict):
    """Another event of this source was sent under the same id."""

    code = "id_reused"


class RecordUnknown(NotFound):
    """The event changes a record that its source never created here; send `….created` first."""

    code = "record_unknown"


class DeleteNotAllowed(Forbidden):
    """Who sends may not delete records of this kind."""

    code = "delete_not_allowed"


def invalid(*errors: tuple[str, str, str]) -> InvalidEvent:
    """One error for fields with their codes and messages."""
    fields = [{"field": field, "code": code, "message": message} for field, code, message in errors]
    return InvalidEvent("Some fields are not valid.", errors=fields)


def as_problem(error: BevylyError) -> dict[str, Any]:
    """The error as one row of an answer tells it."""
    return {"code": error.code, "status": error.status, "detail": error.detail} | error.context

"""How errors leave: `application/problem+json` (RFC 9457) with a stable code, field paths and the request id.

Every error that a route can raise is turned into an answer here. Does not belong here: the errors themselves.
"""

from collections.abc import Sequence
from typing import Any

import orjson
import psycopg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match

from bevyly.errors import BevylyError, Conflict, Forbidden, Invalid, NotFound, Unavailable

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = "1"
MAX_ERRORS = 100
_TITLES = {404: "Not found", 405: "Method not allowed", 415: "Unsupported media type"}
_CODES = {404: "not_found", 405: "method_not_allowed"}
_REFUSED_ROW = "row-level security policy"
log = structlog.get_logger()


class ReferenceNotFound(NotFound):
    """A field names a row that this tenant does not have."""

    code = "reference_not_found"

    @classmethod
    def of(cls, field: str) -> "ReferenceNotFound":
        """The error of the field `field` of a body."""
        return cls(f"Nothing here has the id in {field}.", errors=[{"field": f"body.{field}", "code": "not_found"}])


class OutOfSight(Forbidden):
    """The change would put a record where who changes it cannot see it."""

    code = "out_of_sight"


def problem(
    *,
    status: int,
    code: str,
    title: str,
    detail: str,
    request_id: str | None = None,
    errors: Sequence[dict[str, Any]] = (),
    headers: dict[str, str] | None = None,
    **extra: Any,
) -> Response:
    """An answer that says what went wrong."""
    document: dict[str, Any] = {
        "type": f"urn:bevyly:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail,
        "request_id": request_id,
        **extra,
    }
    if errors:
        document["errors"] = list(errors)
    if status in (429, 503):
        headers = {"retry-after": RETRY_SECONDS} | (headers or {})
    return Response(orjson.dumps(document, default=str), status_code=status, media_type=MEDIA_TYPE, headers=headers)


def of_error(error: BevylyError, request_id: str | None) -> Response:
    """The answer to an error that was raised on purpose."""
    headers = {"www-authenticate": "Bearer"} if error.status == 401 else None
    context = dict(error.context)
    if "retry_after" in context:
        headers = {"retry-after": str(context.pop("retry_after"))}
    return problem(
        status=error.status,
        code=error.code,
        title=error.title,
        detail=error.detail,
        request_id=request_id,
        headers=headers,
        **context,
    )


def of_validation(errors: Sequence[Any], request_id: str | None) -> Response:
    """The answer to input that does not fit its schema: one entry for each field, as far as anybody would read them."""
    return problem(
        status=422,
        code="invalid",
        title=Invalid.title,
        detail="Some fields are not valid.",
        request_id=request_id,
        errors=[
            {"field": ".".join(str(part) for part in error["loc"]), "code": error["type"], "message": _said(error)}
            for error in errors[:MAX_ERRORS]
        ],
    )


def _said(error: Any) -> str:
    """What is wrong, in words; of a body that is no JSON also why, which FastAPI keeps apart."""
    why = error.get("ctx", {}).get("error") if error["type"] == "json_invalid" else None
    return f"{error['msg']}: {why}" if why else error["msg"]


def translate(error: DBAPIError | psycopg.Error) -> BevylyError:
    """The named error behind what the database refused."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, psycopg.IntegrityError):
        return _of_constraint(cause)
    if isinstance(cause, psycopg.errors.InsufficientPrivilege) and _REFUSED_ROW in str(cause):
        return OutOfSight("You can give a record only to somebody whose records you see.")
    if isinstance(cause, psycopg.errors.DataError):
        return Invalid("A value does not fit what is stored.")
    if isinstance(cause, psycopg.errors.SerializationFailure | psycopg.errors.DeadlockDetected):
        return Conflict("Somebody else changed the same thing at the same time. Try again.")
    if isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return Unavailable("The database does not answer. Try again in a moment.")
    raise error


def _of_constraint(cause: psycopg.Error) -> BevylyError:
    name = cause.diag.constraint_name or ""
    field = name.partition("customer_id_")[2]
    if isinstance(cause, psycopg.errors.ForeignKeyViolation):
        return ReferenceNotFound.of(field)
    if isinstance(cause, psycopg.errors.UniqueViolation):
        return Conflict("Another one with this value exists.", constraint=name)
    return Invalid("The values contradict each other.", constraint=name)


def install(app: FastAPI) -> None:
    """Let `app` answer every named error, invalid input and database refusal with a problem."""

    async def on_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, BevylyError)
        return of_error(error, request_id_of(request))

    async def on_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError | ValidationError)
        return of_validation(error.errors(), request_id_of(request))

    async def on_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        if error.status_code == 405:
            headers["allow"] = _allowed(request)
        return problem(
            status=error.status_code,
            code=_CODES.get(error.status_code, f"http_{error.status_code}"),
            title=_TITLES.get(error.status_code, "The request cannot be served"),
            detail=str(error.detail),
            request_id=request_id_of(request),
            headers=headers,
        )

    async def on_database(request: Request, error: Exception) -> Response:
        assert isinstance(error, DBAPIError | psycopg.Error)
        return of_error(translate(error), request_id_of(request))

    async def on_pool(request: Request, error: Exception) -> Response:
        log.warning("write_pool_exhausted", error=str(error))
        return of_error(Unavailable("Too many requests are waiting for the database."), request_id_of(request))

    app.add_exception_handler(BevylyError, on_error)
    app.add_exception_handler(RequestValidationError, on_validation)
    app.add_exception_handler(ValidationError, on_validation)
    app.add_exception_handler(HTTPException, on_http)
    app.add_exception_handler(DBAPIError, on_database)
    app.add_exception_handler(psycopg.Error, on_database)
    app.add_exception_handler(PoolTimeout, on_pool)


def _allowed(request: Request) -> str:
    """What the path of a request may be asked for: one route knows its own methods only.

    A path that is written out is not a record whose id is `batch`: what leaves least open is meant.
    """
    matching = [one for one in request.app.routes if one.matches(request.scope)[0] is not Match.NONE]
    open_parts = min((len(one.param_convertors) for one in matching), default=0)
    meant = [one for one in matching if len(one.param_convertors) == open_parts]
    return ", ".join(sorted({method for route in meant for method in getattr(route, "methods", None) or ()}))


def request_id_of(request: Request) -> str | None:
    """The id that this request has in logs, answers and the audit."""
    request_id: str | None = request.scope.get("state", {}).get("request_id")
    return request_id

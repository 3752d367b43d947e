"""Routes: each declares its permission or does not start; reads skip what reads do not need.

`GuardedRoute` is FastAPI's route behind the gate, in a unit of work where it changes something. `ReadRoute` answers GET
with bytes: it fills the same documented parameters without dependency injection, which costs more than the answer.
"""

import asyncio
import inspect
import json
from collections.abc import Callable, Coroutine, Iterable
from typing import Annotated, Any, ClassVar, get_args, get_origin, get_type_hints

import orjson
from fastapi import APIRouter
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.dependencies.work import in_unit_of_work
from api.permissions import PERMISSIONS, PUBLIC
from api.plain_writes import plainly
from api.resources import resources_of
from api.schemas import PageQuery, Problem
from bevyly.errors import Invalid

Mark = Callable[[Callable[..., Any]], Callable[..., Any]]
_SAFE = {"GET", "HEAD"}
COSTS = ("reads", "lists", "writes", "bulk", "authentication")
LONG_CALLS = 3
"""Calls with many rows that a process works on at once: other writes need connections too."""
_SECURITY: list[dict[str, list[str]]] = [{"access_token": []}, {"api_key": []}]
_IDEMPOTENCY_KEY = {
    "name": "idempotency-key",
    "in": "header",
    "required": False,
    "description": "the same request again under the same key gets the same answer, for 24 hours",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}

MAX_NAMES = 1_000
"""Of one JSON object; the largest of ours has the 200 custom fields that a tenant may define."""


def requires(permission: str) -> Mark:
    """Declare the permission that a route asks for."""
    if permission != PUBLIC and permission not in PERMISSIONS:
        raise ValueError(f"no such permission: {permission}")

    def mark(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        endpoint.permission = permission  # type: ignore[attr-defined]  # functions take attributes
        return endpoint

    return mark


def costs(rule: str) -> Mark:
    """Declare the rate limit that a route counts by, where it is not the one of its kind (a field of `RateLimits`)."""
    if rule not in COSTS:
        raise ValueError(f"no such rate limit of a route: {rule}")

    def mark(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        endpoint.cost = rule  # type: ignore[attr-defined]  # functions take attributes
        return endpoint

    return mark


def _cost(endpoint: Callable[..., Any], permission: str, methods: Iterable[str]) -> str:
    """What a route counts by unless it says so itself: lists, single reads, changes, and what anybody may ask."""
    kind = "writes" if set(methods) - _SAFE else "lists" if _takes_page(endpoint) else "reads"
    found: str = getattr(endpoint, "cost", "authentication" if permission == PUBLIC else kind)
    return found


def _takes_page(endpoint: Callable[..., Any]) -> bool:
    query = _query_parameter(endpoint)
    return query is not None and issubclass(query[1], PageQuery)


class EdgeRequest(Request):
    """A request whose JSON is read strictly: no NaN, lone surrogates, huge exponents, names twice or too many names."""

    async def json(self) -> Any:
        body = await self.body()
        document = orjson.loads(body)
        refuse_odd_objects(body)
        return document

    async def refuse_nul(self) -> None:
        """Raise `Invalid` for a text with U+0000, which every JSON parser takes and PostgreSQL does not."""
        raw = await self.body()
        if b"\\u0000" not in raw:
            return
        try:
            found = has_nul(orjson.loads(raw))
        except orjson.JSONDecodeError:
            return
        if found:
            raise Invalid("A text contains a character that cannot be stored (NUL).")


class GuardedRoute(APIRoute):
    """A route behind the gate. One that answers for each row of its body finds NUL in the rows itself."""

    finds_nul: ClassVar[bool] = False

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        permission = getattr(endpoint, "permission", None)
        if permission is None:
            raise TypeError(f"the route {path} declares no permission")
        self.permission: str = permission
        methods = set(options.get("methods") or ["GET"])
        self.cost = _cost(endpoint, permission, options.get("methods") or ("GET",))
        options["openapi_extra"] = _documented(permission, methods, self.cost) | (options.get("openapi_extra") or {})
        options["responses"] = problems(*_always(permission, methods)) | (options.get("responses") or {})
        options["response_model"] = None
        options["operation_id"] = options.get("operation_id") or endpoint.__name__
        options["summary"] = options.get("summary") or endpoint.__name__.replace("_", " ").capitalize()
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = plainly(self.path, self.endpoint, super().get_route_handler())

        async def guarded(request: Request) -> Response:
            resources = resources_of(request)
            principal = await resources.gate.admit(request, self.permission, self.cost)
            strict = EdgeRequest(request.scope, request.receive)
            if not self.finds_nul:
                await strict.refuse_nul()
            if principal is None or request.method in _SAFE:
                return await handle(strict)
            return await in_unit_of_work(resources, strict, principal, handle)

        return guarded


class RowsRoute(GuardedRoute):
    """A route whose rows are judged one by one, and whose calls wait for each other before they take a connection."""

    finds_nul: ClassVar[bool] = True

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def a_few_at_once(request: Request) -> Response:
            state = request.app.state
            if not hasattr(state, "long_calls"):
                state.long_calls = asyncio.Semaphore(LONG_CALLS)
            async with state.long_calls:
                return await handle(request)

        return a_few_at_once


class ReadRoute(GuardedRoute):
    """A GET that answers with bytes. Parameters: the request, names of the path, at most one model of the query."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self._read = endpoint
        self._query = _query_parameter(endpoint)
        self.app = self._respond

    async def response(self, request: Request) -> Response:
        """The answer to a request whose path this route matched."""
        await resources_of(request).gate.admit(request, self.permission, self.cost)
        found: Response = await self._read(request, **self._arguments(request))
        return found

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self.response(Request(scope, receive, send))
        await response(scope, receive, send)

    def _arguments(self, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = dict(request.scope["path_params"])
        if self._query is not None:
            name, model = self._query
            arguments[name] = _query_of(request, model)
        return arguments


def _query_of(request: Request, model: type[BaseModel]) -> BaseModel:
    if not request.scope["query_string"]:
        return model()
    try:
        return model.model_validate(dict(request.query_params))
    except ValidationError as error:
        raise RequestValidationError([{**one, "loc": ("query", *one["loc"])} for one in error.errors()]) from None


def area(prefix: str, tag: str) -> APIRouter:
    """The router of one area of the API."""
    return APIRouter(prefix=f"/api/v1{prefix}", tags=[tag], route_class=GuardedRoute)


def read(router: APIRouter, path: str, model: Any, **options: Any) -> Mark:
    """Declare a `ReadRoute` on `router` that answers with `model`."""

    def add(endpoint: Callable[..., Any]) -> Callable[..., Any]:
        responses = {200: {"model": model}} | options.pop("responses", {})
        router.add_api_route(
            path, endpoint, methods=["GET"], route_class_override=ReadRoute, responses=responses, **options
        )
        return endpoint

    return add


def answers(model: Any, *errors: int, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Documentation of what a route answers."""
    return {status: {"model": model}} | problems(*errors)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Documentation of the errors of a route."""
    return {status: {"description": _MEANINGS[status][1], "content": _problem(status)} for status in statuses}


def _problem(status: int) -> dict[str, Any]:
    code, title = _MEANINGS[status]
    example = {
        "type": f"urn:bevyly:problem:{code}",
        "title": title,
        "status": status,
        "code": code,
        "detail": "One sentence for a person.",
        "request_id": "01938f6e-7c1b-7d2a-9d43-5f3a1c0b9e77",
    }
    return {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}


_MEANINGS = {
    308: ("record_merged", "Merged into another record: `Location` says which"),
    401: ("unauthorized", "Who is asking is not known"),
    403: ("forbidden", "Not allowed"),
    404: ("not_found", "Not found"),
    408: ("body_too_slow", "The body did not arrive in time"),
    409: ("conflict", "Conflict with the current state"),
    412: ("precondition_failed", "Changed since you read it"),
    413: ("body_too_large", "Larger than a request may be"),
    414: ("target_too_long", "Path and query are longer than they may be"),
    415: ("unsupported_media_type", "Not a form in which this can be sent"),
    422: ("invalid", "Not valid"),
    429: ("rate_limited", "Too many requests"),
    503: ("unavailable", "Temporarily unavailable"),
}
PROBLEM_SCHEMA = Problem.model_json_schema(ref_template="#/components/schemas/{model}")


def _always(permission: str, methods: set[str]) -> list[int]:
    """The errors that any route may answer, by what stands before it."""
    guarded = [] if permission == PUBLIC else [401, 403]
    with_body = [] if methods <= _SAFE else [408, 413]
    return [*guarded, *with_body, 414, *([409] if "POST" in methods else []), 422, 429, 503]


def _documented(permission: str, methods: set[str], cost: str) -> dict[str, Any]:
    security = [] if permission == PUBLIC else _SECURITY
    repeatable = {"parameters": [_IDEMPOTENCY_KEY]} if "POST" in methods and permission != PUBLIC else {}
    return {"security": security, "x-permission": permission, "x-rate-limit": cost} | repeatable


def _query_parameter(endpoint: Callable[..., Any]) -> tuple[str, type[BaseModel]] | None:
    """The name and the model of the parameter that takes the query, where there is one."""
    hints = get_type_hints(endpoint, include_extras=True)
    for name in list(inspect.signature(endpoint).parameters)[1:]:
        hint = hints[name]
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if isinstance(bare, type) and issubclass(bare, BaseModel):
            return name, bare
    return None


def refuse_odd_objects(body: bytes) -> None:
    """Raise `JSONDecodeError` for an object with a name twice: who reads the first and who the last would disagree.
    Also for one with more than `MAX_NAMES`: each that is wrong would be an error of its own.
    """
    try:
        json.loads(body, object_pairs_hook=_once_each)
    except RecursionError:
        raise json.JSONDecodeError("nested too deeply", "", 0) from None


def _once_each(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > MAX_NAMES:
        raise json.JSONDecodeError(f"an object has more than {MAX_NAMES:,} names", "", 0)
    names = {name for name, _ in pairs}
    if len(names) != len(pairs):
        raise json.JSONDecodeError("a name appears twice in one object", "", 0)


def has_nul(value: Any) -> bool:
    """Whether a text anywhere in `value` contains U+0000."""
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or has_nul(one) for key, one in value.items())
    return isinstance(value, list) and any(has_nul(one) for one in value)

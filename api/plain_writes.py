"""A short way for plain writes: a JSON body and nothing besides.

It fills the same documented parameters without dependency injection. Whatever is not plain (a query, another kind of
body, one that is not valid) takes FastAPI's way, errors included.
"""

import inspect
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastapi.params import Query
from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from api.dependencies.work import Handler, Write

_JSON = b"application/json"
_PLACE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True)
class PlainWrite:
    """An endpoint that takes a body, the unit of work, names of its path, and for the rest has defaults."""

    endpoint: Callable[..., Awaitable[Response]]
    model: type[BaseModel]
    body: str
    context: str

    async def __call__(self, request: Request) -> Response | None:
        """The answer to `request`; None where it is not plain, and nothing was done."""
        if not _is_plain(request):
            return None
        try:
            body = self.model.model_validate(await request.json())
        except (json.JSONDecodeError, ValidationError):
            return None
        given = {self.body: body, self.context: request.scope["state"]["write"]}
        return await self.endpoint(**given, **request.scope["path_params"])


def plainly(path: str, endpoint: Callable[..., Any], handle: Handler) -> Handler:
    """`handle`, which is FastAPI's way, spared the calls of `endpoint` that are plain."""
    write = plain_write(path, endpoint)
    if write is None:
        return handle

    async def answer(request: Request) -> Response:
        found = await write(request)
        return await handle(request) if found is None else found

    return answer


def plain_write(path: str, endpoint: Callable[..., Any]) -> PlainWrite | None:
    """How `endpoint` is called plainly, where it can be."""
    hints, places = get_type_hints(endpoint, include_extras=True), set(_PLACE.findall(path))
    bodies, contexts = [], []
    for name, parameter in inspect.signature(endpoint).parameters.items():
        kind = hints[name]
        if kind == Write:
            contexts.append(name)
        elif isinstance(kind, type) and issubclass(kind, BaseModel):
            bodies.append(name)
        elif not (kind is str if name in places else _is_in_query(kind) and parameter.default is not parameter.empty):
            return None
    if len(bodies) != 1 or len(contexts) != 1 or hints["return"] is not Response:
        return None
    return PlainWrite(endpoint, hints[bodies[0]], bodies[0], contexts[0])


def _is_in_query(kind: Any) -> bool:
    return get_origin(kind) is Annotated and any(isinstance(one, Query) for one in get_args(kind)[1:])


def _is_plain(request: Request) -> bool:
    if request.scope["query_string"]:
        return False
    kinds = [value for name, value in request.scope["headers"] if name == b"content-type"]
    return kinds == [_JSON]

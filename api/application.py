"""FastAPI without the layers that ours replace, and with a short way for reads.

What answers with bytes (`ReadRoute`) is found by its address and answered right behind the limits. FastAPI's own way
through exits, routes and error layers costs more than such an answer; everything else takes it, errors included.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.middleware.asyncexitstack import AsyncExitStackMiddleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, ExceptionHandler, Receive, Scope, Send

from api.routing import ReadRoute


class Application(FastAPI):
    """Last-resort errors, limits of bodies and measures are those of `api.middleware`."""

    def build_middleware_stack(self) -> ASGIApp:
        handled = ExceptionMiddleware(AsyncExitStackMiddleware(self.router), handlers=self.exception_handlers)
        app: ASGIApp = ReadsFirst(handled, self.routes, self.exception_handlers)
        for layer, arguments, options in reversed(self.user_middleware):
            app = layer(app, *arguments, **options)
        return app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if self.middleware_stack is None:
            self.middleware_stack = self.build_middleware_stack()
        scope["app"] = self
        await self.middleware_stack(scope, receive, send)


class ReadsFirst:
    """Answers what a `ReadRoute` answers; leaves the rest to `app`."""

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute], errors: Mapping[Any, ExceptionHandler]) -> None:
        self.app = app
        self._known: tuple[type[Exception], ...] = tuple(error for error in errors if isinstance(error, type))
        self._failed = ExceptionMiddleware(_fail, handlers=errors)
        self._fixed: dict[str, Route] = {}
        self._by_area: defaultdict[str, list[Route]] = defaultdict(list)
        for route in routes:
            if isinstance(route, Route) and "GET" in (route.methods or ()):
                if route.param_convertors:
                    self._by_area[_area(route.path)].append(route)
                else:
                    self._fixed.setdefault(route.path, route)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route = self._find(scope) if scope["type"] == "http" and scope["method"] == "GET" else None
        if route is None:
            await self.app(scope, receive, send)
            return
        scope["route"] = route
        try:
            response = await route.response(Request(scope, receive, send))
        except self._known as error:
            scope["failure"] = error
            await self._failed(scope, receive, send)
        else:
            await response(scope, receive, send)

    def _find(self, scope: Scope) -> ReadRoute | None:
        path = scope["path"]
        found = self._fixed.get(path)
        if found is not None:
            scope["path_params"] = {}
            return found if isinstance(found, ReadRoute) else None
        for route in self._by_area.get(_area(path), ()):
            match = route.path_regex.match(path)
            if match is not None:
                scope["path_params"] = match.groupdict()
                return route if isinstance(route, ReadRoute) else None
        return None


def _area(path: str) -> str:
    """The part of a path that names its area: `accounts` in `/api/v1/accounts/{account_id}`."""
    return path.split("/", 4)[3] if path.count("/") > 3 else ""


async def _fail(scope: Scope, _receive: Receive, _send: Send) -> None:
    raise scope["failure"]

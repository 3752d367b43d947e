"""An API that listens on loopback, in the test's own event loop, and can be stopped as a process is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI

from api.server import server_options
from bevyly.runtime.ports import free_port
from bevyly.settings import Settings


@asynccontextmanager
async def serving(app: FastAPI, *, port: int | None = None, lifespan: str = "off") -> AsyncIterator[str]:
    """The address of `app` while it is served; at the end the server stops as it does on SIGTERM."""
    chosen = port or free_port()
    options = server_options(Settings(api_port=chosen)) | {"app": app, "factory": False, "lifespan": lifespan}
    server = uvicorn.Server(uvicorn.Config(**options))
    server.install_signal_handlers = lambda: None
    task = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:
            await asyncio.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{chosen}"
    finally:
        server.should_exit = True
        await task

"""The clients that are generated from the document work against a running API."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from api.clients import generate
from bevyly.errors import MissingDependency
from tests.integration.api.conftest import Api, running
from tests.support.databases import Database
from tests.support.serving import serving


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def started(module_database: Database, redis_url: str) -> AsyncIterator[tuple[Api, str]]:
    async with running(module_database, redis_url) as api, serving(api.app) as url:
        yield api, url


def generated(make: Callable[[Path], Path], into: Path, needs: str) -> Path:
    """A generated client; skipped, and said so, where its tool is missing."""
    try:
        generate.tool(needs)
    except MissingDependency:
        pytest.skip(f"needs {needs}: this client is neither generated nor tried here")
    return make(into)


async def test_the_python_client_works(started: tuple[Api, str], tmp_path: Path) -> None:
    api, url = started
    out = await asyncio.to_thread(generated, generate.generate_python, tmp_path, "uv")
    smoke = ("env", f"PYTHONPATH={out}", "python", str(generate.HERE / "python" / "smoke.py"))
    told = await asyncio.to_thread(generate.in_python, tmp_path, *smoke, url, api.token(api.a))
    assert json.loads(told.splitlines()[-1])["id"] in {row[1] for row in api.sql("select 1, id from leads")}


async def test_the_typescript_client_compiles_and_works(started: tuple[Api, str], tmp_path: Path) -> None:
    api, url = started
    out = await asyncio.to_thread(generated, generate.generate_typescript, tmp_path, "npm")
    node = await asyncio.create_subprocess_exec(
        generate.tool("node"), str(out / "dist" / "smoke.js"), url, api.token(api.b), stdout=asyncio.subprocess.PIPE
    )
    told, _ = await node.communicate()
    assert node.returncode == 0
    assert json.loads(told)["id"] in {row[1] for row in api.sql("select 1, id from leads")}

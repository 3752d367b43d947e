"""Whether this process lives, whether it can work, and what it counted. For orchestrators, not for people."""

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from api.resources import Resources, resources_of
from bevyly.errors import Unavailable

READY_SECONDS = 2.0
router = APIRouter(include_in_schema=False)


@router.get("/healthz")
async def healthz() -> Response:
    """This process answers."""
    return Response(b'{"status":"ok"}', media_type="application/json")


@router.get("/readyz")
async def readyz(request: Request) -> Response:
    """Whether everything that this process needs answers; 503 names what is away."""
    resources = resources_of(request)
    database, redis = await asyncio.gather(_database(resources), _redis(resources))
    checks: dict[str, Any] = {"database": database, "redis": redis}
    # Without Redis the API goes on, uncounted; without the database it cannot.
    ready = database == "ok"
    away = [name for name, state in checks.items() if state != "ok"]
    document = {"status": "ready" if ready else "unavailable", "checks": checks, "away": away}
    return Response(orjson.dumps(document), status_code=200 if ready else 503, media_type="application/json")


@router.get("/metrics")
async def metrics() -> Response:
    """Counters of this process, as Prometheus reads them."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


async def _database(resources: Resources) -> str:
    try:
        await asyncio.wait_for(resources.reader.ping(), READY_SECONDS)
    except (Unavailable, TimeoutError):
        return "away"
    return "ok"


async def _redis(resources: Resources) -> str:
    try:
        await resources.redis.ping()
    except (RedisError, OSError, TimeoutError):
        return "away"
    return "ok"

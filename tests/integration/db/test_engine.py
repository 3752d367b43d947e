"""The pool of writes: who waits longest is served first, and nobody waits for ever."""

import asyncio

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine

from bevyly.db.engine import make_async_engine
from tests.support.databases import Database


async def _use(engine: AsyncEngine, name: str, order: list[str], *, turns: int = 1) -> None:
    for _ in range(turns):
        async with engine.connect():
            order.append(name)


async def test_who_waits_is_not_passed_by_who_comes_later(database: Database) -> None:
    engine, order = make_async_engine(database.app_url, pool_size=1, pool_timeout=5), list[str]()
    async with engine.connect():
        first = asyncio.create_task(_use(engine, "first", order))
        await asyncio.sleep(0)
        second = asyncio.create_task(_use(engine, "second", order))
        await asyncio.sleep(0.01)
    await _use(engine, "late", order, turns=2)
    await asyncio.gather(first, second)
    await engine.dispose()
    assert order == ["first", "second", "late", "late"]


async def test_who_waited_too_long_or_gave_up_takes_no_turn(database: Database) -> None:
    engine, order = make_async_engine(database.app_url, pool_size=1, pool_timeout=0.1), list[str]()
    async with engine.connect():
        with pytest.raises(PoolTimeout):
            await _use(engine, "too long", order)
        gone = asyncio.create_task(_use(engine, "gone", order))
        await asyncio.sleep(0.01)
        gone.cancel()
    await asyncio.wait([gone])
    await asyncio.gather(*(_use(engine, "after", order) for _ in range(3)))
    await engine.dispose()
    assert (gone.cancelled(), order) == (True, ["after"] * 3)

"""Work behind an answer that must not show in it: what it does, and how long it takes, is nobody's business.

It is given to the process, which finishes it before it stops; one that is killed loses it, so only what somebody may
simply ask for again belongs here.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

from bevyly.errors import Unavailable

MAX_WAITING = 100
AT_ONCE = 2
log = structlog.get_logger()


class Aftermath:
    """Runs a few pieces of work at once, and takes only so many."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(AT_ONCE)

    def add(self, work: Coroutine[Any, Any, None]) -> None:
        """Do `work` soon; raises `Unavailable` where too much is waiting."""
        if len(self._tasks) >= MAX_WAITING:
            work.close()
            raise Unavailable("Too many such requests are waiting. Try again in a moment.")
        task = asyncio.create_task(self._run(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Wait until everything is done."""
        await asyncio.gather(*self._tasks)

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        async with self._turns:
            try:
                await work
            except Exception:  # nobody waits for the answer: a failure is logged here or never
                log.exception("aftermath_failed")

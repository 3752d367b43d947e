"""`python -m tests.support.killed_importer`: an importer that kills itself in the second part, before its commit."""

import asyncio
import os
import signal
from typing import Any

from api.modules.imports.importer import Importer, Policy
from bevyly.clock import SystemClock
from bevyly.db.engine import make_async_engine
from bevyly.settings import Settings


class Killed(Importer):
    """Everything of the second part is written when the process dies."""

    parts = 0

    async def progressed(self, job: Any, context: Any) -> None:
        await super().progressed(job, context)
        self.parts += 1
        if self.parts == 2:
            await context.work.write_outbox()
            os.kill(os.getpid(), signal.SIGKILL)


async def main() -> None:
    settings = Settings()
    engine = make_async_engine(settings.require_app_database(), pool_size=2)
    policy = Policy(rows=1000)
    await Killed(engine, settings.require_pipeline_database(), clock=SystemClock(), policy=policy).work_on_one()


if __name__ == "__main__":
    asyncio.run(main())

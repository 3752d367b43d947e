"""The sequencer: finds what is due over all tenants, does it tenant by tenant, and learns what became of its mails.

Any number may run. What one does is one transaction, under locks that others pass by: who dies has done a step as a
whole or not at all, and no lease has to end before the next one goes on.
"""

import asyncio
import threading
from collections.abc import Sequence
from itertools import groupby
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter
from psycopg import AsyncConnection
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.modules.sequences.due import ENROLMENTS, SETTLED, TENANTS
from api.modules.sequences.execution import Execution
from api.modules.sequences.letters import Letters
from api.modules.sequences.settling import Settling
from bevyly.clock import Clock
from bevyly.db.scope import EVERY_OWNER, narrow_to
from bevyly.db.unit_of_work import driver_of, unit_of_work
from bevyly.errors import BevylyError
from bevyly.events.failpoints import failpoint
from bevyly.privacy.marks import Marks
from bevyly.settings import Settings

DONE = Counter("bevyly_sequence_enrolments_total", "Enrolments for which something was done.", ["what"])
POLL_SECONDS = 1.0
log = structlog.get_logger()


class Sequencer:
    """Does what is due in the sequences of all tenants; each tenant in units of work of its own."""

    def __init__(self, engine: AsyncEngine, all_tenants_url: str, settings: Settings, *, clock: Clock) -> None:
        self._engine = engine
        self._url = all_tenants_url
        self._clock = clock
        self._letters = Letters(settings)
        self._marks = Marks.of(settings)

    async def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; outages of PostgreSQL are waited out."""
        while not stop.is_set():
            try:
                if await self.work_once():
                    continue
            except (psycopg.OperationalError, OperationalError) as error:
                log.warning("sequencer_outage", error=type(error).__name__)
            await asyncio.to_thread(stop.wait, POLL_SECONDS)

    async def work_once(self) -> int:
        """One batch of each tenant that has something to do, and of mails that left; for how many it was done."""
        narrow_to(EVERY_OWNER)
        values = {"now": self._clock.now()}
        async with await AsyncConnection.connect(self._url, autocommit=True) as connection:
            settled = await (await connection.execute(SETTLED)).fetchall()
            tenants = await (await connection.execute(TENANTS, values)).fetchall()
        done = 0
        for customer_id, rows in groupby(settled, key=lambda row: str(row[0])):
            done += await self._settle(customer_id, list(rows))
        for (customer_id,) in tenants:
            done += await self._tenant(customer_id)
        return done

    async def _settle(self, customer_id: str, rows: Sequence[Any]) -> int:
        async with unit_of_work(self._engine, customer_id) as work:
            return await Settling(work, self._clock.now()).of({row[1]: row[2:] for row in rows})

    async def _tenant(self, customer_id: str) -> int:
        """A batch as a whole; where it fails, one by one, so that nobody stands in the way of others."""
        values = {"tenant": customer_id, "now": self._clock.now()}
        async with unit_of_work(self._engine, customer_id) as work:
            rows = await (await driver_of(work.session).execute(ENROLMENTS.encode(), values)).fetchall()
        ids = [row[0] for row in rows]
        try:
            return await self._execute(customer_id, ids)
        except (BevylyError, DBAPIError, psycopg.Error, ValueError) as error:
            if isinstance(error, OperationalError | psycopg.OperationalError):
                raise
            log.warning("sequence_batch_failed", tenant=customer_id, error=type(error).__name__)
        return sum([await self._alone(customer_id, id_) for id_ in ids])

    async def _alone(self, customer_id: str, enrolment_id: str) -> int:
        try:
            return await self._execute(customer_id, [enrolment_id])
        except (BevylyError, DBAPIError, psycopg.Error, ValueError) as error:
            if isinstance(error, OperationalError | psycopg.OperationalError):
                raise
            log.exception("sequence_step_failed", tenant=customer_id, enrolment=enrolment_id)
        async with unit_of_work(self._engine, customer_id) as work:
            return await Settling(work, self._clock.now()).pause([enrolment_id], "step_failed")

    async def _execute(self, customer_id: str, ids: Sequence[str]) -> int:
        async with unit_of_work(self._engine, customer_id) as work:
            done = await Execution(work, self._clock, self._letters, self._marks).of(ids)
            failpoint("sequence_written")
        DONE.labels("steps").inc(done)
        return done

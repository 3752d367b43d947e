"""The importer: claims an import and brings it to its end, in parts that each are one transaction with its checkpoint.

Any number may run. Who dies loses the lease when it ends, and the next one goes on behind the checkpoint: what was
committed is done, what was not never happened. So each row takes effect exactly once.
"""

import asyncio
import tempfile
import threading
from collections import Counter as Tally
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import IO, Any

import psycopg
import structlog
from prometheus_client import Counter
from psycopg import AsyncConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from api.dependencies.principal import Principal
from api.dependencies.work import WriteContext
from api.modules.batch.changes import Outcome
from api.modules.batch.kinds import KINDS
from api.modules.batch.service import BatchService
from api.modules.imports.errors import MayNotWrite
from api.modules.imports.files import rows_of
from api.modules.imports.reading import Read, RowReader
from api.modules.imports.repository import CLAIM, ImportRepository
from api.modules.imports.reverting import Reverting
from api.modules.imports.schemas import Mapping
from api.permissions import permissions_of
from api.records.trail import Trail
from bevyly.clock import Clock
from bevyly.db.schema import Import
from bevyly.db.scope import EVERY_OWNER, narrow_to, visible_owners
from bevyly.db.unit_of_work import unit_of_work
from bevyly.errors import BevylyError
from bevyly.ids import new_id

PARTS = Counter("bevyly_import_parts_total", "Parts of imports that were brought to their end.", ["what"])
POLL_SECONDS = 0.5
log = structlog.get_logger()


@dataclass(frozen=True)
class Policy:
    """How long a claim holds, how many rows are a part, how often progress is an event, when to give up."""

    lease: timedelta = timedelta(seconds=30)
    rows: int = 1_000
    tell_every: timedelta = timedelta(seconds=2)
    attempts: int = 5


@dataclass(frozen=True)
class Claim:
    """One import under one lease."""

    customer_id: str
    import_id: str
    lease: str


class Importer:
    """Works on imports of all tenants, one at a time; each in units of work of its tenant."""

    def __init__(self, engine: AsyncEngine, claims_url: str, *, clock: Clock, policy: Policy | None = None) -> None:
        self._engine = engine
        self._claims_url = claims_url
        self._clock = clock
        self._policy = policy or Policy()

    async def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; outages of PostgreSQL are waited out."""
        while not stop.is_set():
            try:
                if await self.work_on_one():
                    continue
            except (psycopg.OperationalError, OperationalError) as error:
                log.warning("importer_outage", error=type(error).__name__)
            await asyncio.to_thread(stop.wait, POLL_SECONDS)

    async def work_on_one(self) -> bool:
        """Bring one import to its end; whether there was one."""
        narrow_to(EVERY_OWNER)
        claim = await self._claim()
        if claim is None:
            return False
        try:
            await self._work(claim)
        except BevylyError as error:
            await self._fail(claim, error.detail)
        return True

    async def _claim(self) -> Claim | None:
        now, lease = self._clock.now(), new_id()
        values = {"lease": lease, "until": now + self._policy.lease, "now": now}
        async with await AsyncConnection.connect(self._claims_url, autocommit=True) as connection:
            row = await (await connection.execute(CLAIM, values)).fetchone()
        return None if row is None else Claim(row[0], row[1], lease)

    async def _work(self, claim: Claim) -> None:
        narrow_to(await self._visible_owners(claim))
        async with self._held(claim) as held:
            if held is None:
                return
            job, context = held
            if job.attempts > self._policy.attempts:
                await self._end(job, context, "failed", "It was tried several times and never came further.")
                return
            reverting = job.status == "reverting"
            if job.status == "queued":
                job.status, job.started_at = "running", self._clock.now()
        if reverting:
            while await self._revert_part(claim):
                PARTS.labels("reverted").inc()
        else:
            await _Run(self, claim, context).to_its_end()

    async def _visible_owners(self, claim: Claim) -> str:
        """Whose records the import may see and change: those that its user may."""
        async with unit_of_work(self._engine, claim.customer_id) as work:
            return await ImportRepository(work.session, claim.customer_id).visible_owners(claim.import_id)

    async def _revert_part(self, claim: Claim) -> bool:
        async with self._held(claim) as held:
            if held is None:
                return False
            job, context = held
            more = await Reverting(context, job).part(self._policy.rows)
            if not more:
                await self._end(job, context, "reverted")
            else:
                self._checkpoint(job)
            return more

    @asynccontextmanager
    async def _held(self, claim: Claim) -> AsyncIterator[tuple[Import, WriteContext] | None]:
        """A unit of work that holds the import under its lease; None where it was cancelled or taken over."""
        async with unit_of_work(self._engine, claim.customer_id) as work:
            imports = ImportRepository(work.session, claim.customer_id)
            job = await imports.claimed(claim.import_id, claim.lease)
            if job is None:
                yield None
                return
            user = await imports.user(job.created_by)
            if user is None:
                raise MayNotWrite("Who started the import may not come in any more.")
            may, sees = permissions_of(user.role), visible_owners()
            who = Principal(claim.customer_id, user.id, user.email, user.role, may, "user", user.id, sees)
            yield job, WriteContext(work, who, self._clock, claim.import_id)

    def _checkpoint(self, job: Import) -> None:
        job.leased_until = self._clock.now() + self._policy.lease
        job.attempts = 0
        job.updated_at = self._clock.now()
        job.version += 1

    async def progressed(self, job: Import, context: WriteContext) -> None:
        """Move the checkpoint, and tell of it now and then."""
        self._checkpoint(job)
        if job.told_at is None or self._clock.now() - job.told_at >= self._policy.tell_every:
            job.told_at = self._clock.now()
            _tell("import.progressed", job, context)

    async def _end(self, job: Import, context: WriteContext, status: str, error: str | None = None) -> None:
        job.status, job.error, job.finished_at = status, error, self._clock.now()
        self._checkpoint(job)
        job.lease = job.leased_until = None
        if status == "done":
            await ImportRepository(context.work.session, job.customer_id).forget_file(job.id)
        Trail(context).audit(f"import.{status}", ("import", job.id), after={"counts": job.counts} | job.reverted)
        _tell("import.finished", job, context)

    async def _fail(self, claim: Claim, why: str) -> None:
        async with unit_of_work(self._engine, claim.customer_id) as work:
            job = await ImportRepository(work.session, claim.customer_id).claimed(claim.import_id, claim.lease)
            if job is not None:
                who = Principal(claim.customer_id, job.created_by, "", "", frozenset(), "user", job.created_by)
                context = WriteContext(work, who, self._clock, claim.import_id)
                await self._end(job, context, "failed", why[:1000])


class _Run:
    """The rows of one import, part by part."""

    def __init__(self, importer: Importer, claim: Claim, context: WriteContext) -> None:
        self._importer = importer
        self._claim = claim
        self._context = context
        self._dry: BatchService | None = None

    async def to_its_end(self) -> None:
        with tempfile.TemporaryFile() as file:
            async with self._importer._held(self._claim) as held:
                if held is None:
                    return
                job, context = held
                await _copy(ImportRepository(context.work.session, job.customer_id), job.id, file)
                if job.dry_run:
                    await self._start_again(job, context)
                if job.rows_total is None:
                    job.rows_total = sum(1 for _ in _rows(job, file))
                done = job.rows_done
            with closing(_rows(job, file)) as source:
                rows = islice(enumerate(source, start=1), done, None)
                while await self._part(rows):
                    PARTS.labels("rows").inc()

    async def _start_again(self, job: Import, context: WriteContext) -> None:
        """A dry run remembers in memory, so one that was interrupted begins at its first row."""
        await ImportRepository(context.work.session, job.customer_id).forget_failures(job.id)
        job.rows_done, job.counts = 0, {}
        self._dry = BatchService(context, KINDS[job.kind], dry=True)

    async def _part(self, rows: Iterator[tuple[int, list[str]]]) -> bool:
        part = list(islice(rows, self._importer._policy.rows))
        async with self._importer._held(self._claim) as held:
            if held is None:
                return False
            job, context = held
            if not part:
                await self._importer._end(job, context, "checked" if job.dry_run else "done")
                return False
            batch = self._dry or BatchService(context, KINDS[job.kind])
            batch.at(context)
            reader = RowReader(job.kind, Mapping.model_validate(job.mapping), job.columns)
            read = await reader.read(part, batch.repository, batch.custom)
            outcomes = await batch.apply([row.change for row in read if row.change is not None])
            await self._keep(job, context, read, outcomes)
            await self._importer.progressed(job, context)
            return True

    async def _keep(self, job: Import, context: WriteContext, read: list[Read], outcomes: list[Outcome]) -> None:
        errors = {outcome.index: outcome.error for outcome in outcomes if outcome.error is not None}
        errors |= {row.number: row.error for row in read if row.error is not None}
        imports = ImportRepository(context.work.session, job.customer_id)
        fields = {one["field"]: one["column"] for one in job.mapping["columns"]}
        await imports.add_failures(
            [_failure(job, row, errors[row.number], fields) for row in read if row.number in errors]
        )
        if not job.dry_run:
            await imports.add_effects(job.id, outcomes)
        tally = Tally(job.counts) + Tally(outcome.status for outcome in outcomes)
        tally["refused"] += sum(1 for row in read if row.error is not None)
        job.counts = {status: count for status, count in sorted(tally.items()) if count}
        job.rows_done += len(read)


async def _copy(imports: ImportRepository, import_id: str, file: IO[bytes]) -> None:
    async for chunk in imports.chunks(import_id):
        file.write(chunk)


def _rows(job: Import, file: IO[bytes]) -> Generator[list[str], None, None]:
    return rows_of(file, job.encoding, job.delimiter, has_header=job.has_header)


def _failure(job: Import, row: Read, error: BevylyError, fields: dict[str, str]) -> dict[str, Any]:
    """A refused row as it is kept: the first column that is wrong, and everything that is."""
    errors = error.context.get("errors", [])
    names = [one["field"].removeprefix("body.") for one in errors]
    words = [f"{name}: {one.get('message', one['code'])}" for name, one in zip(names, errors, strict=True)]
    return {
        "customer_id": job.customer_id,
        "import_id": job.id,
        "row_number": row.number,
        "column_name": fields.get(names[0]) if names else None,
        "code": error.code,
        "message": "; ".join(words) or error.detail,
        "cells": [cell.replace("\x00", "") for cell in row.cells],
    }


def _tell(type_: str, job: Import, context: WriteContext) -> None:
    data = {
        "import_id": job.id,
        "kind": job.kind,
        "status": job.status,
        "dry_run": job.dry_run,
        "rows_total": job.rows_total,
        "rows_done": job.rows_done,
        "counts": {"created": 0, "updated": 0, "unchanged": 0, "refused": 0} | job.counts,
        "reverted": {"reverted": 0, "partly": 0, "conflict": 0} | job.reverted,
    }
    Trail(context).emit(type_, ("import", job.id), sequence=job.version, data=data)

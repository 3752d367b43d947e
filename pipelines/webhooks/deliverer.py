"""The deliverer: claims what is due, sends it, records what came of it, and keeps the log tidy.

Any number may run. A claim is a lease: who dies with claims under way loses them when it ends, and the next one sends
the same delivery under the same `webhook-id`. So a receiver gets each delivery at least once, and in no promised
order. One endpoint, and one tenant, may only have so many under way; an endpoint that fails, one at a time.
"""

import asyncio
import threading
from collections import Counter as Tally
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter, Gauge, Histogram

from bevyly.clock import Clock
from bevyly.db.leadership import DATABASE_AWAY
from bevyly.encryption import CannotDecrypt, Vault
from bevyly.events.envelope import new_event
from bevyly.events.outbox import outbox_rows
from bevyly.ids import new_id
from bevyly.webhooks import signing
from bevyly.webhooks.subscriptions import CHANNEL, PING
from pipelines.process import Outage
from pipelines.repositories.webhooks import (
    AsyncConnection,
    Claimed,
    Key,
    Room,
    claim,
    disable,
    forget,
    give_up_disabled,
    measure,
    note_endpoints,
    record,
    write_outbox,
)
from pipelines.webhooks.schedule import next_try
from pipelines.webhooks.sender import GONE, Answer, Sender

NAME = "webhooks"
CONTENT_TYPE = "application/cloudevents+json"
USER_AGENT = "Bevyly-Webhooks/1"
POLL_SECONDS = 1.0
GATHER_SECONDS = 0.005
SILENCE = "30s"
TIDY_SECONDS = 30.0
TIDY_ROWS, TIDY_ROUNDS = 1_000, 50

attempts = Counter("bevyly_webhook_attempts", "Requests to receivers", ["outcome"])
latency = Histogram("bevyly_webhook_seconds", "Time that receivers took", buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15))
ended = Counter("bevyly_webhook_deliveries", "Deliveries that came to an end", ["outcome"])
switched_off = Counter("bevyly_webhook_endpoints_disabled", "Endpoints that were switched off", ["reason"])
due = Gauge("bevyly_webhook_due", "Deliveries that are due now")
oldest = Gauge("bevyly_webhook_due_seconds", "How long the oldest of them is due")
_log = structlog.get_logger()


@dataclass(frozen=True)
class Policy:
    """How long a claim holds, when an endpoint is given up, how long the log is kept."""

    room: Room = field(default_factory=Room)
    lease: timedelta = timedelta(seconds=60)
    disable_failures: int = 5
    disable_after: timedelta = timedelta(days=5)
    log_kept: timedelta = timedelta(days=30)


@dataclass(frozen=True)
class Sent:
    """One attempt: what was claimed, when it was sent, what came of it."""

    claimed: Claimed
    started_at: datetime
    answer: Answer


class Deliverer:
    """Sends webhooks with one connection to PostgreSQL, used by one pass at a time."""

    def __init__(self, sender: Sender, vault: Vault, *, clock: Clock, policy: Policy, chance: Random) -> None:
        self._sender = sender
        self._vault = vault
        self._clock = clock
        self._policy = policy
        self._chance = chance
        self._under_way: dict[asyncio.Task[None], Claimed] = {}
        self._sent: list[Sent] = []
        self._wake = asyncio.Event()

    async def run(self, url: str, stop: threading.Event) -> None:
        """Deliver until `stop` is set, then finish what is under way; outages of PostgreSQL are waited out."""
        outage = Outage(NAME)
        listening = asyncio.create_task(self._listen(url))
        try:
            while not stop.is_set() or self._under_way or self._sent:
                try:
                    async with await _connect(url) as connection:
                        await self._work(connection, stop, outage)
                except DATABASE_AWAY as error:
                    await asyncio.to_thread(outage.failed, error, stop)
                    if stop.is_set():
                        break
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def deliver_due(self, connection: AsyncConnection) -> int:
        """Send everything that is due now, once; how many deliveries that were."""
        total = 0
        while claimed := await self._claim(connection):
            total += len(claimed)
            await asyncio.gather(*self._under_way)
            await self._record(connection)
        return total

    async def tidy(self, connection: AsyncConnection) -> None:
        """End what waits for endpoints that are off, forget what is older than the log, measure."""
        now = self._clock.now()
        before = now - self._policy.log_kept
        for _ in range(TIDY_ROUNDS):
            ended_now = await give_up_disabled(connection, at=now, limit=TIDY_ROWS)
            forgotten = await forget(connection, before=before, limit=TIDY_ROWS)
            if max(ended_now, forgotten) < TIDY_ROWS:
                break
        count, seconds = await measure(connection, at=now)
        due.set(count)
        oldest.set(seconds)

    async def _work(self, connection: AsyncConnection, stop: threading.Event, outage: Outage) -> None:
        tidied = 0.0
        loop = asyncio.get_running_loop()
        while not stop.is_set() or self._under_way or self._sent:
            self._wake.clear()
            await self._record(connection)
            if not stop.is_set():
                await self._claim(connection)
                if loop.time() - tidied > TIDY_SECONDS:
                    await self.tidy(connection)
                    tidied = loop.time()
            outage.over()
            await self._rest()

    async def _rest(self) -> None:
        """Wait until there may be something to do; many that finish together are recorded together."""
        try:
            async with asyncio.timeout(POLL_SECONDS):
                await self._wake.wait()
        except TimeoutError:
            return
        await asyncio.sleep(GATHER_SECONDS)

    async def _claim(self, connection: AsyncConnection) -> list[Claimed]:
        busy: Tally[Key] = Tally(one.endpoint for one in self._under_way.values())
        now = self._clock.now()
        claimed = await claim(connection, busy, self._policy.room, at=now, lease=self._policy.lease)
        for one in claimed:
            task = asyncio.create_task(self._deliver(one))
            self._under_way[task] = one
            task.add_done_callback(self._finished)
        return claimed

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._under_way[task]
        self._wake.set()
        if not task.cancelled() and task.exception() is not None:
            _log.error("delivery broke off", error=repr(task.exception())[:300])

    async def _deliver(self, one: Claimed) -> None:
        now = self._clock.now()
        try:
            signed = signing.headers(one.secrets, self._vault, message_id=one.id, at=now, body=one.envelope)
        except CannotDecrypt as error:
            _log.error("secret cannot be read", endpoint=one.endpoint_id, detail=error.detail)
            answer = Answer(0, error=error.code)
        else:
            headers = {"content-type": CONTENT_TYPE, "user-agent": USER_AGENT, "accept-encoding": "identity", **signed}
            answer = await self._sender.post(one.url, headers, one.envelope.encode(), now=now)
            latency.observe(answer.latency_ms / 1000)
        self._sent.append(Sent(one, now, answer))

    async def _record(self, connection: AsyncConnection) -> None:
        """Write down what was sent; on an error of the database it stays to be written."""
        sent = list(self._sent)
        if not sent:
            return
        now = self._clock.now()
        rows = [self._row(one, now) for one in sent]
        async with connection.transaction():
            ours = await record(connection, rows, at=now)
            disabled = await self._note(connection, [one for one in sent if one.claimed.id in ours], rows, now)
        del self._sent[: len(sent)]
        self._count(rows, disabled)

    def _row(self, one: Sent, now: datetime) -> dict[str, Any]:
        """The attempt and where it leaves its delivery."""
        answer, claimed = one.answer, one.claimed
        again = None
        if answer.error is not None and answer.status_code != GONE and claimed.event_type != PING:
            again = next_try(claimed.tries + 1, now=now, chance=self._chance, retry_after=answer.retry_after)
        return {
            "customer_id": claimed.customer_id,
            "id": claimed.id,
            "lease": claimed.lease,
            "status": "delivered" if answer.error is None else "failed" if again is None else "pending",
            "next_attempt_at": again,
            "error": answer.error,
            "attempt_id": new_id(),
            "started_at": one.started_at,
            "latency_ms": answer.latency_ms,
            "status_code": answer.status_code,
            "address": answer.address,
            "response_body": answer.body,
        }

    async def _note(
        self, connection: AsyncConnection, sent: Sequence[Sent], rows: Sequence[dict[str, Any]], now: datetime
    ) -> list[str]:
        """How the endpoints fare; those that failed for too long are switched off, with an event. Returns reasons."""
        given_up = {row["id"] for row in rows if row["status"] == "failed"}
        regular: dict[Key, list[Sent]] = {}
        for one in sent:
            if one.claimed.event_type != PING:
                regular.setdefault(one.claimed.endpoint, []).append(one)
        noted = [_health(key, several, given_up) for key, several in regular.items()]
        await note_endpoints(connection, noted)
        gone = {one.claimed.endpoint for one in sent if one.answer.status_code == GONE}
        suspects = gone | {(one["customer_id"], one["id"]) for one in noted if one["failures"]}
        if not suspects:
            return []
        disabled = await disable(
            connection,
            sorted(suspects),
            gone=[endpoint_id for _, endpoint_id in gone],
            failures=self._policy.disable_failures,
            since=now - self._policy.disable_after,
            at=now,
        )
        events = [
            new_event(
                "webhook.endpoint_disabled",
                tenant_id=customer_id,
                subject=("webhook_endpoint", endpoint_id),
                sequence=version,
                data={"endpoint_id": endpoint_id, "url": url, "reason": reason, "failures": failures},
                clock=self._clock,
                source="bevyly/webhooks",
            )
            for customer_id, endpoint_id, url, reason, failures, version in disabled
        ]
        await write_outbox(connection, outbox_rows(events))
        return [reason for _, _, _, reason, _, _ in disabled]

    def _count(self, rows: Sequence[dict[str, Any]], disabled: Sequence[str]) -> None:
        for row in rows:
            attempts.labels(outcome=row["error"] or "delivered").inc()
            if row["status"] != "pending":
                ended.labels(outcome=row["status"]).inc()
        for reason in disabled:
            switched_off.labels(reason=reason).inc()
            _log.warning("webhook endpoint disabled", reason=reason)

    async def _listen(self, url: str) -> None:
        """Wake the deliverer when the fan-out says that something is due; the poll stays behind it."""
        while True:
            try:
                async with await _connect(url) as connection:
                    await connection.execute(f"listen {CHANNEL}")
                    async for _ in connection.notifies():
                        self._wake.set()
            except DATABASE_AWAY:
                await asyncio.sleep(POLL_SECONDS)


def _health(key: Key, sent: Sequence[Sent], given_up: set[str]) -> dict[str, Any]:
    """What several attempts say of their endpoint; one that worked outweighs those beside it."""
    worked = any(one.answer.error is None for one in sent)
    return {
        "customer_id": key[0],
        "id": key[1],
        "worked": worked,
        "failing_since": min(one.started_at for one in sent),
        "failures": 0 if worked else sum(one.claimed.id in given_up for one in sent),
    }


async def _connect(url: str) -> AsyncConnection:
    connection = await psycopg.AsyncConnection.connect(
        url, autocommit=True, connect_timeout=5, application_name=f"bevyly-{NAME}"
    )
    # a process that stalls in a transaction gives its row locks back
    await connection.execute(f"set idle_in_transaction_session_timeout = '{SILENCE}'")
    return connection

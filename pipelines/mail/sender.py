"""The sender: claims mails that are due, hands them on, writes down what came of it, and keeps the log tidy.

Any number may run. A claim is a lease: the mails of a sender that dies are sent by the next one, under the same
`Message-ID`. So each mail is sent at least once, and no request ever waits for a mail server.
"""

import asyncio
import threading
from datetime import datetime, timedelta

import psycopg
import structlog
from prometheus_client import Counter, Gauge

from bevyly.clock import Clock
from bevyly.db.leadership import DATABASE_AWAY
from bevyly.encryption import CannotDecrypt, Vault
from bevyly.mail.mailers import Mailer, MailRefused, MailServerAway
from bevyly.mail.message import message_of
from bevyly.mail.queue import opened
from pipelines.process import Outage
from pipelines.repositories.mails import AsyncConnection, Claimed, claim, finish, forget, measure

NAME = "mail"
LEASE = timedelta(minutes=2)
AT_ONCE = 10
POLL_SECONDS = 1.0
TIDY_SECONDS = 60.0
TIDY_ROWS = 1_000
DELAYS = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 5 * 60, 30 * 60, 2 * 3600, 6 * 3600, 12 * 3600))
"""Waits after the first, second … try; after the last the mail is given up, about a day after it was queued."""

ended = Counter("bevyly_mails", "Tries to send a mail", ["outcome"])
due = Gauge("bevyly_mails_due", "Mails that are due now")
oldest = Gauge("bevyly_mails_due_seconds", "How long the oldest of them is due")
_log = structlog.get_logger()


class Sender:
    """Sends queued mails with one connection to PostgreSQL."""

    def __init__(self, mailer: Mailer, vault: Vault, *, sender: str, clock: Clock, kept: timedelta) -> None:
        self._mailer = mailer
        self._vault = vault
        self._from = sender
        self._clock = clock
        self._kept = kept

    async def run(self, url: str, stop: threading.Event) -> None:
        """Send until `stop` is set; outages of PostgreSQL are waited out."""
        outage = Outage(NAME)
        while not stop.is_set():
            try:
                async with await _connect(url) as connection:
                    await self._work(connection, stop, outage)
            except DATABASE_AWAY as error:
                await asyncio.to_thread(outage.failed, error, stop)

    async def send_due(self, connection: AsyncConnection) -> int:
        """Send everything that is due now, once; how many mails that were."""
        total = 0
        while claimed := await claim(connection, at=self._clock.now(), lease=LEASE, limit=AT_ONCE):
            total += len(claimed)
            answers = await asyncio.gather(*(self._send(one) for one in claimed))
            for one, (outcome, final) in zip(claimed, answers, strict=True):
                await self._finish(connection, one, outcome, final=final)
        return total

    async def tidy(self, connection: AsyncConnection) -> None:
        """Forget what is older than the log, and measure."""
        now = self._clock.now()
        while await forget(connection, before=now - self._kept, limit=TIDY_ROWS) == TIDY_ROWS:
            pass
        count, seconds = await measure(connection, at=now)
        due.set(count)
        oldest.set(seconds)

    async def _work(self, connection: AsyncConnection, stop: threading.Event, outage: Outage) -> None:
        loop = asyncio.get_running_loop()
        tidied = loop.time() - TIDY_SECONDS
        while not stop.is_set():
            sent = await self.send_due(connection)
            if loop.time() - tidied >= TIDY_SECONDS:
                await self.tidy(connection)
                tidied = loop.time()
            outage.over()
            if not sent:
                await asyncio.to_thread(stop.wait, POLL_SECONDS)

    async def _send(self, one: Claimed) -> tuple[str | None, bool]:
        """What went wrong, if anything, and whether that is for ever."""
        if one.expires_at is not None and one.expires_at <= self._clock.now():
            return "expired", True
        if one.tries > len(DELAYS) + 1:
            return "no sender survived it", True
        try:
            mail = opened(one.recipient, one.body, self._vault)
            message = message_of(mail, mail_id=one.id, sender=self._from, queued_at=one.created_at)
        except (CannotDecrypt, ValueError) as error:
            return type(error).__name__, True
        try:
            await self._mailer.send(one.id, message)
        except MailRefused as error:
            return f"{error.code} {error.detail}", True
        except MailServerAway as error:
            return f"{error.code} {error.detail}", False
        return None, True

    async def _finish(self, connection: AsyncConnection, one: Claimed, error: str | None, *, final: bool) -> None:
        now = self._clock.now()
        again = None if final else _next_try(one, now)
        status = "sent" if error is None else "failed" if again is None else "pending"
        if not await finish(connection, one, status=status, error=error, again=again, at=now):
            return
        ended.labels(outcome=status if status != "pending" else "postponed").inc()
        if error is not None:
            _log.warning("mail not sent", mail=one.id, error=error, tries=one.tries, status=status)


def _next_try(one: Claimed, now: datetime) -> datetime | None:
    return now + DELAYS[one.tries - 1] if one.tries <= len(DELAYS) else None


async def _connect(url: str) -> AsyncConnection:
    return await psycopg.AsyncConnection.connect(
        url, autocommit=True, connect_timeout=5, application_name=f"bevyly-{NAME}"
    )

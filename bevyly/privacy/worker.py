"""The worker: brings requests to their end. Each piece of work is one transaction, in which the request is locked.

Any number may run. Who dies leaves nothing half done: PostgreSQL rolls back and lets go of the row, and the next one
begins again. An erasure is done twice: at once, and when everything that was under way meanwhile has arrived.
"""

import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import structlog
from prometheus_client import Counter
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from bevyly.clock import Clock
from bevyly.db.read import with_session_settings
from bevyly.encryption import Vault
from bevyly.errors import BevylyError, Conflict
from bevyly.events.envelope import Event, new_event
from bevyly.events.failpoints import failpoint
from bevyly.events.outbox import copy_to_outbox
from bevyly.ids import new_id
from bevyly.privacy.erasing import count, erase
from bevyly.privacy.exporting import export
from bevyly.privacy.files import forget_in_files
from bevyly.privacy.marks import Marks
from bevyly.privacy.objections import keep_objections
from bevyly.privacy.subject import Subject, find

Connection = psycopg.Connection[Any]
Row = dict[str, Any]

ENDED = Counter("bevyly_privacy_requests_total", "Pieces of work on requests of people.", ["what"])
POLL_SECONDS = 0.5
SOURCE = "bevyly/privacy"
log = structlog.get_logger()

_SESSION = {
    "statement_timeout": "300s",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}
_WAITING = "(status in ('queued', 'confirmed') or (status = 'settling' and settles_at <= %(now)s))"
_CLAIM = f"""
update privacy_requests set attempts = attempts + 1, started_at = coalesce(started_at, %(now)s)
where (customer_id, id) = (
  select customer_id, id from privacy_requests where {_WAITING} order by attempts, created_at limit 1
  for update skip locked
)
returning customer_id, id
"""
_LOCK = f"""
select * from privacy_requests where (customer_id, id) = (%(customer_id)s, %(id)s) and {_WAITING}
for update skip locked
"""
_MOVE = """
update privacy_requests set status = %(status)s, subject = %(subject)s, found = coalesce(%(found)s, found),
  counts = coalesce(%(counts)s, counts), error = %(error)s, size_bytes = %(size)s, attempts = 0,
  settles_at = %(settles_at)s, finished_at = %(finished_at)s, expires_at = %(expires_at)s, version = version + 1,
  updated_at = %(now)s
where (customer_id, id) = (%(customer_id)s, %(id)s)
"""
_AUDIT = """
insert into audit (customer_id, id, actor_type, actor_id, action, entity_type, entity_id, after, occurred_at)
values (%s, %s, 'user', %s, %s, %s, %s, %s, %s)
"""
_ENABLED = "select id, version from users where customer_id = %s and id = any(%s) and disabled_at is null"
_OWNERS_LEFT = """
select count(*) from users where customer_id = %s and role = 'owner' and disabled_at is null and id <> all(%s)
"""
_MARK = (
    "insert into erased_marks (customer_id, mark, erased_at) values (%s, %s, %s) on conflict (customer_id, mark) "
    "do update set erased_at = excluded.erased_at"
)
_ADD_PART = "insert into privacy_files (customer_id, request_id, number, content) values (%s, %s, %s, %s)"


class LastOwner(Conflict):
    """The person is the last owner of the tenant: somebody else has to become one first."""

    code = "last_owner"


class NeverEnded(BevylyError):
    """It was tried several times."""

    code = "never_ended"


@dataclass(frozen=True)
class Policy:
    """How long what is under way may take to arrive, how long a file is kept, when to give up."""

    settle: timedelta = timedelta(hours=1)
    """As long as a refresh of the pipeline may run."""
    file_kept: timedelta = timedelta(days=7)
    attempts: int = 5


class Worker:
    """Works on requests of all tenants, one piece at a time, as the pipeline's role."""

    def __init__(
        self, url: str, *, vault: Vault, marks: Marks, clock: Clock, exports: Path, policy: Policy | None = None
    ) -> None:
        self._url = with_session_settings(url, _SESSION)
        self._vault = vault
        self._marks = marks
        self._clock = clock
        self._exports = exports
        self._policy = policy or Policy()

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set; outages of PostgreSQL are waited out."""
        while not stop.is_set():
            try:
                if self.work_on_one():
                    continue
            except psycopg.OperationalError as error:
                log.warning("privacy_outage", error=type(error).__name__)
            stop.wait(POLL_SECONDS)

    def work_on_one(self) -> bool:
        """Do one piece of work; whether there was one that came to its end."""
        with psycopg.connect(self._url) as connection:
            now = self._clock.now()
            claimed = connection.execute(_CLAIM.encode(), {"now": now}).fetchone()
            connection.commit()
            if claimed is None:
                return False
            keys = {"customer_id": claimed[0], "id": claimed[1], "now": now}
            try:
                return self._piece(connection, keys)
            except BevylyError as error:
                connection.rollback()
                self._fail(connection, keys, error.detail)
                return True
            except (psycopg.DataError, psycopg.ProgrammingError, psycopg.IntegrityError) as error:
                log.warning("privacy_request_broke", request=claimed[1], error=type(error).__name__)
                connection.rollback()
                return False

    def _piece(self, connection: Connection, keys: Row) -> bool:
        row = self._locked(connection, keys)
        if row is None:
            return False
        if row["attempts"] > self._policy.attempts:
            raise NeverEnded("It was tried several times and never came to its end.")
        work = {"settling": self._settle, "confirmed": self._erase}.get(row["status"]) or (
            self._export if row["kind"] == "export" else self._preview
        )
        moves = work(connection, row)
        self._move(connection, row, moves)
        failpoint("before_commit")
        connection.commit()
        ENDED.labels(moves["status"]).inc()
        return True

    def _locked(self, connection: Connection, keys: Row) -> Row | None:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(_LOCK.encode(), keys).fetchone()

    def _export(self, connection: Connection, row: Row) -> Row:
        subject = self._found(connection, row)

        def take(number: int, content: bytes) -> None:
            connection.execute(_ADD_PART, (row["customer_id"], row["id"], number, content))

        now = self._clock.now()
        about = {"request_id": row["id"], "made_at": now.isoformat(), "found": subject.found()}
        counts, size = export(connection, subject.parameters(self._marks), about, take)
        self._audit(connection, row, "privacy_request.exported", after={"rows": sum(counts.values())})
        ends = {"finished_at": now, "expires_at": now + self._policy.file_kept, "size": size}
        return {"status": "done", "found": subject.found(), "counts": counts} | ends

    def _preview(self, connection: Connection, row: Row) -> Row:
        subject = self._found(connection, row)
        counts = count(connection, subject.parameters(self._marks))
        return {"status": "previewed", "subject": row["subject"], "found": subject.found(), "counts": counts}

    def _erase(self, connection: Connection, row: Row) -> Row:
        subject, now = self._found(connection, row), self._clock.now()
        self._require_owner(connection, subject)
        notices = [*self._notices(subject), *self._farewells(connection, subject)]
        keep_objections(connection, subject, self._marks)
        counts = erase(connection, subject.parameters(self._marks))
        forget_in_files(self._exports, subject)
        with connection.cursor() as cursor:
            cursor.executemany(_MARK, [(row["customer_id"], mark, now) for mark in self._written_marks(subject)])
        for kind, record_id in _records(subject):
            self._audit(connection, row, f"{kind}.erased", entity=(kind, record_id))
        self._audit(connection, row, "privacy_request.erased", after={"rows": sum(counts.values())})
        copy_to_outbox(connection, notices)
        sealed = self._vault.seal(subject.to_json())
        return {
            "status": "settling",
            "subject": sealed,
            "found": subject.found(),
            "counts": counts,
            "settles_at": now + self._policy.settle,
        }

    def _settle(self, connection: Connection, row: Row) -> Row:
        subject = Subject.from_json(self._vault.open(row["subject"]))
        keep_objections(connection, subject, self._marks)
        erase(connection, subject.parameters(self._marks))
        forget_in_files(self._exports, subject)
        return {"status": "done", "settles_at": row["settles_at"], "finished_at": self._clock.now()}

    def _found(self, connection: Connection, row: Row) -> Subject:
        return find(connection, Subject.from_json(self._vault.open(row["subject"])))

    def _require_owner(self, connection: Connection, subject: Subject) -> None:
        if subject.users:
            left = connection.execute(_OWNERS_LEFT, (subject.customer_id, list(subject.users))).fetchone()
            if not left or not left[0]:
                raise LastOwner("The person is the last owner: make somebody else an owner first.")

    def _written_marks(self, subject: Subject) -> list[str]:
        return [self._marks.mark(subject.customer_id, value) for value in [*subject.emails, *subject.persons]]

    def _notices(self, subject: Subject) -> list[Event]:
        """What everybody who listens is told: which records are no more, and that they are to be forgotten."""
        at = self._clock.now().isoformat()
        return [
            self._event(
                subject, f"{kind}.erased", (kind, record_id), version, {f"{kind}_id": record_id, "erased_at": at}
            )
            for kind, records in (("contact", subject.contacts), ("lead", subject.leads))
            for record_id, version in sorted(records.items())
        ]

    def _farewells(self, connection: Connection, subject: Subject) -> list[Event]:
        """Users who lose their access by it."""
        at = self._clock.now().isoformat()
        found = connection.execute(_ENABLED, (subject.customer_id, list(subject.users))).fetchall()
        return [
            self._event(subject, "user.disabled", ("user", user_id), version, {"user_id": user_id, "disabled_at": at})
            for user_id, version in found
        ]

    def _event(self, subject: Subject, type_: str, of: tuple[str, str], version: int, data: Row) -> Event:
        tenant, sequence = subject.customer_id, version + 1
        return new_event(
            type_, tenant_id=tenant, source=SOURCE, subject=of, sequence=sequence, data=data, clock=self._clock
        )

    def _move(self, connection: Connection, row: Row, moves: Row) -> None:
        empty = dict.fromkeys(
            ("subject", "found", "counts", "error", "size", "settles_at", "finished_at", "expires_at")
        )
        values = {"customer_id": row["customer_id"], "id": row["id"], "now": self._clock.now()} | empty | moves
        for name in ("found", "counts"):
            values[name] = None if values[name] is None else Jsonb(values[name])
        connection.execute(_MOVE, values)

    def _audit(
        self, connection: Connection, row: Row, action: str, *, entity: tuple[str, str] | None = None, after: Any = None
    ) -> None:
        kind, entity_id = entity or ("privacy_request", row["id"])
        actor, told = row["confirmed_by"] or row["requested_by"], None if after is None else Jsonb(after)
        values = (row["customer_id"], new_id(), actor, action, kind, entity_id, told, self._clock.now())
        connection.execute(_AUDIT, values)

    def _fail(self, connection: Connection, keys: Row, why: str) -> None:
        row = self._locked(connection, keys)
        if row is not None:
            self._move(connection, row, {"status": "failed", "error": why, "finished_at": self._clock.now()})
            self._audit(connection, row, "privacy_request.failed", after={"error": why})
            connection.commit()
            ENDED.labels("failed").inc()


def _records(subject: Subject) -> list[tuple[str, str]]:
    kinds = (("contact", subject.contacts), ("lead", subject.leads), ("user", subject.users))
    return [(kind, record_id) for kind, records in kinds for record_id in sorted(records)]

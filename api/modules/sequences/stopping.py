"""Ends of enrolments: what is evidence that somebody answered, and how they are stopped, whoever finds it out.

Everything is conditional on the enrolment still running, in one statement, so that each ends once, with one event. A
mail that still waits to leave is withdrawn with it.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bevyly.clock import FixedClock
from bevyly.db.schema import AuditEntry
from bevyly.db.unit_of_work import UnitOfWork, driver_of, flush
from bevyly.events.envelope import new_event
from bevyly.ids import new_id

_COPIED = "'to', 'cc', 'bcc'"
_SINCE = "greatest(a.occurred_at, a.completed_at) >= e.created_at"
_ANSWERS = "((a.kind = 'email' and a.direction = 'inbound') or a.kind = 'meeting') and a.deleted_at is null"
_PERSON = f"p.activity_id = a.id and coalesce(lower(p.role), '') not in ({_COPIED})"
_BY_PERSON = (
    f"join activities a on a.customer_id = e.customer_id and a.contact_id = e.contact_id and {_SINCE}",
    f"join activities a on a.customer_id = e.customer_id and a.lead_id = e.lead_id and {_SINCE}",
    "join activity_participants p on p.customer_id = e.customer_id and p.contact_id = e.contact_id "
    f"join activities a on a.customer_id = e.customer_id and {_PERSON} and {_SINCE}",
    "join sequence_step_runs s on s.customer_id = e.customer_id and s.enrolment_id = e.id "
    "join activities a on a.customer_id = e.customer_id and a.in_reply_to = s.message_id",
)
# An address alone is looked for among those who took part in certain activities, never among all of a tenant.
_BY_ADDRESS = (
    "join activity_participants p on p.customer_id = e.customer_id and lower(p.email) = e.address "
    f"join activities a on a.customer_id = e.customer_id and {_PERSON} and {_SINCE}"
)


def _evidence(condition: str, *, ways: tuple[str, ...]) -> bytes:
    found = " union all ".join(
        f"select e.id, a.kind, a.id as activity from sequence_enrolments e {way} "
        f"where e.customer_id = %(tenant)s and e.status in ('active', 'paused') and {_ANSWERS} and {condition}"
        for way in ways
    )
    return f"select id, min(kind) from ({found}) found group by id".encode()


_OF_ACTIVITIES = _evidence("a.id = any(%(ids)s)", ways=(*_BY_PERSON, _BY_ADDRESS))
_OF_ENROLMENTS = _evidence("e.id = any(%(ids)s)", ways=_BY_PERSON)
_REASONS = {"email": "replied", "meeting": "meeting"}
_END = """
update sequence_enrolments e
set status = %(status)s, reason = w.reason, ended_at = %(now)s, next_at = null, next_kind = null, step_id = null,
  version = e.version + 1, updated_at = %(now)s
from unnest(%(ids)s::text[], %(reasons)s::text[]) w (id, reason)
where e.customer_id = %(tenant)s and e.id = w.id and e.status in ('active', 'paused')
returning e.id, e.version, e.sequence_id, e.contact_id, e.lead_id, e.sender_id, e.reason
"""
_WITHDRAW = """
update mails set status = 'failed', body = null, last_error = 'withdrawn', finished_at = %(now)s
where customer_id = %(tenant)s and status = 'pending' and id in (
  select s.mail_id from sequence_step_runs s
  where s.customer_id = %(tenant)s and s.outcome = 'queued' and s.enrolment_id = any(%(ids)s)
)
"""
_BY_COLUMN = """
select id from sequence_enrolments e
where customer_id = %(tenant)s and status in ('active', 'paused') and {condition}
"""
OF_CONTACTS = "contact_id = any(%(values)s)"
OF_LEADS = "lead_id = any(%(values)s) and contact_id is null"
OF_ADDRESSES = "address = any(%(values)s)"
BY_HAND = "manual"
"""The reason of who was ended by a person."""
# Of people who become one, each sequence goes on with the survivor, or else with the oldest of its enrolments.
TWINS = {
    kind: f"""
      e.{kind}_id = any(%(values)s) and e.{kind}_id <> %(survivor)s and exists (
        select from sequence_enrolments o
        where o.customer_id = e.customer_id and o.sequence_id = e.sequence_id and o.status in ('active', 'paused')
          and o.{kind}_id = any(%(values)s) and o.id <> e.id and (o.{kind}_id = %(survivor)s or o.id < e.id)
      )"""
    for kind in ("contact", "lead")
}


@dataclass(frozen=True)
class Moment:
    """When something is done, and because of which event, if it is."""

    at: datetime
    cause: str | None = None
    request_id: str | None = None


class Stops:
    """Ends enrolments of one tenant in a unit of work."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._tenant = {"tenant": work.customer_id}

    async def answered(self, activity_ids: Collection[str], moment: Moment) -> None:
        """Stop whom these activities are an answer or a meeting of."""
        await self.end(await self._found(_OF_ACTIVITIES, ids=list(activity_ids)), moment)

    async def evidence(self, enrolment_ids: Collection[str]) -> dict[str, str]:
        """Which of these enrolments have an answer or a meeting, and therefore a reason to stop."""
        return await self._found(_OF_ENROLMENTS, ids=list(enrolment_ids))

    async def where(self, condition: str, reason: str, moment: Moment, **values: Any) -> int:
        """Stop whoever runs and meets one of the conditions above; how many that were."""
        statement = _BY_COLUMN.format(condition=condition).encode()
        rows = await self._rows(statement, self._tenant | values)
        return await self.end({row[0]: reason for row in rows}, moment)

    async def end(self, reasons: Mapping[str, str | None], moment: Moment, *, status: str = "stopped") -> int:
        """End those of these enrolments that still run, and tell of each; how many that were."""
        if not reasons:
            return 0
        ids = sorted(reasons)
        given: dict[str, Any] = {"status": status, "now": moment.at, "ids": ids}
        given |= {"reasons": [reasons[one] for one in ids]}
        ended = await self._rows(_END, self._tenant | given)
        if ended and status == "stopped":
            stopped: dict[str, Any] = {"now": moment.at, "ids": [row[0] for row in ended]}
            await driver_of(self._work.session).execute(_WITHDRAW, self._tenant | stopped)
        for row in ended:
            self._tell(status, row, moment)
            if row[-1] != BY_HAND:
                self._note(status, row, moment)
        return len(ended)

    def _note(self, status: str, row: Any, moment: Moment) -> None:
        """The audit of what a sequence did by itself; who ends one by hand is noted with it."""
        id_, _, sequence_id, *_, reason = row
        self._work.note(
            AuditEntry,
            customer_id=self._work.customer_id,
            id=new_id(),
            actor_type="sequence",
            actor_id=sequence_id,
            action=f"sequence_enrolment.{status}",
            entity_type="sequence_enrolment",
            entity_id=id_,
            after={"status": status, "reason": reason},
            request_id=moment.request_id,
            occurred_at=moment.at,
        )

    def _tell(self, status: str, row: Any, moment: Moment) -> None:
        id_, version, sequence_id, contact_id, lead_id, sender_id, reason = row
        data = {"enrolment_id": id_, "sequence_id": sequence_id, "contact_id": contact_id, "lead_id": lead_id}
        data |= {"sender_id": sender_id} | ({"reason": reason} if status == "stopped" else {})
        event = new_event(
            f"sequence.{status}",
            tenant_id=self._work.customer_id,
            subject=("sequence_enrolment", id_),
            sequence=version,
            data=data,
            clock=FixedClock(moment.at),
            causation_id=moment.cause,
            correlation_id=moment.request_id,
        )
        self._work.emit(event)

    async def _found(self, statement: bytes, **values: Any) -> dict[str, str]:
        return {row[0]: _REASONS[row[1]] for row in await self._rows(statement, self._tenant | values)}

    async def _rows(self, statement: Any, values: dict[str, Any]) -> list[Any]:
        await flush(self._work.session)
        return list(await (await driver_of(self._work.session).execute(statement, values)).fetchall())

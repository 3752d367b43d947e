"""What became of queued emails: they left, came back, or nobody took them. What does not exist is remembered."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from api.modules.sequences.repository import SequenceRepository
from api.modules.sequences.stopping import Moment, Stops
from api.records.bulk import among
from bevyly.db.schema import SequenceEnrolment, SequenceStepRun
from bevyly.db.unit_of_work import UnitOfWork

_REFUSED = "refused "
_NO_SUCH_MAILBOX = ("550", "551", "553")


class Settling:
    """Notes for emails of one tenant how they ended."""

    def __init__(self, work: UnitOfWork, now: datetime) -> None:
        self._session, self._customer_id, self._now = work.session, work.customer_id, now
        self._repository = SequenceRepository(work.session, work.customer_id)
        self._stops = Stops(work)

    async def of(self, mails: Mapping[str, Sequence[Any]]) -> int:
        """Note how the mails of these steps (status, error, when) ended; how many were not known yet."""
        table = SequenceStepRun
        statement = select(table).where(
            table.customer_id == self._customer_id, among(table.id, mails), table.outcome == "queued"
        )
        runs = (await self._session.scalars(statement.order_by(table.id).with_for_update())).all()
        for run in runs:
            status, error, finished_at = mails[run.id]
            run.outcome, run.settled_at = _outcome(status, error or ""), finished_at
        bounced = [run for run in runs if run.outcome == "bounced"]
        for run in bounced:
            code = str(mails[run.id][1]).removeprefix(_REFUSED)
            if code in _NO_SUCH_MAILBOX and run.address is not None:
                await self._repository.suppress(run.address, "bounced", enrolment_id=run.enrolment_id, now=self._now)
        await self._stops.end({run.enrolment_id: "bounced" for run in bounced}, Moment(self._now))
        await self.pause([run.enrolment_id for run in runs if run.outcome == "failed"], "mail_failed")
        return len(runs)

    async def pause(self, enrolment_ids: Sequence[str], reason: str) -> int:
        """Do nothing more for these until somebody looks at them; how many that are."""
        table = SequenceEnrolment
        statement = (
            update(table)
            .where(table.customer_id == self._customer_id, among(table.id, enrolment_ids), table.status == "active")
            .values(status="paused", reason=reason, version=table.version + 1, updated_at=self._now)
            .returning(table.id)
            .execution_options(synchronize_session=False)
        )
        return len((await self._session.scalars(statement)).all()) if enrolment_ids else 0


def _outcome(status: str, error: str) -> str:
    if status == "sent":
        return "sent"
    if error == "withdrawn":
        return "withdrawn"
    return "bounced" if error.startswith(_REFUSED) else "failed"

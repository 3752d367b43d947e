"""What people may do about others' rights: ask for an export or an erasure, confirm, cancel, purge a deleted record.

The work itself is the worker's (`bevyly.privacy.worker`).
"""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.privacy.errors import NotNow, StillNeeded
from api.modules.privacy.repository import PrivacyRepository
from api.problems import ReferenceNotFound
from api.records.repository import RecordRepository
from api.records.service import require_version
from api.records.trail import Trail
from bevyly.db.schema import Account, Activity, Contact, Lead, Opportunity, PrivacyRequest
from bevyly.encryption import Vault
from bevyly.ids import new_id
from bevyly.privacy.marks import Marks
from bevyly.privacy.retention import purge_statements
from bevyly.privacy.subject import Subject

_TABLES: dict[str, type[Any]] = {
    "account": Account,
    "contact": Contact,
    "lead": Lead,
    "opportunity": Opportunity,
    "activity": Activity,
}


class PrivacyService:
    """Requests of one tenant."""

    def __init__(self, context: WriteContext, *, vault: Vault, marks: Marks) -> None:
        self.context = context
        self.customer_id = context.principal.customer_id
        self.trail = Trail(context)
        self.requests = PrivacyRepository(context.work.session, self.customer_id)
        self._vault = vault
        self._marks = marks

    async def ask(self, kind: str, *, email: str | None, contact_id: str | None, lead_id: str | None) -> PrivacyRequest:
        """A new request, or the one that is under way for the same; raises `ReferenceNotFound`."""
        await self._require(Contact, "contact_id", contact_id)
        await self._require(Lead, "lead_id", lead_id)
        subject = Subject(
            customer_id=self.customer_id,
            contacts={contact_id: 0} if contact_id else {},
            leads={lead_id: 0} if lead_id else {},
            emails={email.lower()} if email else set(),
        )
        mark = self._marks.mark(self.customer_id, " ".join([*sorted(subject.emails), *subject.persons]))
        earlier = await self.requests.open(kind, mark)
        if earlier is not None:
            return earlier
        row = PrivacyRequest(customer_id=self.customer_id, id=new_id(), kind=kind, status="queued", mark=mark)
        row.subject = self._vault.seal(subject.to_json())
        row.requested_by = self.context.principal.user_id
        row.version, row.created_at, row.updated_at = 1, self.trail.now, self.trail.now
        await self.context.work.insert(row)
        self.trail.audit("privacy_request.created", ("privacy_request", row.id), after={"kind": kind})
        return row

    async def confirm(self, request_id: str, *, expected_version: int | None) -> PrivacyRequest:
        """Let an erasure happen, once somebody has seen what it would erase."""
        row = await self._in(request_id, ("previewed",), expected_version)
        row.confirmed_by = self.context.principal.user_id
        self._move(row, "confirmed")
        return row

    async def cancel(self, request_id: str, *, expected_version: int | None) -> PrivacyRequest:
        """Give a request up that has not done anything yet."""
        row = await self._in(request_id, ("queued", "previewed"), expected_version)
        row.subject, row.finished_at = None, self.trail.now
        self._move(row, "cancelled")
        return row

    async def purge(self, kind: str, record_id: str) -> None:
        """Remove a deleted record for good; raises `NotFound` for one that is not deleted, `StillNeeded`."""
        table = _TABLES[kind]
        records: RecordRepository[Any] = RecordRepository(
            self.context.work.session, self.customer_id, table=table, kind=kind
        )
        row = await records.lock(record_id, deleted=True)
        self.context.work.session.expunge(row)
        statements = purge_statements(table.__tablename__)
        if not await self.requests.run(statements, {"tenants": [self.customer_id], "ids": [record_id]}):
            raise StillNeeded(f"Other records need this {kind}: they go first.")
        before, after = {"deleted_at": row.deleted_at}, {"purged_at": self.trail.now}
        self.trail.audit(f"{kind}.purged", (kind, record_id), before=before, after=after)

    async def _require(self, table: type[Contact | Lead], field: str, record_id: str | None) -> None:
        if record_id is not None and not await self.requests.has(table, record_id):
            raise ReferenceNotFound.of(field)

    async def _in(self, request_id: str, states: tuple[str, ...], expected_version: int | None) -> PrivacyRequest:
        row = await self.requests.lock(request_id)
        require_version(row, expected_version)
        if row.status not in states:
            raise NotNow(f"A request that is {row.status} cannot do this.", request_status=row.status)
        return row

    def _move(self, row: PrivacyRequest, status: str) -> None:
        before, after = {"status": row.status}, {"status": status}
        row.status, row.updated_at, row.attempts = status, self.trail.now, 0
        row.version += 1
        self.trail.audit(f"privacy_request.{status}", ("privacy_request", row.id), before=before, after=after)

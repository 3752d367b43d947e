"""Statements about agents of one tenant: their configuration, their sponsors, and the records they are sent to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, literal_column, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from api.records.repository import missing
from bevyly.db.rls import OWNERS_SETTING
from bevyly.db.schema import Account, AgentConfig, AgentRun, Contact, Lead, Opportunity, Recommendation, User
from bevyly.db.scope import visible_owners
from bevyly.ids import is_id

_RECORDS: dict[str, Any] = {
    "account_id": Account,
    "contact_id": Contact,
    "lead_id": Lead,
    "opportunity_id": Opportunity,
    "recommendation_id": Recommendation,
}
_NARROW = text(f"select set_config('{OWNERS_SETTING}', :owners, true)")


@dataclass(frozen=True)
class Sponsor:
    """A user on whose behalf an agent works: the role they have now, and whose records they see."""

    role: str
    disabled: bool
    owners: str


class AgentRepository:
    """Agents of one tenant."""

    def __init__(self, session: AsyncSession, customer_id: str) -> None:
        self.session = session
        self.customer_id = customer_id

    async def find(self, type_: str, *, lock: bool = False) -> AgentConfig | None:
        """How an agent is configured; held until the unit of work ends, to be changed where `lock`."""
        statement = select(AgentConfig).where(
            AgentConfig.customer_id == self.customer_id, AgentConfig.agent_type == type_
        )
        return await self.session.scalar(statement.with_for_update(read=not lock))

    async def sponsor(self, user_id: str) -> Sponsor | None:
        """The user, or None where there is none."""
        owners = func.api_get_visible_owners(self.customer_id, user_id)
        statement = select(User.role, User.disabled_at.is_not(None), owners).where(
            User.customer_id == self.customer_id, User.id == user_id
        )
        row = (await self.session.execute(statement)).first()
        return None if row is None else Sponsor(row[0], row[1], row[2])

    async def unseen(self, references: Mapping[str, str]) -> str | None:
        """The first of `references` (field to id) that is no record in sight."""
        for field, record_id in references.items():
            table = _RECORDS[field]
            there = [table.customer_id == self.customer_id, table.id == record_id]
            if "deleted_at" in table.__table__.c:
                there.append(table.deleted_at.is_(None))
            if not await self.session.scalar(select(exists().where(*there))):
                return field
        return None

    async def unseen_by(self, owners: str, references: Mapping[str, str]) -> str | None:
        """The first of `references` that somebody does not see who sees the records of `owners`."""
        await self.session.execute(_NARROW, {"owners": owners})
        try:
            return await self.unseen(references)
        finally:
            await self.session.execute(_NARROW, {"owners": visible_owners()})

    async def cancel(self, run_id: str, *, at: datetime) -> bool:
        """Whether the run was queued, and therefore is cancelled now: it costs nothing."""
        table = AgentRun
        ended = await self.session.scalar(
            update(table)
            .where(table.customer_id == self.customer_id, table.id == run_id, table.status == "queued")
            .values(status="cancelled", cost_minor=None, completed_at=at)
            .returning(table.id)
            .execution_options(synchronize_session=False)
        )
        return ended is not None

    async def status(self, run_id: str) -> str:
        """How far a run is; raises `NotFound`."""
        table = AgentRun
        there = (table.customer_id == self.customer_id, table.id == run_id)
        status = await self.session.scalar(select(table.status).where(*there)) if is_id(run_id) else None
        if status is None:
            raise missing("run")
        return status

    async def run(self, run_id: str) -> bytes:
        """The run as every read answers it."""
        function = func.api_get_agent_run(self.customer_id, run_id)
        return str(await self.session.scalar(select(function))).encode()

    async def rendered(self, type_: str) -> bytes:
        """The agent as every read answers it."""
        await self.session.flush()
        function = func.api_get_agents(self.customer_id, type_)
        return str(await self.session.scalar(select(literal_column("body")).select_from(function))).encode()

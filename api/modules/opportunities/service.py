"""What may be done with opportunities. The stage says whether a deal is open; some fields keep a history."""

from typing import Any, ClassVar

from api.dependencies.work import WriteContext
from api.modules.opportunities.repository import HistoryRepository
from api.records.service import RecordService, require_currency
from api.records.trail import Values
from bevyly.db.schema import Opportunity

CLOSED_STAGES = ("won", "lost")
# field of the API: field of the history
HISTORY = {"stage": "stage", "expected_close_date": "expected_close_date", "value_minor": "value"}


class OpportunityService(RecordService[Opportunity]):
    """Deals of one tenant."""

    table = Opportunity
    kind: ClassVar[str] = "opportunity"
    columns: ClassVar[dict[str, str]] = {"value_minor": "value"}
    created_fields: ClassVar[tuple[str, ...]] = (
        "account_id",
        "contact_id",
        "lead_id",
        "name",
        "stage",
        "value_minor",
        "currency",
        "expected_close_date",
        "owner_id",
        "tags",
        "custom",
    )
    naming_fields: ClassVar[tuple[str, ...]] = ("name", "account_id", "stage", "status")

    def __init__(self, context: WriteContext) -> None:
        super().__init__(context)
        self.history = HistoryRepository(self.session, self.customer_id)

    def prepare(self, row: Opportunity) -> None:
        row.stage = row.stage or "prospecting"
        self._enter_stage(row)
        super().prepare(row)

    def check(self, row: Opportunity) -> None:
        require_currency(row.value, row.currency, "value_minor")

    async def created(self, row: Opportunity) -> None:
        event = self.trail.emit("opportunity.created", self.subject(row), sequence=row.version, data=self.payload(row))
        for name, field in HISTORY.items():
            value = _text(self.value(row, name))
            self.history.open(row.id, field, None, value, at=self.now, event_id=event.id)

    async def restored(self, row: Opportunity) -> Values:
        return self.payload(row) | {"status": row.status}

    async def changed(self, row: Opportunity, before: Values, after: Values) -> None:
        event_ids: dict[str, str] = {}
        if "stage" in after:
            event_ids["stage"] = self._stage_changed(row, before, after)
        rest = [name for name in after if name != "stage"]
        if rest:
            told = self.tell_update(row, {name: before[name] for name in rest}, {name: after[name] for name in rest})
            event_ids |= dict.fromkeys(rest, told)
        for name in HISTORY.keys() & after.keys():
            await self.history.close(row.id, HISTORY[name], self.now)
            old, new = _text(before[name]), _text(after[name])
            self.history.open(row.id, HISTORY[name], old, new, at=self.now, event_id=event_ids[name])

    def _stage_changed(self, row: Opportunity, before: Values, after: Values) -> str:
        self._enter_stage(row)
        row.version += 1
        data = {
            "opportunity_id": row.id,
            "from_stage": before["stage"],
            "to_stage": after["stage"],
            "status": row.status,
            "value_minor": row.value,
            "currency": row.currency,
        }
        return self.trail.emit("opportunity.stage_changed", self.subject(row), sequence=row.version, data=data).id

    def _enter_stage(self, row: Opportunity) -> None:
        closed = row.stage in CLOSED_STAGES
        row.status = row.stage if closed else "open"
        row.closed_at = self.now if closed else None
        row.stage_entered_at = self.now


def _text(value: Any) -> str | None:
    return None if value is None else str(value)

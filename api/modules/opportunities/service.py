"""What may be done with opportunities. The kind of its stage says whether one is open; some fields keep a history."""

from typing import Any, ClassVar

from api.dependencies.work import WriteContext
from api.modules.opportunities.repository import HistoryRepository
from api.modules.opportunities.stages import Stage, Stages
from api.records.service import RecordService, require_currency
from api.records.trail import Values
from bevyly.db.schema import Opportunity

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
        self.stages = Stages(self.session, self.customer_id)

    async def create(self, values: Values) -> Opportunity:
        """A new deal, in the first stage of the default pipeline unless said otherwise; raises `UnknownStage`."""
        stage = await self.stages.require(values.get("stage"))
        return await super().create(values | {"stage": stage.key} | self._entered(stage))

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
            for name, value in self._entered(await self.stages.require(after["stage"])).items():
                setattr(row, name, value)
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

    def _entered(self, stage: Stage) -> Values:
        """What follows from entering a stage now."""
        closed_at = None if stage.kind == "open" else self.now
        return {"status": stage.kind, "closed_at": closed_at, "stage_entered_at": self.now}


def _text(value: Any) -> str | None:
    return None if value is None else str(value)

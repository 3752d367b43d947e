"""What may be done with the settings of a tenant."""

from typing import Any

from api.dependencies.work import WriteContext
from api.modules.settings.repository import SettingsRepository
from api.records.service import require_version
from api.records.trail import Trail, Values
from bevyly.db.schema import Customer

COLUMNS = ("name", "domain", "currency", "timezone", "record_visibility", "pooling")
KEYS = {
    "working_hours": "working_hours",
    "fiscal_year_start_month": "fiscal_year_start_month",
    "strict_custom_fields": "strict_custom_fields",
    "attention_budget": "attention_budget",
    "signal_thresholds": "signals",
    "exploration": "exploration",
    "model_wording": "model_wording",
}
"""Fields of the API that live in `customers.settings`, and under which key; the column holds other things as well."""
DEFAULTS: Values = {
    "fiscal_year_start_month": 1,
    "strict_custom_fields": False,
    "signal_thresholds": {},
    "exploration": {"holdout": 0.0, "explored": 0.0},
    "model_wording": False,
}


class SettingsService:
    """Settings of one tenant."""

    def __init__(self, context: WriteContext) -> None:
        self.trail = Trail(context)
        self.settings = SettingsRepository(context.work.session, context.principal.customer_id)

    async def update(self, changes: Values, *, expected_version: int | None) -> Customer:
        """Change settings; the same again changes nothing."""
        row = await self.settings.lock()
        require_version(row, expected_version)
        before = {name: _value(row, name) for name in changes}
        after = {name: value for name, value in changes.items() if value != before[name]}
        if not after:
            return row
        for name in after.keys() & set(COLUMNS):
            setattr(row, name, after[name])
        row.settings = row.settings | {KEYS[name]: value for name, value in after.items() if name in KEYS}
        row.version += 1
        changed = {name: before[name] for name in after}
        self.trail.audit("settings.updated", ("customer", row.id), before=changed, after=after)
        return row


def _value(row: Customer, name: str) -> Any:
    if name in COLUMNS:
        return getattr(row, name)
    return row.settings.get(KEYS[name], DEFAULTS.get(name))

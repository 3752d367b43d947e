"""Where a detector draws its line: defaults for everybody, and what a tenant may set instead.

Belongs here: names, defaults and bounds, which the API checks and pipelines apply. How they become columns is
`models.signals.thresholds`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

MAX_VALUE = 10_000


@dataclass(frozen=True, kw_only=True)
class Thresholds:
    """Defaults of the catalogue. Days unless the name says otherwise."""

    stall_ratio: float = 1.5
    stall_floor: float = 7
    stall_without_history: float = 30
    aging_ratio: float = 2
    aging_floor: float = 14
    aging_without_history: float = 180
    dark_days: float = 14
    ghost_ratio: float = 1.5
    ghost_floor: float = 3
    ghost_touches: float = 2
    reply_days_without_history: float = 2
    answer_days: float = 0.5
    answer_forgotten: float = 14
    slips: float = 2
    slip_days: float = 30
    pulled_in_days: float = 7
    engaged_contacts: float = 2
    surge_ratio: float = 2
    surge_floor: float = 3
    surge_min_age: float = 14
    drop_ratio: float = 1 / 3
    drop_floor: float = 2
    amount_change: float = 0.2
    intent_days: float = 3
    intent_touches: float = 2
    ready_intent_points: float = 80
    untouched_days: float = 1
    missing_fields: float = 3
    champion_ratio: float = 1.5
    champion_floor: float = 7
    champion_touches: float = 2
    champion_left_days: float = 60
    newcomer_days: float = 14
    executive_days: float = 14
    committee_ratio: float = 1.5
    committee_floor: float = 3
    account_change: float = 0.2
    adoption: float = 0.1  # share of a tenant's entities that record a thing before its absence means anything

    def overridden(self, values: Mapping[str, float]) -> "Thresholds":
        """These with a tenant's own values; names that the catalogue does not know (any more) change nothing."""
        return replace(self, **{name: float(value) for name, value in values.items() if name in NAMES})


NAMES = tuple(field.name for field in fields(Thresholds))
ONE_LINE = ("slips", "slip_days", "pulled_in_days", "amount_change", "account_change", "adoption")
"""Names with one value for all stages: streams know no stage, and find what the batch pass finds."""


def parted(key: str) -> tuple[str, str]:
    """Name and stage of a key of the settings: `dark_days` (the stage is empty: all of them), `dark_days@proposal`."""
    name, _, stage = key.partition("@")
    return name, stage

"""From alarms to what a score may be shown as, and back, so that nothing flickers.

Belongs here: the rule. An alarm that was raised stays until its monitor is calm, which is stricter than not alarming.
One alarm lowers a probability to a band; two at once, or probabilities worse than the base rate, leave the rules.
Nothing is ever shown as more than its training allowed.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from models.display import BAND, PROBABILITY, RULES

STRENGTH = {RULES: 0, BAND: 1, PROBABILITY: 2}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one monitor says. `alarm` None: too little is known to say. cap: the most it allows while it alarms."""

    monitor: str
    alarm: bool | None
    calm: bool
    cap: str
    reason: str
    figures: dict[str, Any]


def alarming(finding: Finding, *, before: bool) -> bool:
    """Whether the monitor alarms now, given whether it did `before`."""
    if before:
        return not finding.calm
    return finding.alarm is True


def shown(trained: str, caps: Collection[str]) -> str:
    """The display, from the one that training allowed and the caps of the monitors that alarm."""
    allowed = [trained, *caps, *([RULES] if len(caps) > 1 else [])]
    return min(allowed, key=STRENGTH.__getitem__)

"""What streams write of signals: rows that they found, and what is over."""

from datetime import datetime, timedelta
from typing import Any, TypedDict

from bevyly.events.envelope import Instant
from models.signals.detector import dedupe_key
from models.signals.registry import DETECTORS
from pipelines.repositories.detectors import Ear

VERSIONS = {detector.signal_type: detector.version for detector in DETECTORS}


class Finding(TypedDict):
    """A row of the signals frame."""

    customer_id: str
    entity_type: str
    entity_id: str
    signal_type: str
    polarity: str
    severity: str
    strength: float
    title: str
    data: dict[str, Any]
    evidence: list[str]
    dedupe_key: str
    detector_version: str
    seen_at: Instant
    expires_at: Instant


class Closing(TypedDict):
    """Open signals of one type (None: of every type) on one entity are over."""

    customer_id: str
    entity_type: str
    entity_id: str
    signal_type: str | None
    reason: str
    at: Instant
    kept: str | None
    """Key of the one that is not over."""


def finding(
    customer_id: str,
    entity: tuple[str, str],
    signal_type: str,
    *,
    polarity: str,
    strength: float,
    title: str,
    data: dict[str, Any],
    event_id: str,
    at: datetime,
    lives_days: int,
    ear: Ear,
) -> Finding:
    """What `event_id` shows of `entity` (its type and id), as the batch pass writes it."""
    strength = round(min(strength, 99.0), 4)
    return Finding(
        customer_id=customer_id,
        entity_type=entity[0],
        entity_id=entity[1],
        signal_type=signal_type,
        polarity=polarity,
        severity=severity(strength * ear.weights.get(signal_type, 1.0), polarity),
        strength=strength,
        title=title,
        data=data,
        evidence=[event_id],
        dedupe_key=dedupe_key(signal_type, *entity, event_id),
        detector_version=VERSIONS[signal_type],
        seen_at=at,
        expires_at=at + timedelta(days=lives_days),
    )


def closing(
    customer_id: str,
    entity: tuple[str, str],
    signal_type: str | None,
    reason: str,
    *,
    at: datetime,
    kept: str | None = None,
) -> Closing:
    """Signals of `entity` (its type and id) are over."""
    return Closing(
        customer_id=customer_id,
        entity_type=entity[0],
        entity_id=entity[1],
        signal_type=signal_type,
        reason=reason,
        at=at,
        kept=kept,
    )


def severity(strength: float, polarity: str) -> str:
    """At the line low, half again medium, twice high, three times critical (bad news only).

    `strength` is taken as loud as the detector has been worth to the tenant.
    """
    if strength >= 3 and polarity == "-":
        return "critical"
    return "high" if strength >= 2 else "medium" if strength >= 1.5 else "low"

"""What streams write of signals: rows that they found, and what is over."""

from typing import Any, TypedDict

from bevyly.events.envelope import Instant
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


def loudness(signal_type: str, strength: float, polarity: str, ear: Ear) -> str:
    """Severity as loud as the detector has been worth to the tenant."""
    return severity(strength * ear.weights.get(signal_type, 1.0), polarity)


def severity(strength: float, polarity: str) -> str:
    """At the line low, half again medium, twice high, three times critical (bad news only)."""
    if strength >= 3 and polarity == "-":
        return "critical"
    return "high" if strength >= 2 else "medium" if strength >= 1.5 else "low"

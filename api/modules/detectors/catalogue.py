"""The catalogue as it is answered: what every detector is, with what is stored of it for one tenant. Pure.

Belongs here: which of several values holds. The registry itself is `models.signals.registry`.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

from api.modules.detectors.schemas import State
from bevyly.intent.thresholds import Thresholds, parted
from models.signals.detector import LEAD, OPPORTUNITY, Detector
from models.signals.registry import DETECTORS, SIGNAL_TYPES, thresholds_of

__all__ = ["SIGNAL_TYPES", "described"]
_DEFAULTS = asdict(Thresholds())


def described(state: State, *, only: str | None = None) -> Iterator[dict[str, Any]]:
    """Every detector, or `only` one, in the shape of `schemas.Detector`."""
    for signal_type in dict.fromkeys(detector.signal_type for detector in DETECTORS):
        if only in (None, signal_type):
            yield _one(signal_type, [one for one in DETECTORS if one.signal_type == signal_type], state)


def _one(signal_type: str, detectors: list[Detector], state: State) -> dict[str, Any]:
    first = detectors[0]
    kinds = list(dict.fromkeys(kind for one in detectors for kind in one.entity_types))
    standing, override = state["standings"].get(signal_type), state["overrides"].get(signal_type)
    silenced = standing is not None and standing["muted"]
    muted = silenced if override is None else override["muted"]
    by_person = override is not None
    return {
        "signal_type": signal_type,
        "definition": first.definition,
        "closes": first.closes,
        "needs": first.needs,
        "entity_types": kinds,
        "polarity": first.polarity if isinstance(first.polarity, str) else "±",
        "judged_by": "outcomes" if first.predicts and {OPPORTUNITY, LEAD} & set(kinds) else "answers",
        "thresholds": [_threshold(name, state) for name in thresholds_of(signal_type)],
        "figures": _figures(standing),
        "muted": muted,
        "muted_by": ("person" if by_person else "rule") if muted else None,
        "reason": override["reason"] if override is not None else standing["reason"] if standing else None,
        "since": override["set_at"] if override is not None else standing["since"] if standing else None,
        "override": override,
    }


def _threshold(name: str, state: State) -> dict[str, Any]:
    learned = {line["stage"]: line["value"] for line in state["lines"] if line["name"] == name}
    by_people = {
        stage: value for key, value in state["settings"].items() for one, stage in [parted(key)] if one == name
    }
    value, source = _holds("", learned, by_people)
    # what people set for all stages goes before what was learned for one
    stages = sorted((by_people if "" in by_people else learned | by_people).keys() - {""})
    lines = [(stage, *_holds(stage, {} if "" in by_people else learned, by_people)) for stage in stages]
    return {
        "name": name,
        "default": _DEFAULTS[name],
        "value": _DEFAULTS[name] if value is None else value,
        "source": source,
        "stages": [{"stage": stage, "value": own, "source": kind} for stage, own, kind in lines],
    }


def _holds(stage: str, learned: dict[str, float], by_people: dict[str, float]) -> tuple[float | None, str]:
    for source, values in (("set", by_people), ("learned", learned)):
        if stage in values:
            return values[stage], source
    return None, "default"


def _figures(standing: dict[str, Any] | None) -> dict[str, Any] | None:
    if standing is None:
        return None
    return {
        "decided": standing["n"],
        "right": standing["hits"],
        "cases": standing["votes"],
        "precision": _interval(standing, "precision"),
        "lift": _interval(standing, "lift"),
        "lead_days": _interval(standing, "lead_days"),
        "answered": standing["answered"],
        "wrong": standing["wrong"],
        "not_useful": standing["not_useful"],
        "loudness": standing["weight"],
        "computed_at": standing["computed_at"],
    }


def _interval(standing: dict[str, Any], name: str) -> dict[str, float] | None:
    ends: Iterable[str] = (name, f"{name}_low", f"{name}_high")
    value, low, high = (standing[end] for end in ends)
    return None if value is None else {"value": value, "low": low, "high": high}

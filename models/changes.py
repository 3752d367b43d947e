"""Why a score is not what it was before: what moved it, by how many logits and points, in words.

Belongs here: taking the difference of two scores of one entity apart. The causes sum to it: a new model, judged on the
old inputs; then each feature, as the new model weighs it. Which event a feature follows is `change_words`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from models.change_words import BOUNDS, MODEL, UNKNOWN, Cause, cause_of, words_of
from models.encoding import Feature
from models.heads import Head
from models.inputs import frame_of
from models.scoring import TrainedModel
from models.texts import displayed

_NOTHING = 1e-12
_SHOWN = 10  # features of a cause, the strongest

Row = Mapping[str, Any]


def changes(model: TrainedModel | None, newer: Row, older: Row, events: Sequence[Row]) -> list[dict[str, Any]]:
    """What moved the score from `older` to `newer`, the strongest first.

    Both have as_of, logit, points, model_version_id and `document`, and `newer` the keys of a score; `model` made the
    newer one. `events` (event_id, type) are behind the newer one and not behind the older. Without model or documents
    all is one cause that is unknown. Each has cause, type, text, logit, points, event_ids, features.
    """
    if model is None or newer["document"] is None or older["document"] is None:
        entries = [_entry(Cause(UNKNOWN), newer["logit"] - older["logit"], [], [])]
        return _with_points(entries, newer["points"] - older["points"], 0.0)
    head = model.head(newer["customer_id"])
    keys = {name: newer[name] for name in ("customer_id", "entity_id", "feature_hash")}
    frame = frame_of([{**older, **keys}, dict(newer)], model.recipe.contract)
    scored = head.apply(head.shape.encoder.transform(frame))
    entries = _of_features(head, scored.values, scored.parts[1] - scored.parts[0], _days(newer, older), events)
    if newer["model_version_id"] != older["model_version_id"]:
        entries.append(_entry(Cause(MODEL), float(scored.logit[0]) - older["logit"], [], []))
    entries.sort(key=lambda entry: -abs(entry["logit"]))
    return _with_points(entries, newer["points"] - older["points"], head.scale.points_per_logit)


def headline(entries: Sequence[Row]) -> str:
    """The strongest cause and what it was worth: `Meeting booked, +6`."""
    if not entries:
        return "No difference"
    return f"{entries[0]['text']}, {entries[0]['points']:+d}"


def _of_features(
    head: Head, values: np.ndarray, moved: np.ndarray, days: float, events: Sequence[Row]
) -> list[dict[str, Any]]:
    """One entry a cause, of the features that it moved."""
    types = list(dict.fromkeys(event["type"] for event in events))
    grouped: dict[Cause, list[tuple[Feature, int]]] = {}
    for j in np.flatnonzero(np.abs(moved) > _NOTHING):
        feature = head.shape.encoder.features_[j]
        cause = cause_of(feature.name, values[0, j], values[1, j], days=days, types=types)
        grouped.setdefault(cause, []).append((feature, int(j)))
    return [
        _entry(
            cause,
            float(sum(moved[j] for _, j in members)),
            [event["event_id"] for event in events if event["type"] in cause.types],
            sorted(
                (_told(feature, values[:, j], float(moved[j])) for feature, j in members),
                key=lambda told: -abs(told["logit"]),
            )[:_SHOWN],
        )
        for cause, members in grouped.items()
    ]


def _told(feature: Feature, values: np.ndarray, moved: float) -> dict[str, Any]:
    texts, places = displayed(feature, values)
    old, new = (texts.item(int(place)) for place in places)
    return {"feature": feature.name, "old": old, "new": new, "logit": moved}


def _entry(cause: Cause, logit: float, event_ids: list[str], features: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "cause": cause.kind,
        "types": list(cause.types),
        "text": words_of(cause),
        "logit": logit,
        "event_ids": event_ids,
        "features": features,
    }


def _with_points(entries: list[dict[str, Any]], total: int, rate: float) -> list[dict[str, Any]]:
    """Whole points that sum to `total`. What another scale makes of the same logit is the new model's doing, what is
    left where points end at 0 and 100 an entry of its own."""
    whole = [round(entry["logit"] * rate) for entry in entries]
    left = total - sum(whole)
    absorbing = next((n for n, entry in enumerate(entries) if entry["cause"] in (MODEL, UNKNOWN)), None)
    if absorbing is not None:
        whole[absorbing] += left
    elif entries and abs(left) <= len(entries):
        fractions = [entry["logit"] * rate - points for entry, points in zip(entries, whole, strict=True)]
        step = 1 if left > 0 else -1
        for n in sorted(range(len(entries)), key=lambda n: (-step * fractions[n], -n))[: abs(left)]:
            whole[n] += step
    elif left:
        entries, whole = [*entries, _entry(Cause(BOUNDS), 0.0, [], [])], [*whole, left]
    return [{**entry, "points": points} for entry, points in zip(entries, whole, strict=True)]


def _days(newer: Row, older: Row) -> float:
    later, earlier = (datetime.fromisoformat(str(row["as_of"])) for row in (newer, older))
    return (later - earlier).total_seconds() / 86_400

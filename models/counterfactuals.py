"""What would move a score: changes that a seller can make, each scored anew by the model that made the score.

Belongs here: making the changes and keeping those that help. Nothing is read off a contribution: a changed row goes
the whole way. A change stays within the values seen in the tenant; whether it would bring about what it says is another
question, for this is what deals that look so came to.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from models.encoding import Feature
from models.errors import InputsGone
from models.heads import Head
from models.inputs import frame_of
from models.levers import LEVERS, Lever, Step
from models.scoring import TrainedModel
from models.texts import displayed

MOST = 3
_LEAST_POINTS = 1
_STEPS = {Step.MORE: 1.0, Step.LESS: -1.0}


def counterfactuals(model: TrainedModel, stored: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Up to `MOST` changes that raise a stored score (its columns, and `document`), the strongest first.

    `model` made it. Each has code, action, text, changes (feature, old and new as a person reads them), points_gained,
    and probability, logit and points as they would be. None where the tenant has no rows to say what is usual there.
    Raises InputsGone.
    """
    if stored["document"] is None:
        raise InputsGone("What this score was made from is no longer kept.")
    head = model.head(stored["customer_id"])
    frame = frame_of([dict(stored)], model.recipe.contract)
    tried = [(lever, changed) for lever in LEVERS if (changed := _changed(head, frame, lever))]
    rows = [frame.with_columns(pl.lit(new).alias(name) for name, (_, new) in changed.items()) for _, changed in tried]
    scored = model.score(pl.concat([frame, *rows]), explain=False)
    now, *then = scored.select("probability", "logit", "points").to_dicts()
    found = [
        _told(head, lever, changed, now, row)
        for (lever, changed), row in zip(tried, then, strict=True)
        if row["points"] - now["points"] >= _LEAST_POINTS and row["logit"] > now["logit"]
    ]
    return sorted(found, key=lambda one: (now["logit"] - one["logit"], one["code"]))[:MOST]


def _changed(head: Head, frame: pl.DataFrame, lever: Lever) -> dict[str, tuple[float, float]]:
    """Old and new value of the features that `lever` changes; none where one would leave the values seen."""
    changed = {}
    for name, step in lever.steps:
        place = head.shape.encoder.position(name)
        if place is None or head.seen is None:
            continue
        value = frame[name][0]
        old = np.nan if value is None else float(value)
        new = _moved(old, step, head.seen[place])
        if np.isnan(new) or new == old:
            continue
        if not head.seen[place][0] <= new <= head.seen[place][-1]:
            return {}
        changed[name] = (old, new)
    return changed


def _moved(old: float, step: Step, seen: np.ndarray) -> float:
    """The value after `step`; `old` where there is nothing to change, NaN where nothing is known."""
    least, lower, middle, _ = (float(value) for value in seen)
    if step in _STEPS:
        return old + _STEPS[step]
    if step is Step.YES:
        return 1.0
    if step is Step.TYPICAL:
        return middle if np.isnan(old) else old
    target = least if step is Step.NOW else lower
    return target if np.isnan(old) else min(old, target)


def _told(
    head: Head,
    lever: Lever,
    changed: Mapping[str, tuple[float, float]],
    now: Mapping[str, Any],
    then: Mapping[str, Any],
) -> dict[str, Any]:
    features = {feature.name: feature for feature in head.shape.encoder.features_}
    gained = then["points"] - now["points"]
    changes = [{"feature": name, **_shown(features[name], *values)} for name, values in changed.items()]
    return {
        "code": lever.code,
        "action": lever.action,
        "text": f"{lever.text}: {gained:+d} points",
        "changes": changes,
        "points_gained": gained,
        **then,
    }


def _shown(feature: Feature, old: float, new: float) -> dict[str, str | None]:
    texts, places = displayed(feature, np.array([old, new]))
    return {"old": texts.item(int(places[0])), "new": texts.item(int(places[1]))}

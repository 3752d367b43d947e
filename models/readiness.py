"""How ready a tenant is for a score: what there is, what is missing for the next stage, in words and numbers.

Belongs here: the stages. `empty`: nothing to score; `prior`: scored by what others have in common; `learning`: a shape
of its own weighs in, nothing but rules is shown; `ranking`: bands are shown; `ready`: probabilities are.
"""

from dataclasses import dataclass
from typing import Any

from models.display import BAND, LEAST_JUDGED, LEAST_OF_A_KIND, PROBABILITY
from models.pooling import LEAST

EMPTY, PRIOR, LEARNING, RANKING, READY = "empty", "prior", "learning", "ranking", "ready"


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """What a tenant has: entities known, decided, won; of its version: outcomes learned from, later ones judged on.

    own_weight: the share of the tenant's own shape in its version.

    display: what the version may be shown as now; None without a version.
    """

    entity: str
    entities: int
    won: int
    lost: int
    learned: int
    own_weight: float
    judged: int
    judged_won: int
    display: str | None
    display_reason: str | None
    pooling: bool


def stage(held: Holdings) -> str:
    """The stage that `held` allows."""
    if held.display == PROBABILITY:
        return READY
    if held.display == BAND:
        return RANKING
    if held.learned >= LEAST:
        return LEARNING
    return PRIOR if held.entities else EMPTY


def have(held: Holdings) -> dict[str, Any]:
    """The numbers, as they are shown."""
    return {
        f"{held.entity}s": held.entities,
        "won": held.won,
        "lost": held.lost,
        "learned_from": held.learned,
        "judged_on_later_data": held.judged,
        "own_weight": round(held.own_weight, 3),
        "shares_with_others": held.pooling,
    }


def missing(held: Holdings) -> list[dict[str, Any]]:
    """What is missing for the next stage: code, text, have, needed; the nearest first."""
    if held.display == PROBABILITY:
        return []
    if not held.entities:
        return [_lack("entities", f"There are no {held.entity}s yet.", 0, 1)]
    lacks = []
    decided, rarer = held.won + held.lost, min(held.won, held.lost)
    if decided < LEAST:
        text = f"{LEAST - decided} more {held.entity}s have to be won or lost before a model of your own is tried."
        lacks.append(_lack("outcomes", text, decided, LEAST))
    if held.judged < LEAST_JUDGED:
        text = (
            f"{LEAST_JUDGED - held.judged} more outcomes that came after a prediction are needed "
            "to say how good predictions are."
        )
        lacks.append(_lack("judged", text, held.judged, LEAST_JUDGED))
    judged_rarer = min(held.judged_won, held.judged - held.judged_won) if held.judged else 0
    if judged_rarer < LEAST_OF_A_KIND:
        kind = "won" if held.judged_won <= held.judged - held.judged_won else "lost"
        text = f"{LEAST_OF_A_KIND - judged_rarer} more {kind} ones are needed among them."
        lacks.append(_lack(f"judged_{kind}", text, judged_rarer, LEAST_OF_A_KIND))
    if rarer == 0 and decided:
        kind = "won" if held.won == 0 else "lost"
        lacks.append(_lack(kind, f"Nothing was {kind} yet: there is nothing to tell apart.", 0, 1))
    if not lacks:
        code = "calibration" if held.display == BAND else "signal"
        lacks.append(_lack(code, _sentence(held.display_reason), 0, 1))
    return lacks


def _lack(code: str, text: str, have: float, needed: float) -> dict[str, Any]:
    return {"code": code, "text": text, "have": have, "needed": needed}


def _sentence(reason: str | None) -> str:
    text = reason or "no reason was given"
    return f"{text[0].upper()}{text[1:]}."

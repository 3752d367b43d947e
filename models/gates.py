"""Champion against challenger, on later rows that neither learned from, row by row.

Belongs here: the verdict on such rows. Differences are challenger minus champion with 90 % bootstrap intervals over
entities. Worse for certain in anything: refused. Not worse by more than a margin in everything: promoted. Else more
outcomes are waited for; looks are taken at doubling numbers only, so that waiting is no lottery.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from models import metrics
from models.metrics import Estimate

PROMOTED, REFUSED, WAITING = "promoted", "refused", "waiting"
LOOKS = (50, 100, 200, 400)  # entities
LEAST_OF_A_KIND = 10
BRIER_MARGIN, AUC_MARGIN, ECE_LIMIT = 0.01, 0.05, 0.05


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """`outcome` is promoted, refused or waiting; `look` the number of entities it was taken at, nought for none."""

    outcome: str
    reason: str
    look: int
    figures: dict[str, Any]


def next_look(entities: int, looked: int) -> int:
    """The largest look that `entities` allow and that was not taken yet; nought where there is none."""
    return max((look for look in LOOKS if looked < look <= entities), default=0)


def compare(
    y: np.ndarray, champion: np.ndarray, challenger: np.ndarray, *, groups: np.ndarray, looked: int = 0, seed: int = 0
) -> Verdict:
    """The verdict on outcomes `y` (0/1) and the probabilities of both, (rows,); rows of one group are one entity."""
    entities = len(np.unique(groups))
    look, kinds = next_look(entities, looked), min(int(y.sum()), int(len(y) - y.sum()))
    if not look or kinds < LEAST_OF_A_KIND:
        needed = next((one for one in LOOKS if one > max(looked, entities)), LOOKS[-1])
        reason = f"{entities} outcomes that neither learned from; the next look is at {needed}"
        return Verdict(outcome=WAITING, reason=reason, look=0, figures={"entities": entities})
    found = metrics.paired(y, champion, challenger, groups=groups, seed=seed)
    outcome, reason = _judged(found, last=look == LOOKS[-1])
    return Verdict(outcome=outcome, reason=reason, look=look, figures=_figures(found, entities, len(y)))


def _judged(found: metrics.Paired, *, last: bool) -> tuple[str, str]:
    if found.brier.low > 0:
        return REFUSED, f"its Brier score is worse by {_told(found.brier)}"
    if found.auc.high < 0:
        return REFUSED, f"it ranks worse: AUC {_told(found.auc)}"
    allowed = max(ECE_LIMIT, found.champion_excess)
    if found.challenger_excess > allowed:
        return (
            REFUSED,
            f"its probabilities are off by {found.challenger_excess:.3f} beyond noise, {allowed:.3f} is allowed",
        )
    if found.brier.high <= BRIER_MARGIN and found.auc.low >= -AUC_MARGIN:
        return PROMOTED, f"not worse than the one before: Brier {_told(found.brier)}, AUC {_told(found.auc)}"
    doubt = f"Brier {_told(found.brier)}, AUC {_told(found.auc)}"
    if last:
        return REFUSED, f"not shown to be as good as the one in use: {doubt}"
    return WAITING, f"undecided: {doubt}"


def _told(difference: Estimate) -> str:
    return f"{difference.value:+.3f} ({difference.low:+.3f} to {difference.high:+.3f})"


def _figures(found: metrics.Paired, entities: int, rows: int) -> dict[str, Any]:
    return {
        "entities": entities,
        "rows": rows,
        "brier_champion": found.brier_champion,
        "brier_difference": vars(found.brier),
        "auc_champion": found.auc_champion,
        "auc_difference": vars(found.auc),
        "ece_beyond_noise_champion": found.champion_excess,
        "ece_beyond_noise_challenger": found.challenger_excess,
    }

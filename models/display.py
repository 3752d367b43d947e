"""What a score may be shown as: a probability, a band, or nothing but rules; decided on later data, with the reason.

Belongs here: that decision. A model that does not beat the base rate on later data has no say; one that ranks but whose
probabilities are off shows letters.
"""

from models.metrics import Metrics

PROBABILITY, BAND, RULES = "probability", "band", "rules"
LEAST_JUDGED = 100
LEAST_OF_A_KIND = 10
_ECE_LIMIT = 0.05


def decide(judged: Metrics | None) -> tuple[str, str]:
    """(display, reason) from the metrics of later, out-of-fold rows; None where there were none."""
    if (
        judged is None
        or judged.n < LEAST_JUDGED
        or min(judged.positives, judged.n - judged.positives) < LEAST_OF_A_KIND
    ):
        return RULES, "too few outcomes to judge the model on later data"
    if judged.auc.low <= 0.5 or judged.brier_gain.low <= 0.0:
        return RULES, f"no better than the base rate on later data (AUC {judged.auc.value:.3f}, n {judged.n})"
    if judged.ece.value - judged.ece_noise > _ECE_LIMIT:
        return (
            BAND,
            f"ranks well, but its probabilities are off on later data (ECE {judged.ece.value:.3f}, n {judged.n})",
        )
    return (
        PROBABILITY,
        f"calibrated on later data (ECE {judged.ece.value:.3f}, AUC {judged.auc.value:.3f}, n {judged.n})",
    )

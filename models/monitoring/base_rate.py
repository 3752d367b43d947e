"""Has the base rate moved since a version learned? A sequential test with a stated run length between false alarms.

Belongs here: the risk-adjusted cumulative sum (Steiner, Cook, Farewell, Treasure 2000) on outcomes in the order in
which they became known, against what the version says of each entity. Two sums run, one for odds that fell by `RATIO`
and one for odds that rose as much; either alarms. The threshold is not chosen but computed: the smallest at which the
sums, on a version that is right but for one standard error of its own, run `run_length` outcomes on average before they
alarm (Brook and Evans 1972, as a Markov chain over the version's own mix of probabilities).
"""

from dataclasses import dataclass

import numpy as np

from models.calibration import sigmoid

RATIO = 0.5  # of the odds: 0.30 → 0.18 is one
YEARS_BETWEEN = 2.0  # false alarms of one version, by design
RECENT = 100  # outcomes that end an alarm
GAP = 0.03  # of the rate over these
LEAST_RUN_LENGTH = 500.0  # outcomes, however few a year has
_STATES = 80
_MIX = 25  # quantiles that stand for the probabilities of a version
_HIGHEST = 12.0


@dataclass(frozen=True, kw_only=True)
class Watch:
    """A base rate watched: outcomes seen, expected and observed rate of the newest `RECENT`, the sums, the verdict.

    raised_at: index of the outcome at which the present alarm was raised, None while there is none. fell: which way.
    """

    n: int
    expected: float
    observed: float
    fallen: float
    risen: float
    threshold: float
    raised_at: int | None
    fell: bool | None


def run_length(outcomes_per_year: float) -> float:
    """Outcomes between false alarms, on average, for a tenant that learns of so many outcomes a year."""
    return max(LEAST_RUN_LENGTH, YEARS_BETWEEN * outcomes_per_year)


def watch(p: np.ndarray, y: np.ndarray, *, h: float) -> Watch:
    """Watch outcomes `y` (0/1, in the order in which they became known) of entities that were given `p`; one or more.

    h: the `threshold` of the version, which stays what it is, so that no alarm comes or goes with later outcomes.
    An alarm ends once `RECENT` outcomes after it look as they should: the sums, started anew, under half of the
    threshold, and the rate of the newest `RECENT` no more than `GAP` off. The sums then start from nought.
    """
    start, raised = 0, None
    while True:
        reached = np.flatnonzero(height(p[start:], y[start:]) >= h)
        if not len(reached):
            break
        raised = start + int(reached[0])
        calm = _calm(p[raised + 1 :], y[raised + 1 :], h)
        if calm is None:
            break
        start, raised = raised + 1 + calm, None
    fallen, risen = (sums(p[start:], y[start:], ratio) for ratio in (RATIO, 1 / RATIO))
    return Watch(
        n=len(p),
        expected=float(p[-RECENT:].mean()),
        observed=float(y[-RECENT:].mean()),
        fallen=float(fallen[-1]) if len(fallen) else 0.0,
        risen=float(risen[-1]) if len(risen) else 0.0,
        threshold=h,
        raised_at=raised,
        fell=None if raised is None else bool(fallen[raised - start] >= h),
    )


def _calm(p: np.ndarray, y: np.ndarray, h: float) -> int | None:
    """How many outcomes after an alarm it took until it could be taken back; None where it cannot be yet."""
    if len(p) < RECENT:
        return None
    gap = np.cumsum(y - p)
    recent = np.abs(gap[RECENT - 1 :] - np.r_[0.0, gap[:-RECENT]]) / RECENT
    good = np.flatnonzero((recent <= GAP) & (height(p, y)[RECENT - 1 :] < h / 2))
    return RECENT + int(good[0]) if len(good) else None


def weights(p: np.ndarray, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Log likelihood ratio of odds × `ratio` against the odds as said: (where won, where lost)."""
    shared = np.log1p(p * (ratio - 1))
    return np.log(ratio) - shared, -shared


def sums(p: np.ndarray, y: np.ndarray, ratio: float) -> np.ndarray:
    """The cumulative sum after each outcome, never below nought."""
    won, lost = weights(p, ratio)
    path = np.cumsum(np.where(y == 1, won, lost))
    return np.asarray(path - np.minimum(np.minimum.accumulate(path), 0.0))


def height(p: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The higher of both sums after each outcome: what is held against the threshold."""
    return np.asarray(np.maximum(sums(p, y, RATIO), sums(p, y, 1 / RATIO)))


def threshold(p: np.ndarray, *, logit_error: float, arl: float) -> float:
    """The height at which both sums together alarm once in `arl` outcomes, for a version one standard error off.

    p: what the version says of the rows that it learned from. logit_error: of its calibration, in logits.
    """
    mix = np.clip(np.quantile(p, (np.arange(_MIX) + 0.5) / _MIX), 1e-4, 1 - 1e-4)
    low, high = 0.5, _HIGHEST
    while high - low > 0.01:
        middle = (low + high) / 2
        # two sums that alarm independently: their rates add
        rate = sum(1 / _length(mix, ratio, middle, logit_error) for ratio in (RATIO, 1 / RATIO))
        low, high = (middle, high) if rate > 1 / arl else (low, middle)
    return high


def _length(mix: np.ndarray, ratio: float, h: float, logit_error: float) -> float:
    """Average outcomes until one sum, started at nought, reaches `h`, where the truth is `logit_error` off its way."""
    logit = np.log(mix / (1 - mix)) + np.sign(np.log(ratio)) * logit_error
    chance = sigmoid(logit)
    won, lost = weights(mix, ratio)
    step = h / _STATES
    state = np.arange(_STATES) * step
    stay = np.zeros((_STATES, _STATES + 2))
    rows = np.broadcast_to(np.arange(_STATES)[:, None], (_STATES, len(mix)))
    for jump, likely in ((won, chance), (lost, 1 - chance)):
        reached = np.minimum(np.maximum(state[:, None] + jump[None, :], 0.0) / step, _STATES)
        below = reached.astype(int)
        # between two states a share falls to each, so that sums drift as they do
        for place, share in ((below, 1 - (reached - below)), (below + 1, reached - below)):
            np.add.at(stay, (rows, place), share * likely / len(mix))
    stay = stay[:, :_STATES]
    return float(np.linalg.solve(np.eye(_STATES) - stay, np.ones(_STATES))[0])

"""How good probabilities are: ranking, calibration and gain, each with a bootstrap interval.

Belongs here: metrics of (y, p). Definitions: ECE is the mean over 10 bins of equal count of |mean p - mean y|; the
Brier
base is the score of always saying the judged rows' own rate; lift is the rate among the highest tenth over the
overall rate.
"""

from dataclasses import dataclass

import numpy as np

BINS = 10
LEVEL = 0.90
_DRAWS = 200


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure with its 90 % bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Figures of one set of judged rows. `ece_noise`: the ECE that a perfectly calibrated model would show on so
    few rows.
    """

    n: int
    positives: int
    auc: Estimate
    pr_auc: Estimate
    brier: Estimate
    brier_base: Estimate
    brier_gain: Estimate
    ece: Estimate
    ece_noise: float
    lift: Estimate


def measure(
    y: np.ndarray, p: np.ndarray, *, groups: np.ndarray | None = None, seed: int = 0, draws: int = _DRAWS
) -> Metrics:
    """All metrics of outcomes `y` (0/1) and probabilities `p`, (rows,); rows of one group are resampled together."""
    y, p = np.asarray(y, dtype=np.float64), np.asarray(p, dtype=np.float64)
    order = np.argsort(-p, kind="stable")
    y, p = y[order], p[order]
    weights = _bootstrap(np.arange(len(y)) if groups is None else np.asarray(groups)[order], draws, seed)
    brier, base = weights @ (p - y) ** 2 / weights.sum(axis=1), _base(y, weights)
    auc, pr_auc = _ranking(y, p, weights)
    return Metrics(
        n=len(y),
        positives=int(y.sum()),
        auc=_estimate(auc),
        pr_auc=_estimate(pr_auc),
        brier=_estimate(brier),
        brier_base=_estimate(base),
        brier_gain=_estimate(base - brier),
        ece=_estimate(_ece(y, p, weights)),
        ece_noise=_ece_noise(p, seed),
        lift=_estimate(_lift(y, p, weights)),
    )


@dataclass(frozen=True, kw_only=True)
class Paired:
    """Two sets of probabilities on the same rows: challenger minus champion, and how far each is off beyond noise."""

    brier: Estimate
    auc: Estimate
    brier_champion: float
    auc_champion: float
    champion_excess: float
    challenger_excess: float


def paired(
    y: np.ndarray,
    champion: np.ndarray,
    challenger: np.ndarray,
    *,
    groups: np.ndarray,
    seed: int = 0,
    draws: int = _DRAWS,
) -> Paired:
    """Differences on outcomes `y` (0/1), (rows,); both sides of a draw are of the same resampled groups."""
    y = np.asarray(y, dtype=np.float64)
    weights = _bootstrap(groups, draws, seed)
    brier, ranking, excess = [], [], []
    for p in (champion, challenger):
        brier.append(weights @ (p - y) ** 2 / weights.sum(axis=1))
        order = np.argsort(-p, kind="stable")
        ranking.append(_ranking(y[order], p[order], weights[:, order])[0])
        excess.append(float(_ece(y[order], p[order], weights[:1, order])[0]) - _ece_noise(p[order], seed))
    return Paired(
        brier=_estimate(brier[1] - brier[0]),
        auc=_estimate(ranking[1] - ranking[0]),
        brier_champion=float(brier[0][0]),
        auc_champion=float(ranking[0][0]),
        champion_excess=excess[0],
        challenger_excess=excess[1],
    )


def auc(y: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve of any score (ties count half); NaN when one class is absent."""
    order = np.argsort(-score, kind="stable")
    return float(_ranking(np.asarray(y, dtype=np.float64)[order], score[order], np.ones((1, len(y))))[0][0])


def reliability(y: np.ndarray, p: np.ndarray) -> list[dict[str, float]]:
    """Per equal-count bin, lowest first: n, mean predicted, observed rate with a 90 % Jeffreys-like interval."""
    order = np.argsort(p, kind="stable")
    rows = []
    for part in np.array_split(order, BINS):
        if not len(part):
            continue
        rows.append({"n": float(len(part)), "predicted": float(p[part].mean())} | observed(y[part]))
    return rows


def observed(y: np.ndarray) -> dict[str, float]:
    """The rate of `y` (0/1), (rows,) at least one, with a 90 % Jeffreys-like interval."""
    n, won = len(y), float(y.sum())
    centre = (won + 0.5) / (n + 1)
    half = 1.645 * float(np.sqrt(centre * (1 - centre) / (n + 2)))
    return {"observed": won / n, "low": max(centre - half, 0.0), "high": min(centre + half, 1.0)}


def _bootstrap(groups: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """(1 + draws, rows) counts: the sample itself, then resamples of whole groups with replacement."""
    random = np.random.default_rng(seed)
    names, group = np.unique(groups, return_inverse=True)
    counts = np.ones((1 + draws, len(groups)), dtype=np.float32)
    for draw in range(draws):
        counts[1 + draw] = np.bincount(random.integers(len(names), size=len(names)), minlength=len(names))[group]
    return counts


def _estimate(values: np.ndarray) -> Estimate:
    drawn = values[1:][~np.isnan(values[1:])]
    if not len(drawn):
        return Estimate(value=float(values[0]), low=float("nan"), high=float("nan"))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Estimate(value=float(values[0]), low=float(low), high=float(high))


def _base(y: np.ndarray, weights: np.ndarray) -> np.ndarray:
    rate = weights @ y / weights.sum(axis=1)
    return np.asarray(rate * (1 - rate))


def _ranking(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ROC area and average precision per weight row; `p` descending, equal scores taken together."""
    starts = np.flatnonzero(np.r_[True, np.diff(p) != 0])
    won = np.add.reduceat(weights * y, starts, axis=1).astype(np.float64)
    lost = np.add.reduceat(weights * (1 - y), starts, axis=1).astype(np.float64)
    below = lost.sum(axis=1, keepdims=True) - np.cumsum(lost, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        roc = (won * (below + lost / 2)).sum(axis=1) / (won.sum(axis=1) * lost.sum(axis=1))
        reached = np.cumsum(won, axis=1)
        precision = reached / np.maximum(reached + np.cumsum(lost, axis=1), 1e-12)
        average = (won * precision).sum(axis=1) / won.sum(axis=1)
    return roc, average


def _ece(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    starts = np.unique(np.linspace(0, len(y), min(BINS, len(y)), endpoint=False).astype(int))
    gaps = np.add.reduceat(_shared(weights * (p - y), p, weights), starts, axis=1)
    return np.asarray(np.abs(gaps).sum(axis=1) / weights.sum(axis=1))


def _shared(gaps: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rows of equal `p` share their gaps: no order among them may say which bin one falls into."""
    starts = np.flatnonzero(np.r_[True, np.diff(p) != 0])
    if len(starts) == len(p):
        return gaps
    total = np.add.reduceat(weights, starts, axis=1)
    mean = np.add.reduceat(gaps, starts, axis=1) / np.maximum(total, 1e-12)
    return np.asarray(np.repeat(mean, np.diff(np.r_[starts, len(p)]), axis=1) * weights)


def ece_chance(y: np.ndarray, p: np.ndarray, *, draws: int, seed: int = 0) -> float:
    """How often a calibrated model would show an ECE at least as large on these rows."""
    order = np.argsort(-p, kind="stable")
    found = _ece(np.asarray(y, dtype=np.float64)[order], p[order], np.ones((1, len(p)), dtype=np.float32))[0]
    return float((1 + np.sum(_ece_drawn(p[order], seed, draws) >= found)) / (1 + draws))


def _ece_noise(p: np.ndarray, seed: int, draws: int = 100) -> float:
    return float(np.mean(_ece_drawn(p, seed, draws)))


def _ece_drawn(p: np.ndarray, seed: int, draws: int) -> np.ndarray:
    """ECE of outcomes drawn from `p` itself, sorted."""
    random = np.random.default_rng(seed + 1)
    ones = np.ones((1, len(p)), dtype=np.float32)
    return np.array([_ece((random.random(len(p)) < p).astype(float), p, ones)[0] for _ in range(draws)])


def _lift(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Rate of the highest tenth over the overall rate; rows equal to the last one in share its place."""
    count = max(1, round(len(y) / BINS))
    last = p[count - 1]
    inside, tied = p > last, p == last
    member = inside + tied * (count - inside.sum()) / tied.sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        top = weights @ (member * y) / (weights @ member)
        return np.asarray(top / (weights @ y / weights.sum(axis=1)))


def mean_difference(
    first: np.ndarray, second: np.ndarray, *, groups: np.ndarray, seed: int = 0, draws: int = _DRAWS
) -> Estimate:
    """Mean of `second - first` over rows, (rows,) each; rows of one group are resampled together."""
    names, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.bincount(group, weights=second - first), np.bincount(group)
    random = np.random.default_rng(seed)
    drawn = random.integers(len(names), size=(draws, len(names)))
    values = sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)
    return _estimate(np.concatenate([[sums.sum() / sizes.sum()], values]))

"""What an action changed on average, from a past in which people chose what to act on.

Augmented inverse propensity weighting (Robins, Rotnitzky and Zhao 1994), cross-fitted over entities (Chernozhukov et
al. 2018): one model says how likely each case was to be acted on, another how likely it was to be won either way, and
the average is right if either is. Cases that were almost surely acted on, or almost surely not, say nothing of the
other side and are left out (Crump et al. 2009). What neither model is told of can still deceive it: associative.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
import polars.selectors as cs
from numpy.typing import NDArray

FOLDS = 5
OVERLAP = (0.05, 0.95)
_SPREAD = 1.0  # of coefficients of standardised columns, in either model
_STEPS = 50
Array = NDArray[np.float64]


class Cases(NamedTuple):
    """Past cases, aligned: whether each was acted on and won (0 or 1), the log-odds that its score gave, what else may
    have decided on either (`confounders`, as `standardised` gives it), a code of its entity, and its vote.
    """

    treated: Array
    won: Array
    logit: Array
    confounders: Array
    entity: NDArray[np.int64]
    votes: Array


class Average(NamedTuple):
    """The effect where either was possible: on the chance and on the log-odds, each with its standard error, and the
    votes of cases with and without the action.
    """

    difference: float
    difference_error: float
    log_odds: float
    log_odds_error: float
    votes_with: float
    votes_without: float


def standardised(frame: pl.DataFrame) -> Array:
    """The columns of `frame` as numbers of mean 0 and deviation 1: magnitudes on a log scale, a column that says where
    one is unknown, one for each text. What never varies is left out.
    """
    numbers = frame.select(cs.numeric(), cs.boolean().cast(pl.Float64)).cast(pl.Float64)
    texts = frame.select(cs.string())
    magnitudes = numbers.select(pl.all().sign() * pl.all().abs().log1p())
    parts = [magnitudes, numbers.select(pl.all().is_null().name.suffix("_unknown"))]
    parts += [texts.to_dummies(drop_nulls=True)] if texts.width else []
    columns = pl.concat([part.cast(pl.Float64) for part in parts], how="horizontal")
    spread = columns.select(pl.all().std().fill_null(0.0)).row(0, named=True)
    varied = [name for name in columns.columns if spread[name] > 1e-9]
    level = columns.select((pl.col(varied) - pl.col(varied).mean()) / pl.col(varied).std(ddof=0))
    return level.fill_null(0.0).to_numpy() if varied else np.zeros((frame.height, 0))


def average_effect(cases: Cases, *, least: float) -> Average | None:
    """The effect over the cases that overlap; None where fewer than `least` votes are left on either side."""
    chance, without, with_it = _predicted(cases)
    kept = (chance > OVERLAP[0]) & (chance < OVERLAP[1])
    votes = cases.votes * kept
    acted = cases.treated
    sides = float((votes * acted).sum()), float((votes * (1 - acted)).sum())
    if min(sides) < least:
        return None
    gain = with_it - without
    gain = gain + acted * (cases.won - with_it) / chance - (1 - acted) * (cases.won - without) / (1 - chance)
    total = votes.sum()
    difference = float((votes * gain).sum() / total)
    # the cases of an entity are no strangers to each other
    by_entity = np.bincount(cases.entity, weights=votes * (gain - difference))
    error = float(np.sqrt((by_entity**2).sum()) / total)
    log_odds, slope = _as_log_odds(difference, without[kept], votes[kept])
    return Average(difference, error, log_odds, error / slope, *sides)


def penalised_logistic(
    design: Array, outcome: Array, *, offset: Array, votes: Array, centre: Array, spread: Array
) -> tuple[Array, Array]:
    """Posterior mode and standard deviations (Laplace) of logistic coefficients under independent Gaussian priors."""
    beta = centre.copy()
    precision = np.diag(1 / spread**2)
    hessian = precision
    for _ in range(_STEPS):
        probability = sigmoid(offset + design @ beta)
        gradient = design.T @ (votes * (outcome - probability)) - precision @ (beta - centre)
        hessian = (design * (votes * probability * (1 - probability))[:, None]).T @ design + precision
        step = np.linalg.solve(hessian, gradient)
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return beta, np.sqrt(np.diag(np.linalg.inv(hessian)))


def sigmoid(logit: Array) -> Array:
    """The probability of a logit."""
    return 1 / (1 + np.exp(-np.clip(logit, -30, 30)))


def _predicted(cases: Cases) -> tuple[Array, Array, Array]:
    """For each case, by models that never saw its entity: the chance to be acted on, and to be won without and with."""
    ones, zeros = np.ones(len(cases.won)), np.zeros(len(cases.won))
    # the score is one more reason to act; where it is extreme, it is so for everybody
    score = np.clip(cases.logit, -6, 6)
    why = np.column_stack([ones, score / 2, cases.confounders])
    told = np.column_stack([ones, cases.treated, cases.treated * score / 2, cases.confounders])
    chance, without, with_it = zeros.copy(), zeros.copy(), zeros.copy()
    for fold in range(FOLDS):
        judged = cases.entity % FOLDS == fold
        seen = ~judged
        acting = _fitted(why[seen], cases.treated[seen], zeros[seen], cases.votes[seen])
        winning = _fitted(told[seen], cases.won[seen], cases.logit[seen], cases.votes[seen])
        chance[judged] = sigmoid(why[judged] @ acting)
        for treated, into in ((0.0, without), (1.0, with_it)):
            asked = told[judged].copy()
            asked[:, 1], asked[:, 2] = treated, treated * score[judged] / 2
            into[judged] = sigmoid(cases.logit[judged] + asked @ winning)
    return chance, without, with_it


def _fitted(design: Array, outcome: Array, offset: Array, votes: Array) -> Array:
    spread = np.full(design.shape[1], _SPREAD)
    spread[0] = 10.0
    centre = np.zeros(design.shape[1])
    return penalised_logistic(design, outcome, offset=offset, votes=votes, centre=centre, spread=spread)[0]


def _as_log_odds(difference: float, without: Array, votes: Array) -> tuple[float, float]:
    """The shift of all log-odds that moves the mean chance by `difference`, and how fast it does so there."""
    weight = votes / votes.sum()
    logit = np.log(without / (1 - without))
    low, high = -6.0, 6.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if weight @ (sigmoid(logit + middle) - without) < difference:
            low = middle
        else:
            high = middle
    moved = sigmoid(logit + (low + high) / 2)
    return (low + high) / 2, max(float(weight @ (moved * (1 - moved))), 1e-3)

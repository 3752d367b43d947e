"""How good a score is on a data set: older entities train, newer ones judge, beside other models and a rule of thumb.

Belongs here: the pure part of a model report. Reading data sets, drawing and printing tables are not.

Per moment the entities with an outcome are cut by creation time, older 70 % and newer 30 %; our score trains on all
moments of the older ones and is judged at this moment of the newer ones; the others train and are judged at this moment
only. Differences are taken on the same resampled rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from models import attributes, curves, metrics
from models.comparisons import PLAIN, Comparison, given
from models.contracts import check
from models.labels import Labelled, label
from models.recipe import Recipe
from models.schema import RECIPES
from models.scoring import TrainedModel
from models.splits import older
from models.training import train

SHARE = 0.7
LEAST_JUDGED = 30  # rows; a moment with fewer is not reported
RULE = "rule of thumb"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is evaluated: `rule` names a column or an `attributes.<key>` whose value alone is the rule of thumb;
    `others` are further models, by name.
    """

    recipe: Recipe
    rule: str | None
    doubtful: bool
    seed: int
    others: Mapping[str, Comparison] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One moment of one score: the model that was judged, a row of figures per model (ours first), and the points of
    its curves (`reliability`, `over_time` of ours; `gains` by the name of the model).
    """

    moment: str
    model: TrainedModel
    rows: list[dict[str, Any]]
    curves: dict[str, Any]


def evaluate_dataset(
    score_type: str,
    snapshots: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    as_of: datetime,
    moments: Sequence[str] | None = None,
    rule: str | None = None,
    doubtful: bool = False,
    others: Mapping[str, Comparison] | None = None,
    seed: int = 0,
) -> list[Judgement]:
    """Judgements whose rows have model, moment, n, positives, auc, auc_low, auc_high, pr_auc, brier, brier_base, ece,
    ece_noise (of a perfectly calibrated model of this sharpness on so few rows), mean_off (mean predicted minus
    observed), lift, rule_auc, within_10_points (share of scores so near the base rate that was known).

    Ours besides: display, display_reason. The others: auc_ahead and brier_ahead, by how much ours is better, each with
    `_low` and `_high`. A rule of thumb has no probabilities, hence no Brier score and no ECE.

    One tenant's marts. `moments`: those to report (all by default); training always sees all of them.
    """
    task = Task(recipe=RECIPES[score_type], rule=rule, doubtful=doubtful, seed=seed, others={**PLAIN, **(others or {})})
    check(snapshots, task.recipe.contract)
    known = label(task.recipe, snapshots, outcomes, as_of=as_of, young=True)
    wanted = snapshots["moment"].unique(maintain_order=True).to_list() if moments is None else list(moments)
    found: list[Judgement] = []
    for moment in wanted:
        here = known.where((known.frame["moment"] == moment).to_numpy())
        if here.entities * (1 - SHARE) >= LEAST_JUDGED and np.ptp(here.y):
            found.append(_judged(task, moment=moment, here=here, snapshots=snapshots, outcomes=outcomes, as_of=as_of))
    return found


def _judged(
    task: Task, *, moment: str, here: Labelled, snapshots: pl.DataFrame, outcomes: pl.DataFrame, as_of: datetime
) -> Judgement:
    recipe = task.recipe
    old = older(here.created, here.entity, SHARE)
    first, judged = here.where(old), here.where(~old)
    start = judged.frame[recipe.contract.created].min()
    before = snapshots.filter(pl.col(recipe.contract.created) < start)
    model = train(recipe.score_type, before, outcomes, as_of=as_of, seed=task.seed, doubtful=task.doubtful, bags=0)
    ours = model.score(judged.frame, explain=False)["probability"].to_numpy()
    rows = given(first, judged, contract=recipe.contract, roles=recipe.roles, doubtful=task.doubtful, seed=task.seed)
    said = {name: compared(rows) for name, compared in task.others.items()}
    if task.rule is not None:
        said = {RULE: _rule(judged.frame, task.rule)} | said
    rate, facts = float(first.y.mean()), model.facts(str(judged.frame["customer_id"][0]))
    mine = _figures(judged.y, ours, rate, task.seed) | {
        "display": facts.display,
        "display_reason": facts.display_reason,
    }
    theirs = {
        name: _figures(judged.y, p, rate, task.seed) | _ahead(judged.y, ours, p, task.seed) for name, p in said.items()
    }
    if RULE in theirs:
        theirs[RULE] |= dict.fromkeys(_OF_PROBABILITIES)
    by_rule = {"rule_auc": theirs[RULE]["auc"] if RULE in theirs else None}
    return Judgement(
        moment=moment,
        model=model,
        rows=[
            {"model": name, "moment": moment} | figures | by_rule
            for name, figures in [(recipe.score_type, mine), *theirs.items()]
        ],
        curves={
            "reliability": metrics.reliability(judged.y, ours),
            "over_time": curves.over_time(judged.created, judged.y, ours),
            "gains": {name: curves.gains(judged.y, p) for name, p in ({recipe.score_type: ours} | said).items()},
        },
    )


_OF_PROBABILITIES = (
    *("brier", "ece", "ece_noise", "mean_off", "within_10_points"),
    *("brier_ahead", "brier_ahead_low", "brier_ahead_high"),
)


def _figures(y: np.ndarray, p: np.ndarray, rate: float, seed: int) -> dict[str, Any]:
    found = metrics.measure(y, p, seed=seed)
    return {
        "n": found.n,
        "positives": found.positives,
        "auc": found.auc.value,
        "auc_low": found.auc.low,
        "auc_high": found.auc.high,
        "pr_auc": found.pr_auc.value,
        "brier": found.brier.value,
        "brier_base": found.brier_base.value,
        "ece": found.ece.value,
        "ece_noise": found.ece_noise,
        "mean_off": float(p.mean() - y.mean()),
        "lift": found.lift.value,
        "within_10_points": float(np.mean(np.abs(p - rate) <= 0.1)),
    }


def _ahead(y: np.ndarray, ours: np.ndarray, other: np.ndarray, seed: int) -> dict[str, float]:
    """By how much ours is better, positive where it is, with 90 % intervals of the paired bootstrap."""
    found = metrics.paired(y, other, ours, groups=np.arange(len(y)), seed=seed)
    return {
        "auc_ahead": found.auc.value,
        "auc_ahead_low": found.auc.low,
        "auc_ahead_high": found.auc.high,
        "brier_ahead": -found.brier.value,
        "brier_ahead_low": -found.brier.high,
        "brier_ahead_high": -found.brier.low,
    }


def _rule(frame: pl.DataFrame, rule: str) -> np.ndarray:
    """The rule's value per row as a rank between 0 and 1, equal values together; unknown counts as lowest."""
    if rule.startswith(attributes.PREFIX):
        field_ = attributes.Field(key=rule.removeprefix(attributes.PREFIX), levels=None)
        values = attributes.column(field_, attributes.parse(frame["attributes"]))
    else:
        values = frame[rule].cast(pl.Float64).fill_null(np.nan).to_numpy()
    lowest = float(np.nanmin(values)) - 1.0 if np.isfinite(values).any() else 0.0
    _, ranks = np.unique(np.nan_to_num(values, nan=lowest), return_inverse=True)
    return np.asarray(ranks / max(int(ranks.max()), 1))

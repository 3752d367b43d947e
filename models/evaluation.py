"""How good a score is on a data set: older entities train, newer ones judge, beside plain models and a rule of thumb.

Belongs here: the pure part of a model report. Reading data sets and printing tables are not.

Per moment the entities with an outcome are cut by creation time, older 70 % and newer 30 %; our score trains on all
moments
of the older ones and is judged at this moment of the newer ones; the plain models train and are judged at this moment
only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models import attributes, metrics
from models.contracts import check
from models.encoding import FrameEncoder
from models.labels import Labelled, label
from models.recipe import Recipe
from models.schema import RECIPES
from models.splits import older
from models.training import train

SHARE = 0.7
LEAST_JUDGED = 30  # rows; a moment with fewer is not reported
PLAIN_LOGISTIC, PLAIN_BOOSTING = "plain logistic", "plain boosting"


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is evaluated: `rule` names a column or an `attributes.<key>` whose value alone is the rule of thumb."""

    recipe: Recipe
    rule: str | None
    doubtful: bool
    seed: int


def evaluate_dataset(
    score_type: str,
    snapshots: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    as_of: datetime,
    moments: Sequence[str] | None = None,
    rule: str | None = None,
    doubtful: bool = False,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Rows with model, moment, n, auc, auc_low, auc_high, pr_auc, brier, brier_base, ece, lift, rule_auc.

    Beside these: positives, ece_noise, display, display_reason, within_10_points (share of scores so near their mean).

    One tenant's marts. `moments`: those to report (all by default); training always sees all of them.
    """
    task = Task(recipe=RECIPES[score_type], rule=rule, doubtful=doubtful, seed=seed)
    check(snapshots, task.recipe.contract)
    known = label(task.recipe, snapshots, outcomes, as_of=as_of, young=True)
    wanted = snapshots["moment"].unique(maintain_order=True).to_list() if moments is None else list(moments)
    rows: list[dict[str, Any]] = []
    for moment in wanted:
        here = known.where((known.frame["moment"] == moment).to_numpy())
        if here.entities * (1 - SHARE) >= LEAST_JUDGED and np.ptp(here.y):
            rows += _judged(task, moment=moment, here=here, snapshots=snapshots, outcomes=outcomes, as_of=as_of)
    return rows


def _judged(
    task: Task, *, moment: str, here: Labelled, snapshots: pl.DataFrame, outcomes: pl.DataFrame, as_of: datetime
) -> list[dict[str, Any]]:
    old = older(here.created, here.entity, SHARE)
    first, judged = here.where(old), here.where(~old)
    rule_auc = None if task.rule is None else metrics.auc(judged.y, _rule(judged.frame, task.rule))
    start = judged.frame[task.recipe.contract.created].min()
    model = train(
        task.recipe.score_type,
        snapshots.filter(pl.col(task.recipe.contract.created) < start),
        outcomes,
        as_of=as_of,
        seed=task.seed,
        doubtful=task.doubtful,
        bags=0,
    )
    ours = model.score(judged.frame, explain=False)["probability"].to_numpy()
    facts = model.facts(str(judged.frame["customer_id"][0]))
    said = {"display": facts.display, "display_reason": facts.display_reason}
    rows = [_row(task.recipe.score_type, judged.y, ours, moment=moment, rule_auc=rule_auc, seed=task.seed) | said]
    return rows + [
        _row(name, judged.y, p, moment=moment, rule_auc=rule_auc, seed=task.seed) | dict.fromkeys(said)
        for name, p in _plain(task, first, judged).items()
    ]


def _row(model: str, y: np.ndarray, p: np.ndarray, *, moment: str, rule_auc: float | None, seed: int) -> dict[str, Any]:
    found = metrics.measure(y, p, seed=seed)
    return {
        "model": model,
        "moment": moment,
        "n": found.n,
        "auc": found.auc.value,
        "auc_low": found.auc.low,
        "auc_high": found.auc.high,
        "pr_auc": found.pr_auc.value,
        "brier": found.brier.value,
        "brier_base": found.brier_base.value,
        "ece": found.ece.value,
        "lift": found.lift.value,
        "rule_auc": rule_auc,
        "positives": found.positives,
        "ece_noise": found.ece_noise,
        "within_10_points": float(np.mean(np.abs(p - p.mean()) <= 0.1)),
    }


def _rule(frame: pl.DataFrame, rule: str) -> np.ndarray:
    """The rule's value per row; unknown counts as lowest."""
    if rule.startswith(attributes.PREFIX):
        field = attributes.Field(key=rule.removeprefix(attributes.PREFIX), levels=None)
        values = attributes.column(field, attributes.parse(frame["attributes"]))
    else:
        values = frame[rule].cast(pl.Float64).fill_null(np.nan).to_numpy()
    lowest = float(np.nanmin(values)) - 1.0 if np.isfinite(values).any() else 0.0
    return np.asarray(np.nan_to_num(values, nan=lowest))


def _plain(task: Task, first: Labelled, judged: Labelled) -> dict[str, np.ndarray]:
    """Probabilities of two untuned scikit-learn models at the same moment, on the same columns."""
    encoder = FrameEncoder(task.recipe.contract, task.recipe.roles, doubtful=task.doubtful).fit(first.frame)
    taught, asked = encoder.transform(first.frame), encoder.transform(judged.frame)
    useful = np.flatnonzero([len(np.unique(column[~np.isnan(column)])) > 1 for column in taught.T])
    categorical = [place for place, j in enumerate(useful) if j in encoder.categorical]
    models = {
        PLAIN_LOGISTIC: _logistic(len(useful), categorical),
        PLAIN_BOOSTING: HistGradientBoostingClassifier(
            categorical_features=categorical or None, random_state=task.seed
        ),
    }
    return {
        name: model.fit(taught[:, useful], first.y).predict_proba(asked[:, useful])[:, 1]
        for name, model in models.items()
    }


def _logistic(columns: int, categorical: list[int]) -> Pipeline:
    numbers = [place for place in range(columns) if place not in categorical]
    prepared = ColumnTransformer(
        [
            ("levels", OneHotEncoder(handle_unknown="ignore", sparse_output=False), categorical),
            (
                "numbers",
                make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()),
                numbers,
            ),
        ]
    )
    return make_pipeline(prepared, LogisticRegression(max_iter=2000))

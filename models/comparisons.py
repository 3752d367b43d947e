"""Plain models that a score is held against, on the same rows and the same columns.

Belongs here: untuned scikit-learn models as functions. Libraries that this package does not know come from the caller.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from models.contracts import Contract, Role
from models.encoding import FrameEncoder
from models.labels import Labelled

PLAIN_LOGISTIC, PLAIN_BOOSTING = "plain logistic", "plain boosting"


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a comparison learns from and is asked: `taught` and `asked` float64 (rows, features) with NaN for missing,
    `y` 0/1 of the taught ones, `categorical` the positions of level codes.
    """

    taught: np.ndarray
    y: np.ndarray
    asked: np.ndarray
    categorical: tuple[int, ...]
    seed: int


Comparison = Callable[[Given], np.ndarray]  # probabilities of the asked rows


def given(
    first: Labelled, judged: Labelled, *, contract: Contract, roles: tuple[Role, ...], doubtful: bool, seed: int
) -> Given:
    """The columns that our own score reads, encoded on `first`; those that do not vary there are left out."""
    encoder = FrameEncoder(contract, roles, doubtful=doubtful).fit(first.frame)
    taught, asked = encoder.transform(first.frame), encoder.transform(judged.frame)
    useful = np.flatnonzero([len(np.unique(column[~np.isnan(column)])) > 1 for column in taught.T])
    return Given(
        taught=taught[:, useful],
        y=first.y,
        asked=asked[:, useful],
        categorical=tuple(place for place, j in enumerate(useful) if j in encoder.categorical),
        seed=seed,
    )


def plain_logistic(rows: Given) -> np.ndarray:
    """Logistic regression on standardised numbers and one column per level."""
    model = _logistic(rows.taught.shape[1], rows.categorical)
    return np.asarray(model.fit(rows.taught, rows.y).predict_proba(rows.asked)[:, 1])


def plain_boosting(rows: Given) -> np.ndarray:
    """Histogram gradient boosting as it comes."""
    model = HistGradientBoostingClassifier(categorical_features=rows.categorical or None, random_state=rows.seed)
    return np.asarray(model.fit(rows.taught, rows.y).predict_proba(rows.asked)[:, 1])


PLAIN: Mapping[str, Comparison] = {PLAIN_LOGISTIC: plain_logistic, PLAIN_BOOSTING: plain_boosting}


def _logistic(columns: int, categorical: tuple[int, ...]) -> Pipeline:
    numbers = [place for place in range(columns) if place not in categorical]
    scaled = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    levels = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    prepared = ColumnTransformer([("levels", levels, list(categorical)), ("numbers", scaled, numbers)])
    return make_pipeline(prepared, LogisticRegression(max_iter=2000))

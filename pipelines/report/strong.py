"""One strong library to be held against: CatBoost, on the same rows and columns, with the settings it comes with.

Belongs here: the library's own calling convention. It is no part of the product; without it the report says so and goes
on.
"""

from importlib.util import find_spec

import numpy as np
import polars as pl

from models.comparisons import Comparison, Given

CATBOOST = "CatBoost"
MISSING = "CatBoost is not installed, so it is not among the comparisons: `uv sync --group report` installs it."


def strong_models() -> dict[str, Comparison]:
    """CatBoost by name, or nothing where it is not installed."""
    return {CATBOOST: catboost} if find_spec("catboost") else {}


def catboost(rows: Given) -> np.ndarray:
    """Ordered boosting with its own treatment of levels (Prokhorenkova et al. 2018): 1,000 trees of depth 6."""
    from catboost import CatBoostClassifier

    levels = list(rows.categorical)
    model = CatBoostClassifier(
        random_seed=rows.seed, cat_features=levels, thread_count=1, verbose=False, allow_writing_files=False
    )
    model.fit(_columns(rows.taught, levels), rows.y)
    return np.asarray(model.predict_proba(_columns(rows.asked, levels))[:, 1])


def _columns(matrix: np.ndarray, levels: list[int]) -> object:
    """A pandas frame, the one form in which CatBoost takes numbers and levels together."""
    codes = [pl.col(f"{j}").fill_nan(-1).cast(pl.Int32) for j in levels]
    return pl.DataFrame({f"{j}": matrix[:, j] for j in range(matrix.shape[1])}).with_columns(codes).to_pandas()

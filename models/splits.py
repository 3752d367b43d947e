"""Splits by time: what is older trains, what is newer judges. There is no random split in this package.

Belongs here: cutting rows by the creation time of their entity, with entities and equal times kept together.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def cut(created: np.ndarray, entity: np.ndarray, share: float) -> Any:
    """The creation time before which at most `share` of the entities lie; equal times fall on the newer side.

    created, entity: one value per row; an entity's rows share one creation time.
    """
    _, first = np.unique(entity, return_index=True)
    ordered = np.sort(created[first])
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def older(created: np.ndarray, entity: np.ndarray, share: float = 0.7) -> np.ndarray:
    """bool per row: whether its entity is among the older `share` of the entities."""
    return np.asarray(created < cut(created, entity, share))


def forward_folds(
    created: np.ndarray, entity: np.ndarray, shares: Sequence[float] = (0.4, 0.6, 0.8)
) -> list[tuple[np.ndarray, np.ndarray]]:
    """(train, judge) masks per fold: everything before a cut trains, everything up to the next cut judges."""
    cuts = [cut(created, entity, share) for share in shares]
    folds = []
    for index, start in enumerate(cuts):
        train, judge = created < start, created >= start
        if index + 1 < len(cuts):
            judge = judge & (created < cuts[index + 1])
        if train.any() and judge.any():
            folds.append((train, judge))
    return folds

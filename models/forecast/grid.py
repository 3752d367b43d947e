"""The grid of days on which time to close is told, and the ages at which deals are looked at.

Belongs here: edges, and reading cumulative values between them. What happens in a period is `closing`.
"""

import numpy as np

EDGES = np.concatenate([np.arange(0, 14), np.arange(14, 182, 7), np.arange(182, 729, 42), [728]]).astype(np.float64)
EDGES = np.unique(EDGES)
"""Days from now at which periods end: daily for two weeks, weekly for half a year, then every six weeks for two years.
"""
PERIODS = len(EDGES) - 1
AGES = np.array([0.0, 7.0, 14.0, 28.0, 56.0, 84.0, 140.0, 252.0])
"""Days since opening at which past deals are looked at; dbt makes a snapshot of each."""


def band(age_days: np.ndarray) -> np.ndarray:
    """int per row: the last of `AGES` that a deal has reached."""
    return np.asarray(np.clip(np.searchsorted(AGES, age_days, side="right") - 1, 0, len(AGES) - 1))


def period(days: np.ndarray) -> np.ndarray:
    """int per row: the period that holds `days` from now; a period holds its right edge."""
    return np.asarray(np.clip(np.searchsorted(EDGES, days, side="left") - 1, 0, PERIODS - 1))


def read(cumulative: np.ndarray, days: np.ndarray) -> np.ndarray:
    """float64 like `days`, (rows,) or (rows, n): each row's cumulative value there, straight between edges.

    cumulative: (rows, PERIODS + 1), the values at `EDGES`.
    """
    asked = days if days.ndim == 2 else days[:, None]
    inside = np.clip(asked, 0.0, EDGES[-1])
    right = np.clip(np.searchsorted(EDGES, inside, side="left"), 1, PERIODS)
    share = (inside - EDGES[right - 1]) / (EDGES[right] - EDGES[right - 1])
    below, above = (np.take_along_axis(cumulative, right - step, axis=1) for step in (1, 0))
    return np.asarray((below + share * (above - below)).reshape(days.shape))


def quantiles(cumulative: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Days (rows, levels) at which each row's cumulative share, which ends at 1, reaches each level."""
    return crossed(cumulative, np.broadcast_to(EDGES, cumulative.shape), levels)


def crossed(reached: np.ndarray, values: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """`values` (rows, n), straight between their places, where each row's rising `reached` (rows, n) comes to
    `levels`.
    """
    right = (reached[:, :, None] < levels[None, None, :]).sum(axis=1).clip(1, reached.shape[1] - 1)
    start, end = (np.take_along_axis(reached, right - step, axis=1) for step in (1, 0))
    low, high = (np.take_along_axis(values, right - step, axis=1) for step in (1, 0))
    share = np.where(end > start, (levels - start) / np.where(end > start, end - start, 1.0), 1.0)
    return np.asarray(low + np.clip(share, 0.0, 1.0) * (high - low))

"""What plots of a judged score show: its gain over working in any order, and what was said and came true over time.

Belongs here: points of curves as plain values. Reliability is `metrics.reliability`; drawing is the caller's business.
"""

import numpy as np

from models import metrics

_STEPS = 20
_SPANS = 8


def gains(y: np.ndarray, score: np.ndarray) -> list[dict[str, float]]:
    """Per share of the rows, highest score first (a twentieth a step): the share of all 1s among them, and the lift."""
    order = np.argsort(-score, kind="stable")
    reached = np.cumsum(y[order])
    points = []
    for step in range(1, _STEPS + 1):
        count = max(1, round(len(y) * step / _STEPS))
        share = float(reached[count - 1] / max(reached[-1], 1))
        points.append({"share": count / len(y), "reached": share, "lift": share * len(y) / count})
    return points


def over_time(created: np.ndarray, y: np.ndarray, p: np.ndarray) -> list[dict[str, float]]:
    """Per span of creation, equally many rows each, oldest first: from and to (µs since the epoch), n, mean predicted,
    observed rate with a 90 % interval.
    """
    spans = []
    for part in np.array_split(np.argsort(created, kind="stable"), _SPANS):
        if len(part):
            rate = metrics.observed(y[part])
            times = {"from": float(created[part].min()), "to": float(created[part].max())}
            spans.append(times | {"n": float(len(part)), "predicted": float(p[part].mean())} | rate)
    return spans

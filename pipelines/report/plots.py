"""Plots of a judged score: is a probability what it says, what does the order gain, does it hold as time goes on?

Belongs here: drawing points of `models.evaluation.Judgement.curves` on axes that the caller gives (a file, a notebook).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

_INK, _OURS, _BAR, _GREY = "#1f2933", "#2b6cb0", "#90b4d8", "#9aa5b1"
_OTHERS = ("#c05621", "#6b46c1", "#2f855a", "#b7791f", "#718096")


def reliability(axes: Axes, curves: Mapping[str, Any]) -> None:
    """Predicted against observed in ten groups of equal size, with 90 % intervals; on the diagonal is calibrated."""
    points = curves["reliability"]
    top = min(1.0, 1.08 * max(max(point["high"], point["predicted"]) for point in points))
    axes.plot([0, top], [0, top], color=_GREY, linewidth=1)
    _observed(axes, [point["predicted"] for point in points], points)
    axes.set(xlim=(0, top), ylim=(0, top), xlabel="predicted", ylabel="came true")
    _dress(axes, "Does a probability keep its word?", percent="both")


def lift(axes: Axes, curves: Mapping[str, Any]) -> None:
    """Rate among the highest-scored share over the overall rate, for every model that was judged."""
    for place, (name, points) in enumerate(curves["gains"].items()):
        colour, width = (_OURS, 2.2) if not place else (_OTHERS[(place - 1) % len(_OTHERS)], 1.1)
        axes.plot([p["share"] for p in points], [p["lift"] for p in points], color=colour, linewidth=width, label=name)
    axes.axhline(1.0, color=_GREY, linewidth=1)
    axes.set(xlim=(0, 1), xlabel="share worked on, highest score first", ylabel="lift over any order")
    axes.legend(frameon=False, fontsize=8)
    _dress(axes, "What does the order gain?", percent="x")


def over_time(axes: Axes, curves: Mapping[str, Any]) -> None:
    """Mean predicted and observed rate per span of creation time, with 90 % intervals of the observed."""
    spans = curves["over_time"]
    middles = np.array([(span["from"] + span["to"]) / 2 for span in spans]).astype("datetime64[us]")
    axes.plot(middles, [span["predicted"] for span in spans], color=_INK, linewidth=1.5, label="predicted")
    _observed(axes, middles, spans)
    axes.set(ylim=(0, min(1.0, 1.15 * max(span["high"] for span in spans))), xlabel="created")
    axes.tick_params(axis="x", labelrotation=30)
    axes.legend(frameon=False, fontsize=8)
    _dress(axes, "Does it hold as time goes on?", percent="y")


PLOTS: Mapping[str, Callable[[Axes, Mapping[str, Any]], None]] = {
    "reliability": reliability,
    "lift": lift,
    "over_time": over_time,
}


def _observed(axes: Axes, at: Any, points: list[dict[str, float]]) -> None:
    below = [max(point["observed"] - point["low"], 0.0) for point in points]
    above = [max(point["high"] - point["observed"], 0.0) for point in points]
    rates = [point["observed"] for point in points]
    axes.errorbar(at, rates, yerr=[below, above], fmt="o", color=_OURS, ecolor=_BAR, markersize=5, label="came true")


def _dress(axes: Axes, title: str, *, percent: str) -> None:
    axes.set_title(title, loc="left", fontweight="bold", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        if percent in (name, "both"):
            axis.set_major_formatter("{x:.0%}")

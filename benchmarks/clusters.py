"""`python -m benchmarks.clusters`: which algorithm finds clusters of signals that were planted, and none where none is.

Worlds of deals with eight signals, each shown at random; in half of the worlds three of them are also shown together,
by deals that are lost more often, which none of the three alone says as clearly. Each algorithm offers candidates,
which are kept as the product keeps them (lift with confidence), with and without the bound on stability. Prints a row
an algorithm: of the worlds with a planted cluster, in how many it was kept, and in how many one with other signals too;
of the others in how many anything was kept; of all, in how many the next day, with 2 % of the deals new, kept the same.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
import polars as pl
import typer
from sklearn.cluster import HDBSCAN, AffinityPropagation
from sklearn.exceptions import ConvergenceWarning

from models.patterns.clusters import Floats, Members, jaccard, nodes, stability
from models.patterns.discover import MAX_MEMBERS, STABLE
from models.patterns.lift import worth_keeping
from models.patterns.rules import Rule
from models.signals.detector import OPPORTUNITY

SIGNALS = (
    *("champion_left", "deal_aging", "deal_stalled", "ghosted", "missing_power", "no_next_step", "ownership_gap"),
    "single_threaded",
)
PLANTED = ("missing_power", "no_next_step", "single_threaded")
Kept = frozenset[tuple[str, ...]]


def world(seed: int, *, deals: int, planted: bool, day: int = 0) -> pl.DataFrame:
    """A history of `deals` deals, one snapshot each; from day to day a fiftieth of them is replaced."""
    random = np.random.default_rng(seed)
    size = deals + deals // 50
    shown = random.random((size, len(SIGNALS))) < random.uniform(0.08, 0.25, len(SIGNALS))
    together = random.random(size) < 0.15
    noise = random.random((size, len(PLANTED))) < 0.9
    if planted:
        for place, name in enumerate(PLANTED):
            shown[:, SIGNALS.index(name)] |= together & noise[:, place]
    won = random.random(size) < np.where(together & planted, 0.15, 0.5)
    frame = pl.DataFrame({name: shown[:, place] for place, name in enumerate(SIGNALS)})
    named = frame.with_columns(pl.Series("won", won), customer_id=pl.lit("t1"), entity_id=pl.int_range(size).cast(str))
    return named.slice(day * (deals // 50), deals)


def kept(history: pl.DataFrame, method: Callable[[Floats], list[Members]], *, stable: bool) -> Kept:
    """The clusters that would be kept of those that `method` offers."""
    shown = history.select(pl.col(SIGNALS).cast(pl.Float64)).to_numpy()
    offered = [
        one for one in dict.fromkeys(method(jaccard(shown, np.ones(len(shown))))) if 2 <= len(one) <= MAX_MEMBERS
    ]
    entity = np.arange(len(shown))
    sure = stability(shown, entity, offered, method=method) if stable else [1.0] * len(offered)
    rules = [
        Rule(pattern_type="c", entity_type=OPPORTUNITY, polarity="-", title="", stability=how,
             groups=tuple((SIGNALS[column],) for column in sorted(one)))
        for one, how in zip(offered, sure, strict=True) if how >= STABLE
    ]  # fmt: skip
    return frozenset(rule.members for rule in worth_keeping(history, rules))


def hdbscan(distances: Floats) -> list[Members]:
    """Density: clusters of two or more."""
    return _groups(HDBSCAN(min_cluster_size=2, metric="precomputed", copy=True).fit(distances).labels_)


def affinity(distances: Floats) -> list[Members]:
    """Exemplars."""
    return _groups(AffinityPropagation(affinity="precomputed", random_state=0).fit(1 - distances).labels_)


def _groups(labels: Floats) -> list[Members]:
    return [frozenset(np.flatnonzero(labels == label).tolist()) for label in sorted(set(labels) - {-1})]


METHODS: dict[str, Callable[[Floats], list[Members]]] = {
    **{f"agglomerative, {linkage}": partial(nodes, linkage=linkage) for linkage in ("average", "complete", "single")},
    "HDBSCAN": hdbscan,
    "affinity propagation": affinity,
}


def compare(
    worlds: Annotated[int, typer.Option(min=2)] = 60, deals: Annotated[int, typer.Option(min=100)] = 600
) -> None:
    """Print the comparison over `worlds` worlds with `deals` deals each."""
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"{'':24}{'bound':>8}{'planted':>10}{'more':>8}{'noise':>8}{'same':>8}   of {worlds} worlds, {deals} deals")
    for name, method in METHODS.items():
        for stable in (False, True):
            right = more = noise = same = 0
            for seed in range(worlds):
                is_planted = seed % 2 == 0
                today = kept(world(seed, deals=deals, planted=is_planted), method, stable=stable)
                next_day = world(seed, deals=deals, planted=is_planted, day=1)
                right += is_planted and PLANTED in today
                more += is_planted and any(not set(one) <= set(PLANTED) for one in today)
                noise += bool(today) and not is_planted
                same += today == kept(next_day, method, stable=stable)
            half = worlds // 2
            shares = (right / half, more / half, noise / half, same / worlds)
            told = "".join(f"{share:>{width}.2f}" for share, width in zip(shares, (10, 8, 8, 8), strict=True))
            print(f"{name:24}{'yes' if stable else 'no':>8}{told}")


if __name__ == "__main__":
    typer.run(compare)

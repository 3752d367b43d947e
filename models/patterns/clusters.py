"""Which signals go together: a dendrogram over how often they are seen together, and how sure each of its nodes is.

Belongs here: clusters of columns and their stability. What a cluster means for the outcome is `lift`'s business.
"""

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from sklearn.cluster import AgglomerativeClustering

RUNS = 50
SEED = 20_261_130
Floats = npt.NDArray[np.float64]
Members = frozenset[int]
Method = Callable[[Floats], list[Members]]


def nodes(distances: Floats, *, linkage: str = "average") -> list[Members]:
    """Member sets of the inner nodes of the dendrogram over square `distances`, the nearest first."""
    tree = AgglomerativeClustering(n_clusters=None, distance_threshold=0.0, metric="precomputed", linkage=linkage).fit(
        distances
    )
    found = [frozenset([leaf]) for leaf in range(len(distances))]
    for left, right in tree.children_:
        found.append(found[left] | found[right])
    return found[len(distances) :]


def jaccard(shown: Floats, weights: Floats) -> Floats:
    """Distances between the columns of `shown` (rows of 0 and 1), each row counted as often as its weight says."""
    together = (shown * weights[:, None]).T @ shown
    alone = np.diag(together)
    either = alone[:, None] + alone[None, :] - together
    similar = np.divide(together, either, out=np.zeros_like(together), where=either > 0)
    np.fill_diagonal(similar, 1.0)
    return 1.0 - similar


def stability(
    shown: Floats, entity: npt.NDArray[np.int64], clusters: Sequence[Members], *, method: Method = nodes
) -> list[float]:
    """How well each of `clusters` is found again when entities are drawn anew: the mean Jaccard similarity of the
    cluster that comes nearest (Hennig 2007, `clusterboot`). From 0.75 on a cluster counts as a stable one.

    `entity` numbers the rows' entities from 0; an entity is drawn with all its rows, and the draws are always the same.
    """
    if not clusters:
        return []
    random, size = np.random.default_rng(SEED), int(entity.max()) + 1
    draws = random.multinomial(size, np.full(size, 1 / size), size=RUNS).astype(np.float64)
    singles = [frozenset([column]) for column in range(shown.shape[1])]
    again = [[*method(jaccard(shown, draw[entity])), *singles] for draw in draws]
    return [float(np.mean([max(_alike(one, other) for other in run) for run in again])) for one in clusters]


def _alike(one: Members, other: Members) -> float:
    return len(one & other) / len(one | other)

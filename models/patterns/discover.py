"""Clusters nobody named: signals that a tenant's history shows together, as rules to be measured like the named ones.

Belongs here: which combinations are worth measuring. A dendrogram over the signals offers one for each merge, so the
number of candidates is bounded by the number of signals and the same history gives the same candidates.
"""

from hashlib import sha256

import numpy as np
import polars as pl
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import pairwise_distances

from models.patterns.lift import MIN_SUPPORT
from models.patterns.rules import NAMED, Rule
from models.signals.registry import DETECTORS

MAX_MEMBERS = 4


def candidates(past: pl.DataFrame, entity_type: str) -> tuple[Rule, ...]:
    """Combinations of signals of one polarity that were seen together, for the tenant whose history is `past`."""
    found: list[Rule] = []
    for polarity in ("-", "+"):
        names = [name for name in _signals(entity_type, polarity) if int(past[name].sum()) >= MIN_SUPPORT]
        found += [_rule(members, entity_type, polarity) for members in _merges(past, names)]
    return tuple(rule for rule in found if not _is_named(rule))


def _signals(entity_type: str, polarity: str) -> list[str]:
    return sorted(d.signal_type for d in DETECTORS if entity_type in d.entity_types and d.polarity is polarity)


def _merges(past: pl.DataFrame, names: list[str]) -> list[tuple[str, ...]]:
    """Member sets of the inner nodes of the dendrogram, smallest merge distance first."""
    if len(names) < 2:
        return []
    matrix = past.select(names).to_numpy().astype(bool)
    distances = pairwise_distances(matrix.T, metric="jaccard")
    tree = AgglomerativeClustering(
        n_clusters=None, distance_threshold=0.0, metric="precomputed", linkage="average"
    ).fit(np.ascontiguousarray(distances))
    nodes: list[tuple[str, ...]] = [(name,) for name in names]
    for left, right in tree.children_:
        nodes.append(tuple(sorted(nodes[left] + nodes[right])))
    return [node for node in nodes[len(names) :] if len(node) <= MAX_MEMBERS]


def _rule(members: tuple[str, ...], entity_type: str, polarity: str) -> Rule:
    words = [name.replace("_", " ") for name in members]
    return Rule(
        pattern_type=f"cluster_{sha256('+'.join(members).encode()).hexdigest()[:12]}",
        entity_type=entity_type,
        polarity=polarity,
        groups=tuple((name,) for name in members),
        title=f"Seen together here: {', '.join(words[:-1])} and {words[-1]}",
        discovered=True,
    )


def _is_named(rule: Rule) -> bool:
    """Whether a named pattern already says it: every one of its groups is met by the members."""
    members = set(rule.members)
    return any(
        named.entity_type == rule.entity_type
        and named.where is None
        and all(members & set(group) for group in named.groups)
        for named in NAMED
    )

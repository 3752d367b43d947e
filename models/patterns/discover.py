"""Clusters nobody named: signals that a tenant's history shows together, as rules to be measured like the named ones.

Belongs here: which combinations are worth measuring. A dendrogram over the signals offers one for each merge, so the
number of candidates is bounded by the number of signals and the same history gives the same candidates. One that is not
found again when the history is drawn anew is none (ADR 42).
"""

from hashlib import sha256

import numpy as np
import polars as pl

from models.patterns.clusters import jaccard, nodes, stability
from models.patterns.lift import MIN_SUPPORT
from models.patterns.rules import NAMED, Rule
from models.signals.registry import DETECTORS

MAX_MEMBERS = 4
STABLE = 0.75


def candidates(past: pl.DataFrame, entity_type: str) -> tuple[Rule, ...]:
    """Combinations of signals of one polarity that were seen together, for the tenant whose history is `past`."""
    found: list[Rule] = []
    for polarity in ("-", "+"):
        names = [name for name in _signals(entity_type, polarity) if int(past[name].sum()) >= MIN_SUPPORT]
        found += [_rule(members, entity_type, polarity, sure) for members, sure in _merges(past, names)]
    return tuple(rule for rule in found if not _is_named(rule))


def _signals(entity_type: str, polarity: str) -> list[str]:
    return sorted(d.signal_type for d in DETECTORS if entity_type in d.entity_types and d.polarity is polarity)


def _merges(past: pl.DataFrame, names: list[str]) -> list[tuple[tuple[str, ...], float]]:
    """Member sets of the inner nodes of the dendrogram, smallest merge distance first, each with its stability."""
    if len(names) < 2:
        return []
    shown = past.select(pl.col(names).cast(pl.Float64)).to_numpy()
    small = [node for node in nodes(jaccard(shown, np.ones(len(shown)))) if len(node) <= MAX_MEMBERS]
    entity = past["entity_id"].rank("dense").cast(pl.Int64).to_numpy() - 1
    found = zip(small, stability(shown, entity, small), strict=True)
    return [(tuple(sorted(names[column] for column in node)), sure) for node, sure in found if sure >= STABLE]


def _rule(members: tuple[str, ...], entity_type: str, polarity: str, sure: float) -> Rule:
    words = [name.replace("_", " ") for name in members]
    return Rule(
        pattern_type=f"cluster_{sha256('+'.join((entity_type, *members)).encode()).hexdigest()[:12]}",
        entity_type=entity_type,
        polarity=polarity,
        groups=tuple((name,) for name in members),
        title=f"Seen together here: {', '.join(words[:-1])} and {words[-1]}",
        stability=round(sure, 3),
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

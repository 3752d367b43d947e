"""A discovered cluster keeps its name when its members change a little: it is the one most like it of those before.

Belongs here: matching by members. Names of new clusters come from `discover`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from models.patterns.rules import Rule

SAME_FROM = 0.5
"""Jaccard similarity of the members from which a cluster is taken to be the same one."""
Known = Mapping[str, frozenset[str]]
"""Members by name (`pattern_type`)."""


def named_as_before(rules: Sequence[Rule], known: Known) -> tuple[Rule, ...]:
    """`rules` of one tenant and entity type under the names of those of `known` that are most like them.

    Each name once. A rule without one like it keeps the name of its members, with a number where another has it.
    """
    pairs = sorted(
        (-_alike(rule, members), name, place)
        for place, rule in enumerate(rules)
        for name, members in known.items()
        if _alike(rule, members) >= SAME_FROM
    )
    names: dict[int, str] = {}
    for _, name, place in pairs:
        if place not in names and name not in names.values():
            names[place] = name
    taken = {*names.values()}
    for place, rule in enumerate(rules):
        if place not in names:
            free = (f"{rule.pattern_type}{f'_{number}' if number else ''}" for number in range(len(rules) + 1))
            names[place] = next(name for name in free if name not in taken)
            taken.add(names[place])
    return tuple(replace(rule, pattern_type=names[place]) for place, rule in enumerate(rules))


def _alike(rule: Rule, members: frozenset[str]) -> float:
    own = frozenset(rule.members)
    return len(own & members) / len(own | members)

"""What a tenant's history says about each pattern, named or discovered.

Belongs here: the loop over rules and tenants. The arithmetic is in `lift`, the candidates in `discover`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from models.patterns.discover import candidates
from models.patterns.identity import Known, named_as_before
from models.patterns.lift import LEARNED_SCHEMA, measure, worth_keeping
from models.patterns.rules import NAMED, Rule

MIN_DECIDED = 100


@dataclass(frozen=True)
class Learned:
    """`rates` has one row a tenant and pattern with history; `discovered` the rules of a tenant that were kept."""

    rates: pl.DataFrame
    discovered: Mapping[str, tuple[Rule, ...]]


def nothing_learned() -> Learned:
    """For tenants without history: named patterns at prior confidence, no discovered ones."""
    return Learned(pl.DataFrame(schema=LEARNED_SCHEMA), {})


def learn(past: Mapping[str, pl.DataFrame], known: Mapping[tuple[str, str], Known] | None = None) -> Learned:
    """Rates of all patterns from `past`, the `history` frame of each entity type.

    `known`: by tenant and entity type the clusters that were found before, whose names those most like them keep.
    """
    rates = [measure(past[rule.entity_type], rule) for rule in NAMED if rule.entity_type in past]
    discovered: dict[str, tuple[Rule, ...]] = {}
    for entity_type, frame in sorted(past.items()):
        for tenant, own in _tenants_with_enough(frame):
            kept = worth_keeping(own, candidates(own, entity_type))
            named = named_as_before(kept, (known or {}).get((tenant, entity_type), {}))
            discovered[tenant] = discovered.get(tenant, ()) + named
            rates += [measure(own, rule, beside=named) for rule in named]
    return Learned(pl.concat([pl.DataFrame(schema=LEARNED_SCHEMA), *rates]), discovered)


def _tenants_with_enough(frame: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    if frame.is_empty():
        return []
    decided = frame.group_by("customer_id").agg(pl.col("entity_id").n_unique().alias("n"))
    enough = decided.filter(pl.col("n") >= MIN_DECIDED)["customer_id"].sort().to_list()
    return [(tenant, frame.filter(pl.col("customer_id") == tenant)) for tenant in enough]

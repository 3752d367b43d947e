"""Discovered clusters: planted ones are found and stable, noise gives none, a name stays from day to day."""

import numpy as np
import polars as pl
import pytest

from benchmarks.clusters import PLANTED, SIGNALS, world
from models.patterns.clusters import jaccard, nodes, stability
from models.patterns.discover import STABLE
from models.patterns.identity import named_as_before
from models.patterns.learn import learn
from models.patterns.rules import Rule
from models.signals.registry import SIGNAL_TYPES


def history(seed: int, *, planted: bool, deals: int = 1500, day: int = 0) -> pl.DataFrame:
    known = world(seed, deals=deals, planted=planted, day=day)
    others = [pl.lit(value=False).alias(name) for name in SIGNAL_TYPES if name not in SIGNALS]
    return known.with_columns(*others, stage=pl.lit("proposal"), contacts_engaged_30d=pl.lit(1.0))


def discovered(frame: pl.DataFrame, **more: object) -> tuple[Rule, ...]:
    return learn({"opportunity": frame}, **more).discovered.get("t1", ())  # type: ignore[arg-type]  # options of `learn`


def rule(name: str, *members: str) -> Rule:
    return Rule(
        pattern_type=name, entity_type="opportunity", polarity="-", title="", groups=tuple((m,) for m in members),
        stability=0.9,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [2, 4, 6])
def test_a_planted_cluster_is_found_and_stable(seed: int) -> None:
    found = discovered(history(seed, planted=True))
    assert PLANTED in [one.members for one in found]
    assert all((one.stability or 0) >= STABLE for one in found)
    assert found == discovered(history(seed, planted=True).reverse()), "whatever the order of rows"


@pytest.mark.parametrize("seed", [1, 3, 5])
def test_noise_gives_none(seed: int) -> None:
    assert discovered(history(seed, planted=False)) == ()


def test_stability_tells_what_is_found_again_from_what_chance_put_together() -> None:
    means = {}
    for planted in (True, False):
        sure = []
        for seed in range(4):
            shown = world(seed, deals=400, planted=planted).select(pl.col(SIGNALS).cast(pl.Float64)).to_numpy()
            pairs = [one for one in nodes(jaccard(shown, np.ones(len(shown)))) if len(one) <= 3]
            sure.append(max(stability(shown, np.arange(len(shown)), pairs)))
        means[planted] = np.mean(sure)
    assert means[True] > 0.95 > means[False]


def test_an_entity_is_drawn_with_all_its_rows() -> None:
    """Ten rows of one deal are one witness: a pair that one deal shows all the time is not found again without it."""
    shown = np.zeros((40, 3))
    shown[:10, :2] = 1  # one deal
    shown[10:23, 2] = shown[20:30, 0] = shown[30:40, 1] = 1
    apart, together = np.arange(40), np.r_[np.zeros(10, int), 1 + np.arange(30)]
    pair = [frozenset([0, 1])]
    assert stability(shown, together, pair)[0] < stability(shown, apart, pair)[0] == 1.0


def test_a_cluster_keeps_its_name_while_its_members_change_a_little() -> None:
    known = {"cluster_old": frozenset("abc"), "cluster_other": frozenset("xy")}
    [same, new] = named_as_before([rule("cluster_1", "a", "b", "c", "d"), rule("cluster_2", "p", "q")], known)
    assert (same.pattern_type, same.members) == ("cluster_old", ("a", "b", "c", "d"))
    assert new.pattern_type == "cluster_2"
    [nearer, farther] = named_as_before([rule("cluster_1", "a", "b"), rule("cluster_2", "a", "b", "c")], known)
    assert (nearer.pattern_type, farther.pattern_type) == ("cluster_1", "cluster_old"), "each name once, to the nearest"
    [taker, own] = named_as_before([rule("x", "a", "b", "c"), rule("cluster_old", "p", "q")], known)
    assert (taker.pattern_type, own.pattern_type) == ("cluster_old", "cluster_old_1")


def test_from_day_to_day_a_name_stays() -> None:
    known: dict[tuple[str, str], dict[str, frozenset[str]]] = {}
    names = []
    for day in range(3):
        found = discovered(history(4, planted=True).slice(day * 30), known=known)
        known[("t1", "opportunity")] = {one.pattern_type: frozenset(one.members) for one in found}
        names.append({one.pattern_type for one in found if set(one.members) >= {"missing_power", "no_next_step"}})
    assert names[0]
    assert names[0] & names[1] & names[2]

"""Patterns: named ones on what is open, lift over the parts, discovered ones that are repeatable."""

from datetime import timedelta

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from models.patterns.discover import candidates
from models.patterns.find import find
from models.patterns.history import history
from models.patterns.learn import Learned, learn, nothing_learned
from models.patterns.lift import measure, worth_keeping
from models.patterns.rules import NAMED, Rule
from models.signals.detect import detect
from models.signals.frames import Frames
from models.signals.outcomes import wilson
from models.signals.registry import SIGNAL_TYPES
from tests.unit.models.signals.builders import AS_OF, accounts, opportunities, stage_norms

SLIDING = {"days_in_stage": 20.0, "days_since_last_activity": 20.0}
ZOMBIE = next(rule for rule in NAMED if rule.pattern_type == "zombie_deal")


def frames(*rows: dict[str, object]) -> Frames:
    return Frames(opportunities=opportunities(*rows), stage_norms=stage_norms({}, {"customer_id": "t2"}))


def past(*groups: tuple[int, bool, bool, bool], customer: str = "t1") -> pl.DataFrame:
    """History with (number of deals, aging, dark, won) a group."""
    rows = [
        {
            "customer_id": customer,
            "entity_id": f"{g}-{i}",
            "deal_aging": aging,
            "going_dark": dark,
            "won": won,
            "stage": "proposal",
            "contacts_engaged_30d": 1.0,
        }
        for g, (n, aging, dark, won) in enumerate(groups)
        for i in range(n)
    ]
    return pl.DataFrame(rows).with_columns(
        pl.lit(value=False).alias(name) for name in SIGNAL_TYPES if name not in ("deal_aging", "going_dark")
    )


def test_members_that_occur_together_make_a_pattern_at_prior_confidence() -> None:
    given = frames(SLIDING, {"opportunity_id": "o2", "days_in_stage": 20.0}, SLIDING | {"customer_id": "t2"})
    signals = detect(given, as_of=AS_OF)
    patterns, members = find(signals, given, nothing_learned())
    assert patterns.select("customer_id", "entity_id", "pattern_type").rows() == [
        ("t1", "opportunity-1", "silent_slide"),
        ("t2", "opportunity-1", "silent_slide"),
    ]
    first = patterns.row(0, named=True)
    assert (first["confidence"], first["confidence_low"], first["confidence_high"], first["lift"]) == (
        0.5,
        0.2,
        0.8,
        None,
    )
    assert '"basis":"prior"' in first["data"]
    keys = members.filter(customer_id="t1")["signal_key"].to_list()
    assert [key.partition(":")[0] for key in keys] == ["deal_stalled", "going_dark"]


def _cluster(*members: str) -> Rule:
    return Rule(pattern_type="+".join(members), entity_type="opportunity", polarity="-", title="", stability=0.9,
                groups=tuple((name,) for name in members))  # fmt: skip


_BOTH, _HALF = pl.col("deal_aging") & pl.col("going_dark"), pl.int_range(pl.len()) % 2 == 0


@pytest.mark.parametrize(
    ("third", "more"), [(_HALF, False), (pl.when(_BOTH).then(~pl.col("won")).otherwise(_HALF), True)]
)
def test_a_wider_cluster_must_say_more_than_the_one_within_it(third: pl.Expr, more: bool) -> None:
    rows = past((100, True, True, False), (25, True, True, True), (125, True, False, True), (125, False, True, True))
    rows = pl.concat([rows, past((200, False, False, False)).with_columns(entity_id=pl.lit("x") + pl.col("entity_id"))])
    rows = rows.with_columns(single_threaded=third)
    narrow, wide = _cluster("deal_aging", "going_dark"), _cluster("deal_aging", "going_dark", "single_threaded")
    assert worth_keeping(rows, [wide, narrow]) == ([narrow, wide] if more else [narrow])


def test_conditions_on_the_entity_count() -> None:
    busy = {"engagement_week": 9.0, "engagement_prior_week_mean": 1.0}
    given = Frames(accounts=accounts(busy, busy | {"account_id": "a2", "open_opportunities": 1.0},
                                     busy | {"account_id": "a3", "won_opportunities": 1.0}))  # fmt: skip
    patterns, _ = find(detect(given, as_of=AS_OF), given, nothing_learned())
    assert patterns.select("entity_id", "pattern_type", "polarity").rows() == [
        ("a3", "expansion_window", "+"),
        ("account-1", "in_market_no_deal", "+"),
    ]


def test_lift_is_over_the_best_part() -> None:
    rows = past((40, True, True, False), (40, True, False, True), (40, False, True, True), (80, False, False, True))
    [rate] = measure(rows, ZOMBIE).to_dicts()
    assert (rate["support"], rate["confidence"], rate["lift"], rate["kept"]) == (40, 1.0, 2.0, True)
    assert rate["confidence_low"] < 1.0


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (past((10, True, True, False), (90, False, False, True)), "too few"),
        (past((40, True, True, True), (40, True, False, False), (40, False, False, True)), "no lift"),
        (past((40, True, True, False), (40, False, True, False), (40, False, False, False)), "no better than a part"),
    ],
)
def test_without_support_or_lift_it_is_not_kept(rows: pl.DataFrame, why: str) -> None:
    [rate] = measure(rows, ZOMBIE).to_dicts()
    assert not rate["kept"], why


def test_a_pattern_that_history_speaks_against_is_not_found() -> None:
    given = frames({"age_days": 40.0, "days_since_last_activity": 20.0})
    signals = detect(given, as_of=AS_OF)
    against = learn({"opportunity": past((40, True, True, True), (40, True, False, False), (40, False, False, True))})
    known = find(signals, given, nothing_learned())[0]["pattern_type"].to_list()
    assert "zombie_deal" in known
    assert "zombie_deal" not in find(signals, given, against)[0]["pattern_type"].to_list()


def test_observed_confidence_replaces_the_prior() -> None:
    given = frames({"age_days": 40.0, "days_since_last_activity": 20.0})
    rows = past((40, True, True, False), (40, True, False, True), (40, False, True, True), (80, False, False, True))
    zombie = find(detect(given, as_of=AS_OF), given, learn({"opportunity": rows}))[0].filter(pattern_type="zombie_deal")
    assert zombie["lift"].to_list() == [2.0]
    assert '"basis":"observed"' in zombie["data"][0]


def test_discovered_clusters_are_repeatable_and_belong_to_their_tenant() -> None:
    rows = past((60, False, False, True), (60, False, False, False)).with_columns(
        (pl.col("won").not_() & (pl.int_range(pl.len()) % 2 == 0)).alias("both")
    )
    rows = rows.with_columns(
        (pl.col("both") | (pl.int_range(pl.len()) % 7 == 0)).alias("no_next_step"),
        (pl.col("both") | (pl.int_range(pl.len()) % 5 == 1)).alias("single_threaded"),
    )
    learned = learn({"opportunity": rows})
    [rule] = learned.discovered["t1"]
    assert rule.members == ("no_next_step", "single_threaded")
    assert rule == candidates(rows.reverse(), "opportunity")[0]
    shape = {"has_next_step": 0.0, "contacts_engaged_30d": 1.0}
    planned = {"opportunity_id": "o2", "has_next_step": 1.0}
    given = frames(shape, planned, shape | {"customer_id": "t2"}, planned | {"customer_id": "t2"})
    patterns, _ = find(detect(given, as_of=AS_OF), given, learned)
    found = patterns.filter(pl.col("pattern_type") == rule.pattern_type)
    assert found["customer_id"].to_list() == ["t1"]
    assert len(rule.pattern_type) <= 50


def test_history_holds_only_what_was_decided_in_time() -> None:
    snapshots = frames(
        {"opportunity_id": "won"}, {"opportunity_id": "late"}, {"opportunity_id": "open"},
        {"opportunity_id": "won", "as_of": AS_OF + timedelta(days=9)},
    )  # fmt: skip
    outcomes = pl.DataFrame(
        {
            "customer_id": ["t1"] * 3,
            "opportunity_id": ["won", "late", "open"],
            "outcome": ["won", "lost", "open"],
            "decided_at": [AS_OF + timedelta(days=5), AS_OF + timedelta(days=50), None],
        }
    )
    rows = history(snapshots, outcomes, "opportunity", as_of=AS_OF + timedelta(days=30))
    assert rows.select("entity_id", "won").rows() == [("won", True)]
    assert rows["as_of"].to_list() == [AS_OF]


def test_wilson_interval() -> None:
    frame = pl.DataFrame({"hits": [8], "total": [10]})
    low, high = (frame.select(wilson(pl.col("hits"), pl.col("total"), upper=end)).item() for end in (False, True))
    assert (round(low, 3), round(high, 3)) == (0.541, 0.931)


def test_no_signals_no_patterns() -> None:
    patterns, members = find(detect(Frames(), as_of=AS_OF), Frames(), Learned(nothing_learned().rates, {}))
    assert patterns.is_empty()
    assert members.is_empty()


def test_the_order_of_signals_does_not_matter() -> None:
    given = frames(SLIDING, SLIDING | {"customer_id": "t2"})
    signals = detect(given, as_of=AS_OF)
    for straight, turned in zip(
        find(signals, given, nothing_learned()), find(signals.reverse(), given, nothing_learned()), strict=True
    ):
        assert_frame_equal(straight, turned)


def test_rules_name_known_signals() -> None:
    def unknown(rule: Rule) -> set[str]:
        return set(rule.members) - set(SIGNAL_TYPES)

    assert [unknown(rule) for rule in NAMED if unknown(rule)] == []

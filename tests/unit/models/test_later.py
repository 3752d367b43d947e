"""What a version did not learn from: later outcomes of entities of which nothing was known."""

from datetime import timedelta

import numpy as np

from models.later import known
from models.schema import RECIPES


def test_taught_and_later_rows_share_no_entity(marts, now):
    snapshots, outcomes = marts(n=200, moments=(0, 7, 14))
    for score_type in ("conversion", "intent"):
        rows = known(RECIPES[score_type], snapshots, outcomes, as_of=now)
        since = now - timedelta(days=290)
        taught, later = rows.until(since), rows.after(since)
        assert len(taught.rows.y) > 20
        assert len(later.rows.y) > 20
        assert not set(taught.rows.entity) & set(later.rows.entity), score_type
        assert (later.at > since.timestamp() * 1e6).all()


def test_a_version_of_that_instant_learned_from_exactly_the_taught(marts, now):
    snapshots, outcomes = marts(n=200, moments=(0, 7))
    since = now - timedelta(days=290)
    for score_type in ("conversion", "intent"):
        then = known(RECIPES[score_type], snapshots, outcomes, as_of=since)
        taught = known(RECIPES[score_type], snapshots, outcomes, as_of=now).until(since)
        assert sorted(taught.rows.frame["feature_hash"]) == sorted(then.rows.frame["feature_hash"])


def test_first_rows_come_in_the_order_of_their_outcomes(marts, now):
    snapshots, outcomes = marts(n=50, moments=(0, 7))
    firsts = known(RECIPES["conversion"], snapshots, outcomes, as_of=now).firsts()
    assert len(firsts.rows.y) == firsts.rows.entities == 50
    assert set(firsts.rows.frame["moment"]) == {"created+0d"}
    assert (np.diff(firsts.at) >= 0).all()
    own = outcomes.filter(outcomes["lead_id"] == firsts.rows.frame["lead_id"][0])
    assert firsts.rows.y[0] == (own["outcome"][0] == "won")

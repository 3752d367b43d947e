"""The scoreboard on tenants with a known truth: what means something stays, what means nothing is muted, by rule."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from models.signals.detector import Detector
from models.signals.detectors import going_dark, high_intent_action
from models.signals.scoreboard import COUNTS, count
from models.signals.standing import FEEDBACK, judge
from tests.unit.models.signals.builders import AS_OF

GOOD = replace(going_dark.DETECTOR, signal_type="planted_good")
USELESS = replace(going_dark.DETECTOR, signal_type="planted_useless")
CHEERFUL = replace(high_intent_action.DETECTOR, signal_type="planted_cheerful", entity_types=("opportunity",))
PLANTED: tuple[Detector, ...] = (GOOD, USELESS, CHEERFUL)
NOBODY = pl.DataFrame(schema={"customer_id": pl.String, "signal_type": pl.String})
NO_ANSWERS = pl.DataFrame(schema=FEEDBACK)
NO_OTHERS = pl.DataFrame(schema=COUNTS)


def team(n: int, *, seed: int = 1, tenant: str = "t1") -> dict[str, pl.DataFrame]:
    """`n` decided deals, each seen at three moments. Losing ones show `planted_good` and winning ones
    `planted_cheerful` more often; `planted_useless` knows nothing. Who is old has lost more often, whatever is seen.
    """
    rng = np.random.default_rng(seed)
    won = rng.random(n) < 0.3
    seen = 1 + (rng.random(n) < np.where(won, 0.4, 0.9)) + (rng.random(n) < 0.7)
    rows = [
        {
            "customer_id": tenant, "entity_id": f"o{i}", "moment": f"opened+{moment}d", "stage": "proposal",
            "as_of": AS_OF + timedelta(days=moment), "won": bool(won[i]),
            "decided_at": AS_OF + timedelta(days=20 + int(seen[i]) * 7),
            "planted_good": bool(rng.random() < (0.1 if won[i] else 0.4)),
            "planted_useless": bool(rng.random() < 0.3),
            "planted_cheerful": bool(rng.random() < (0.4 if won[i] else 0.2)),
        }
        for i in range(n)
        for moment in (0, 7, 14)[: seen[i]]
    ]  # fmt: skip
    return {"opportunity": pl.DataFrame(rows)}


def standing(
    counts: pl.DataFrame, *, muted: pl.DataFrame = NOBODY, feedback: pl.DataFrame = NO_ANSWERS, shared: Any = NO_OTHERS
) -> dict[str, dict[str, Any]]:
    rows = judge(counts, feedback, muted, shared).to_dicts()
    return {row["signal_type"]: row for row in rows}


def test_the_planted_useless_detector_is_muted_and_the_good_ones_are_kept() -> None:
    found = standing(count(team(1500), PLANTED))
    assert {name: row["muted"] for name, row in found.items()} == {
        "planted_good": False, "planted_useless": True, "planted_cheerful": False
    }  # fmt: skip
    assert "as others do" in found["planted_useless"]["reason"]
    assert found["planted_good"]["lift_low"] > 1.05
    assert found["planted_cheerful"]["lift_low"] > 1.05
    assert found["planted_useless"]["weight"] < 1 < found["planted_good"]["weight"]
    assert found["planted_good"]["reason"] is None


def test_figures_are_of_entities_from_the_first_time_they_showed_it() -> None:
    rows = [
        ("o1", 0, False, False, 20), ("o1", 7, True, False, 20), ("o1", 14, True, False, 20),
        ("o2", 0, True, True, 30), ("o2", 7, False, True, 30), ("o3", 0, False, True, 9), ("o4", 0, True, False, 4),
    ]  # fmt: skip
    past = pl.DataFrame(
        {
            "customer_id": "t1", "entity_id": entity, "moment": f"opened+{day}d", "stage": "proposal",
            "as_of": AS_OF + timedelta(days=day), "planted_good": shown, "won": won,
            "decided_at": AS_OF + timedelta(days=end),
        }
        for entity, day, shown, won, end in rows
    )  # fmt: skip
    row = count({"opportunity": past}, (GOOD,)).row(0, named=True)
    assert (row["n"], row["hits"]) == (3, 2), "o1 from day 7, o2, o4"
    # at day 0 of four two did not show it, one of which was lost; at day 7 one of two, which was won; at 14 nobody else
    entities_of_rows = 3 / 4
    alike = {name: share * entities_of_rows for name, share in {"o1": 1 / 2, "o2": 2 / 4, "o4": 2 / 4}.items()}
    assert row["votes"] == pytest.approx(sum(alike.values()))
    assert row["votes_right"] == pytest.approx(alike["o1"] + alike["o4"])
    won = {"o1": (1 + 0.5) / 2, "o2": (1 + 0.5) / 3, "o4": (1 + 0.5) / 3}
    assert row["expected"] == pytest.approx(sum(votes * (1 - won[name]) for name, votes in alike.items()))
    assert row["lead_days"] == pytest.approx((13 + 4) / 2)
    judged = standing(count({"opportunity": past}, (GOOD,)))["planted_good"]
    assert judged["precision"] == pytest.approx(2 / 3, abs=1e-6)
    assert judged["precision_low"] < 2 / 3 < judged["precision_high"]
    assert (judged["muted"], judged["weight"]) == (False, 1.0), "three deals say nothing"


def test_being_old_is_no_merit() -> None:
    """What is seen on old deals has a lift over all of them; over deals of that age it has none."""
    past = team(6000)["opportunity"]
    lots = np.random.default_rng(9).random(past.height) < 0.5
    late = past.with_columns(planted_good=(pl.col("moment") == "opened+14d") & pl.Series(lots))
    row = count({"opportunity": late}, (GOOD,)).row(0, named=True)
    assert row["votes_right"] == pytest.approx(row["expected"], rel=0.03)
    assert row["hits"] / row["n"] > 1.03 * (1 - float(past.unique("entity_id")["won"].mean()))  # type: ignore[arg-type]  # a share


def test_what_everybody_shows_tells_nobody_apart() -> None:
    """At first all deals show it; what it says later is not diluted by that."""
    past = team(1500)["opportunity"].with_columns(
        planted_good=(pl.col("moment") == "opened+0d") | pl.col("planted_good")
    )
    row = standing(count({"opportunity": past}, (GOOD,)))["planted_good"]
    assert (row["n"], row["muted"]) == (1500, False)
    assert row["votes"] < 400
    assert row["lift_low"] > 1.05


@pytest.mark.parametrize("seed", range(8))
def test_a_new_tenant_mutes_nothing_by_chance(seed: int) -> None:
    assert not any(row["muted"] for row in standing(count(team(60, seed=seed), PLANTED)).values())


def test_what_others_have_seen_is_where_a_tenant_starts() -> None:
    counts = count(team(80), PLANTED)
    bad = pl.concat([count(team(1500, seed=seed, tenant=f"x{seed}"), PLANTED) for seed in (5, 6)])
    alone, informed = standing(counts), standing(counts, shared=bad)
    assert informed["planted_useless"]["odds"] < alone["planted_useless"]["odds"]
    assert informed["planted_good"]["odds"] > alone["planted_good"]["odds"]
    itself = standing(counts, shared=counts)
    assert itself["planted_good"]["odds"] == alone["planted_good"]["odds"], "a tenant does not count twice"


def test_a_muted_detector_comes_back_when_evidence_does_and_not_before() -> None:
    def row(hits: int) -> pl.DataFrame:
        named = {"customer_id": "t1", "signal_type": "planted_good", "n": 1000, "hits": hits, "expected": 300.0}
        named |= {"votes": 1000.0, "votes_right": float(hits)}
        return pl.DataFrame(
            [named | dict.fromkeys(("lead_days", "lead_days_low", "lead_days_high"), 1.0)], schema=COUNTS
        )

    before = NOBODY.vstack(pl.DataFrame({"customer_id": ["t1"], "signal_type": ["planted_good"]}))
    fates = [
        (hits, standing(row(hits))["planted_good"]["muted"], standing(row(hits), muted=before)["planted_good"]["muted"])
        for hits in (300, 330, 345, 400)
    ]
    assert fates == [(300, True, True), (330, False, True), (345, False, False), (400, False, False)]


@pytest.mark.parametrize(("wrong", "muted"), [(9, True), (5, False)])
def test_people_who_call_it_wrong_mute_it_too(wrong: int, muted: bool) -> None:
    said = pl.DataFrame([("t1", "planted_good", 10, wrong, 0)], schema=FEEDBACK, orient="row")
    row = standing(count(team(60), PLANTED), feedback=said)["planted_good"]
    assert (row["muted"], row["wrong"]) == (muted, wrong)
    alone = standing(NO_OTHERS, feedback=said)["planted_good"]
    assert (alone["muted"], alone["n"], alone["precision"], alone["lift"]) == (muted, 0, None, None)


def test_what_people_call_wrong_is_a_case_that_missed() -> None:
    counts = count(team(80), PLANTED)
    silent = standing(counts)["planted_good"]
    said = pl.DataFrame([("t1", "planted_good", 9, 6, 3)], schema=FEEDBACK, orient="row")
    told = standing(counts, feedback=said)["planted_good"]
    assert told["precision"] == pytest.approx(silent["hits"] / (silent["n"] + 6), abs=1e-6)
    assert (told["n"], told["hits"], told["votes"]) == (silent["n"], silent["hits"], silent["votes"]), "counted apart"
    for figure in ("precision_low", "precision_high", "odds", "lift", "weight"):
        assert told[figure] <= silent[figure], figure
    assert told["odds"] < silent["odds"]


def test_detectors_of_incomplete_records_are_not_judged_by_outcomes() -> None:
    hygiene = replace(USELESS, predicts=False)
    assert count(team(1500), (hygiene,)).is_empty()
    assert count({}, PLANTED).schema == pl.Schema(COUNTS)

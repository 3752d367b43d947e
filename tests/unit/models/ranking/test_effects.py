"""Effects: the prior where there is nothing to learn from, shrinkage where there is little, the truth where much."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from models.ranking.catalogue import ACTIONS, BY_TYPE
from models.ranking.effects import MAX_EFFECT, estimate, priors, treatments
from tests.unit.models.signals.builders import AS_OF


def history(n: int, effect: float, *, seed: int = 7, customer: str = "t1") -> pl.DataFrame:
    """Deals whose odds to win were moved by `effect` where they were called."""
    random = np.random.default_rng(seed)
    logit = random.normal(-0.5, 1.0, n)
    called = random.random(n) < 0.5
    won = random.random(n) < 1 / (1 + np.exp(-(logit + effect * called)))
    return pl.DataFrame(
        {
            "customer_id": [customer] * n, "entity_type": ["opportunity"] * n, "entity_id": [f"o{i}" for i in range(n)],
            "as_of": [AS_OF] * n, "logit": logit, "call_7d": called, "email_7d": [False] * n,
            "meeting_7d": [False] * n, "task_7d": [False] * n, "won": won,
        }
    )  # fmt: skip


def of_call(frame: pl.DataFrame) -> dict[str, float | str]:
    return frame.filter(entity_type="opportunity", action_type="call").row(0, named=True)


def test_without_history_the_prior_and_it_says_so() -> None:
    row = of_call(priors(["t1"]))
    assert (row["effect"], row["effect_sd"], row["basis"]) == (*BY_TYPE["call"].prior, "prior")
    assert row["effect_low"] < 0 < row["effect_high"]


def test_much_history_finds_the_effect() -> None:
    row = of_call(estimate(history(6000, 0.5), ["t1"]))
    assert row["basis"] == "associative"
    assert row["effect"] == pytest.approx(0.5, abs=0.12)
    assert row["effect_low"] > 0
    assert row["effect_sd"] < BY_TYPE["call"].prior[1] / 2


def test_a_harmful_action_is_not_made_helpful_by_its_prior() -> None:
    assert of_call(estimate(history(6000, -0.6), ["t1"]))["effect"] < -0.3


def test_little_history_stays_near_the_prior_and_few_cases_are_not_used() -> None:
    prior = BY_TYPE["call"].prior[0]
    some = of_call(estimate(history(150, 2.0), ["t1"]))
    assert prior < float(some["effect"]) <= MAX_EFFECT
    few = of_call(estimate(history(40, 2.0), ["t1"]))
    assert (few["basis"], few["effect"]) == ("prior", prior)


@pytest.mark.parametrize("effect", [3.0, -3.0])
def test_an_effect_beyond_belief_is_not_believed(effect: float) -> None:
    row = of_call(estimate(history(6000, effect), ["t1"]))
    assert (row["effect"], row["basis"]) == (BY_TYPE["call"].prior[0], "prior")


def test_an_entity_has_one_vote_however_many_snapshots() -> None:
    once = history(400, 0.5)
    thrice = pl.concat([once.with_columns(as_of=pl.col("as_of") + timedelta(days=i)) for i in range(3)])
    single, repeated = (of_call(estimate(rows, ["t1"])) for rows in (once, thrice))
    assert repeated["effect"] == pytest.approx(single["effect"], abs=1e-6)
    assert repeated["effect_sd"] == pytest.approx(single["effect_sd"], abs=1e-6)


def test_tenants_do_not_share_and_all_actions_are_covered() -> None:
    frame = estimate(pl.concat([history(3000, 0.5), history(3000, -0.5, customer="t2")]), ["t1", "t2", "t3"])
    effects = frame.filter(entity_type="opportunity", action_type="call").sort("customer_id")["effect"].to_list()
    assert effects[0] > 0.2 > -0.2 > effects[1]
    assert effects[2] == BY_TYPE["call"].prior[0]
    per_tenant = sum(len(action.entity_types) for action in ACTIONS)
    assert frame.height == 3 * per_tenant


def test_treatments_know_only_what_was_decided_by_then_and_leave_out_the_window() -> None:
    days = {"in_window": 5, "fine": 20, "future": 60}
    names = list(days)
    scores = pl.DataFrame({"customer_id": "t1", "entity_type": "opportunity", "entity_id": names,
                           "as_of": [AS_OF] * 3, "logit": [0.0] * 3})  # fmt: skip
    actions = pl.DataFrame({"customer_id": "t1", "opportunity_id": names, "as_of": [AS_OF] * 3, "call_7d": [True] * 3})
    outcomes = pl.DataFrame({"customer_id": "t1", "opportunity_id": names, "outcome": ["won"] * 3,
                             "decided_at": [AS_OF + timedelta(days=d) for d in days.values()]})  # fmt: skip
    rows = treatments(scores, actions, outcomes, "opportunity", as_of=AS_OF + timedelta(days=30))
    assert rows["entity_id"].to_list() == ["fine"]

"""A report on known truths: skill is seen beside other models, its absence is not hidden."""

import numpy as np
import pytest

from models.comparisons import PLAIN_BOOSTING, PLAIN_LOGISTIC
from models.evaluation import RULE, evaluate_dataset

KEYS = {
    "model", "moment", "n", "auc", "auc_low", "auc_high", "pr_auc", "brier", "brier_base", "ece", "ece_noise",
    "mean_off", "lift", "rule_auc", "positives", "within_10_points",
}  # fmt: skip


def constant(rows):
    assert rows.taught.shape == (len(rows.y), rows.asked.shape[1])
    return np.full(len(rows.asked), rows.y.mean())


@pytest.fixture(scope="module")
def judged(marts, now):
    snapshots, outcomes = marts(n=900, effect=1.2, moments=(0, 7))
    return evaluate_dataset(
        "conversion",
        snapshots,
        outcomes,
        as_of=now,
        moments=["created+7d"],
        rule="inbound_total",
        others={"constant": constant},
    )[0]


def test_rows_name_ours_and_the_others(judged):
    names = ["conversion", RULE, PLAIN_LOGISTIC, PLAIN_BOOSTING, "constant"]
    assert [row["model"] for row in judged.rows] == names
    assert all(row.keys() >= KEYS and row["n"] == 270 for row in judged.rows)
    assert list(judged.curves["gains"]) == names


def test_skill_beats_the_rule_of_thumb_and_the_base_rate(judged):
    ours = judged.rows[0]
    assert ours["auc_low"] <= ours["auc"] <= ours["auc_high"]
    assert ours["auc"] > ours["rule_auc"]
    assert ours["brier"] < ours["brier_base"]
    assert ours["ece"] < 2.5 * ours["ece_noise"]


def test_differences_are_of_the_same_rows_and_positive_where_ours_is_better(judged):
    ours, rule, *_, flat = judged.rows
    assert flat["auc"] == 0.5
    assert flat["auc_ahead"] == pytest.approx(ours["auc"] - 0.5)
    assert 0 < flat["auc_ahead_low"] < flat["auc_ahead"] < flat["auc_ahead_high"]
    assert flat["brier_ahead"] == pytest.approx(flat["brier"] - ours["brier"])
    assert 0 < flat["brier_ahead_low"] < flat["brier_ahead"] < flat["brier_ahead_high"]
    assert rule["brier"] is rule["ece"] is rule["brier_ahead"] is None


def test_curves_hold_every_judged_row_once(judged):
    y_rate = judged.rows[0]["positives"] / 270
    for curve in (judged.curves["reliability"], judged.curves["over_time"]):
        assert sum(point["n"] for point in curve) == 270
        assert sum(point["n"] * point["observed"] for point in curve) / 270 == pytest.approx(y_rate)
    starts = [span["from"] for span in judged.curves["over_time"]]
    assert starts == sorted(starts)
    assert judged.curves["gains"]["conversion"][-1] == {"share": 1.0, "reached": 1.0, "lift": 1.0}
    assert judged.curves["gains"]["conversion"][1]["lift"] == pytest.approx(judged.rows[0]["lift"])


def test_a_null_set_gets_no_confident_score(marts, now):
    snapshots, outcomes = marts("opportunity", n=900, effect=0.0, rate=0.63)
    ours = evaluate_dataset("win", snapshots, outcomes, as_of=now)[0].rows[0]
    assert ours["within_10_points"] >= 0.95
    assert ours["display"] == "rules"


def test_a_rule_may_be_a_custom_field(marts, now):
    snapshots, outcomes = marts(n=280)
    rows = evaluate_dataset("conversion", snapshots, outcomes, as_of=now, rule="attributes.size")[0].rows
    assert rows[0]["rule_auc"] == rows[1]["auc"] == pytest.approx(0.5, abs=0.15)

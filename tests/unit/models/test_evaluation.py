"""A report on known truths: skill is seen beside plain models, its absence is not hidden."""

import pytest

from models.evaluation import PLAIN_BOOSTING, PLAIN_LOGISTIC, evaluate_dataset

KEYS = {
    "model", "moment", "n", "auc", "auc_low", "auc_high", "pr_auc", "brier", "brier_base", "ece", "lift", "rule_auc",
}  # fmt: skip


@pytest.fixture(scope="module")
def rows(marts, now):
    snapshots, outcomes = marts(n=1200, effect=1.2, moments=(0, 7))
    return evaluate_dataset("conversion", snapshots, outcomes, as_of=now, moments=["created+7d"], rule="inbound_total")


def test_rows_name_ours_and_the_plain_models(rows):
    assert [row["model"] for row in rows] == ["conversion", PLAIN_LOGISTIC, PLAIN_BOOSTING]
    assert all(row.keys() >= KEYS and row["n"] == 360 for row in rows)


def test_skill_beats_the_rule_of_thumb_and_the_base_rate(rows):
    ours = rows[0]
    assert ours["auc_low"] <= ours["auc"] <= ours["auc_high"]
    assert ours["auc"] > ours["rule_auc"]
    assert ours["brier"] < ours["brier_base"]
    assert ours["ece"] < 2.5 * ours["ece_noise"]


def test_a_null_set_gets_no_confident_score(marts, now):
    snapshots, outcomes = marts("opportunity", n=1500, effect=0.0, rate=0.63)
    ours = evaluate_dataset("win", snapshots, outcomes, as_of=now)[0]
    assert ours["within_10_points"] >= 0.95
    assert ours["display"] == "rules"


def test_a_rule_may_be_a_custom_field(marts, now):
    snapshots, outcomes = marts(n=400)
    rows = evaluate_dataset("conversion", snapshots, outcomes, as_of=now, rule="attributes.size")
    assert rows[0]["rule_auc"] == pytest.approx(0.5, abs=0.12)

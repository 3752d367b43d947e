"""From marts to scores: skill is found, its absence admitted, tenants stay apart, nothing jumps."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from models import display
from models.errors import LeakingColumns
from models.schema import SCORE_TYPES, SCORES
from models.training import train, train_apart


def logits(model, frame):
    return model.score(frame, explain=False)["logit"].to_numpy()


def summed(scores):
    parts = pl.col("reasons").list.eval(pl.element().struct.field("contribution")).list.sum()
    return scores.select(pl.col("baseline_logit") + parts).to_series().to_numpy()


@pytest.fixture(scope="module")
def skilled(marts, now):
    snapshots, outcomes = marts(n=900, effect=1.2, moments=(0, 7))
    return train("conversion", snapshots, outcomes, as_of=now, bags=2), snapshots, outcomes


def test_scores_have_the_promised_shape(skilled):
    model, snapshots, _ = skilled
    scores = model.score(snapshots)
    assert dict(scores.schema) == dict(pl.Schema(SCORES))
    assert scores["entity_id"].to_list() == snapshots["lead_id"].to_list()
    assert scores["rank"].sort().to_list() == list(range(1, snapshots.height + 1))
    assert scores["points"].is_between(0, 100).all()
    assert set(scores["band"].unique()) == set("ABCD")
    inside = (pl.col("probability_low") < pl.col("probability")) & (pl.col("probability") < pl.col("probability_high"))
    assert scores.select(inside.all()).item()


def test_reasons_sum_to_the_logit(skilled):
    model, snapshots, _ = skilled
    scores = model.score(snapshots)
    np.testing.assert_allclose(summed(scores), scores["logit"].to_numpy(), rtol=0, atol=1e-9)
    assert scores["reasons"].list.len().max() <= 11
    assert scores.select(pl.col("reasons").list.last().struct.field("code")).to_series().unique().to_list() == ["other"]


def test_skill_is_found_and_shown_as_a_probability(skilled):
    model, _, _ = skilled
    facts = model.facts("t1")
    assert facts.display == display.PROBABILITY
    assert facts.metrics["auc"] > 0.75
    assert facts.metrics["brier"] < facts.metrics["brier_base"]


def test_same_input_same_model(skilled, now):
    model, snapshots, outcomes = skilled
    again = train("conversion", snapshots, outcomes, as_of=now, bags=2)
    assert again.version_id == model.version_id
    np.testing.assert_array_equal(logits(again, snapshots), logits(model, snapshots))


def test_tenants_side_by_side_are_learned_as_one_after_the_other(marts, now):
    parts = {f"t{n}": marts(tenant=f"t{n}", n=60, seed=n) for n in range(3)}
    pool = tuple(pl.concat(part) for part in zip(*parts.values(), strict=True))
    versions = {
        train_apart("conversion", pool, iter(parts.items()), as_of=now, bags=2, workers=workers).version_id
        for workers in (1, 3)
    }
    assert len(versions) == 1


def test_order_of_rows_does_not_matter_to_scores(skilled):
    model, snapshots, _ = skilled
    mixed = snapshots.sample(fraction=1.0, shuffle=True, seed=4)
    np.testing.assert_array_equal(
        logits(model, mixed.sort("feature_hash")), logits(model, snapshots.sort("feature_hash"))
    )


def test_without_skill_scores_collapse_to_the_base_rate(marts, now):
    snapshots, outcomes = marts(n=2000, effect=0.0, rate=0.6)
    model = train("conversion", snapshots, outcomes, as_of=now, bags=0)
    p = model.score(snapshots, explain=False)["probability"].to_numpy()
    assert np.mean(np.abs(p - 0.6) < 0.1) >= 0.95
    assert model.facts("t1").display == display.RULES
    assert "base rate" in model.facts("t1").display_reason


@pytest.mark.parametrize("score_type", SCORE_TYPES)
def test_every_score_starts_without_any_outcome(marts, now, score_type):
    snapshots, outcomes = marts("opportunity" if score_type == "win" else "lead", n=5)
    model = train(score_type, snapshots, outcomes.with_columns(outcome=pl.lit("open")), as_of=now)
    scores = model.score(snapshots)
    assert (scores["probability_high"] - scores["probability_low"] > 0.3).all()
    assert model.facts("t1").display == display.RULES
    assert scores["band"].unique().to_list() == ["C"]


def test_a_new_tenant_is_scored_by_the_pool_and_wide(skilled, marts):
    model, _, _ = skilled
    stranger, _ = marts(tenant="t2", n=50)
    known, new = (
        model.score(frame, explain=False) for frame in (stranger.with_columns(customer_id=pl.lit("t1")), stranger)
    )
    width = [float((s["probability_high"] - s["probability_low"]).mean()) for s in (known, new)]
    assert width[1] > 2 * width[0]
    replies = stranger["inbound_total"].to_numpy()
    assert new["logit"].to_numpy()[replies >= 1].mean() > new["logit"].to_numpy()[replies == 0].mean()


def test_no_cliff_as_outcomes_come_in(marts, now):
    snapshots, outcomes = marts(n=90, effect=1.0)
    rates = []
    for n in (0, 10, 19, 21, 30, 60, 90):
        known = outcomes.with_columns(
            outcome=pl.when(pl.int_range(pl.len()) < n).then("outcome").otherwise(pl.lit("open"))
        )
        model = train("conversion", snapshots, known, as_of=now, bags=0)
        rates.append(float(model.score(snapshots, explain=False)["probability"].mean()))
    assert max(abs(np.diff(rates[1:]))) < 0.15


def test_another_tenants_words_never_show(marts, now):
    (first, first_outcomes), (second, second_outcomes) = marts(tenant="t1"), marts(tenant="t2", n=40, seed=9)
    second = second.with_columns(attributes=pl.lit('{"secret_plan": "yes"}'), source=pl.lit("whisper"))
    model = train(
        "conversion", pl.concat([first, second]), pl.concat([first_outcomes, second_outcomes]), as_of=now, bags=0
    )
    told = model.score(second).explode("reasons").unnest("reasons")
    assert not told["feature"].drop_nulls().is_in(["attributes.color", "attributes.size"]).any()
    told = model.score(first).explode("reasons").unnest("reasons")
    assert not told["text"].str.contains("secret|whisper").any()


def test_an_opted_out_tenant_neither_gives_nor_takes(marts, now):
    (first, first_outcomes), (second, second_outcomes) = marts(tenant="t1"), marts(tenant="t2", seed=9, effect=-1.0)
    both, ended = pl.concat([first, second]), pl.concat([first_outcomes, second_outcomes])
    apart = train("conversion", both, ended, as_of=now, bags=0, opted_out={"t2"})
    alone = train("conversion", first, first_outcomes, as_of=now, bags=0)
    np.testing.assert_array_equal(logits(apart, first), logits(alone, first))
    own = train("conversion", second, second_outcomes, as_of=now, bags=0, opted_out={"t2"})
    np.testing.assert_array_equal(logits(apart, second), logits(own, second))


def test_nothing_decided_later_is_learned(marts):
    snapshots, outcomes = marts(n=300)
    as_of = datetime(2026, 2, 15, tzinfo=UTC)
    reversed_later = outcomes.with_columns(
        outcome=pl.when(pl.col("decided_at") > as_of)
        .then(pl.col("outcome").replace({"won": "lost", "lost": "won"}))
        .otherwise("outcome")
    )
    first, second = (train("conversion", snapshots, known, as_of=as_of, bags=0) for known in (outcomes, reversed_later))
    np.testing.assert_array_equal(logits(first, snapshots), logits(second, snapshots))


def test_refuses_leaks_at_training_and_at_scoring(skilled, now):
    model, snapshots, outcomes = skilled
    leaking = snapshots.with_columns(call_7d=pl.lit(True))
    with pytest.raises(LeakingColumns):
        train("conversion", leaking, outcomes, as_of=now)
    with pytest.raises(LeakingColumns):
        model.score(leaking)


def test_an_empty_frame_gives_an_empty_scores_frame(skilled):
    model, snapshots, _ = skilled
    assert dict(model.score(snapshots.clear()).schema) == dict(pl.Schema(SCORES))


def test_intervals_hold_the_true_probability(marts, now):
    snapshots, outcomes = marts(n=1500, effect=1.0, rate=0.4)
    model = train("conversion", snapshots, outcomes, as_of=now, bags=8)
    red = snapshots["attributes"].str.contains("red").to_numpy()
    fresh, _ = marts(n=1500, effect=1.0, rate=0.4)
    scores = model.score(fresh, explain=False)
    truth = np.log(0.4 / 0.6) + snapshots["inbound_total"].to_numpy() - 1.0 + 1.5 * red - 0.5
    seen = snapshots["inbound_total"].to_numpy() < 1.0  # only there is the reply count of the snapshot the true one
    p = 1 / (1 + np.exp(-truth))
    held = (scores["probability_low"].to_numpy() <= p) & (p <= scores["probability_high"].to_numpy())
    assert held[seen].mean() > 0.6
    assert (scores["probability_high"] - scores["probability_low"]).median() < 0.25


def test_window_says_what_was_learned_from(skilled, now):
    model, snapshots, _ = skilled
    assert model.window.as_of == now
    assert model.window.entities == 900
    assert model.window.trained_from == snapshots["created_at"].min()
    assert model.window.trained_to <= now - timedelta(days=20)

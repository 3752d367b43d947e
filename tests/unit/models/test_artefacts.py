"""Saved and loaded models score to the same bits; foreign files are refused."""

import pickle

import numpy as np
import pytest
import skops.io
from polars.testing import assert_frame_equal

from models import artefacts
from models.card import of_tenant, render
from models.errors import ContractChanged, MissingArtefact, UntrustedArtefact
from models.training import train


@pytest.fixture(scope="module")
def trained(marts, now):
    snapshots, outcomes = marts(n=400, moments=(0, 7))
    return train("conversion", snapshots, outcomes, as_of=now, bags=2), snapshots


def test_reloaded_model_scores_bit_for_bit(trained, tmp_path):
    model, snapshots = trained
    loaded = artefacts.load(artefacts.save(model, tmp_path / "deep" / "conversion.skops"))
    assert loaded.version_id == model.version_id
    assert loaded.window == model.window
    assert_frame_equal(loaded.score(snapshots), model.score(snapshots), check_exact=True)


def test_saving_leaves_nothing_else_behind(trained, tmp_path):
    artefacts.save(trained[0], tmp_path / "conversion.skops")
    assert [path.name for path in tmp_path.iterdir()] == ["conversion.skops"]


def test_card_tells_window_metrics_and_versions(trained, tmp_path):
    model, _ = trained
    card = artefacts.load_card(artefacts.save(model, tmp_path / "m.skops"))
    assert card["n"] == 400
    assert card["versions"]["scikit-learn"]
    assert card["tenants"]["t1"]["metrics"]["auc"] > 0.6
    text = render(card)
    assert model.version_id in text
    assert "| t1 | 400 |" in text


def test_a_card_says_how_many_were_drawn_of_how_many(trained):
    window = {"n_outcomes": 300, "n_rows": 300, "trained_from": None, "trained_to": None, "drawn": 350}
    card = artefacts.card(trained[0])
    assert "350 of 9000 entities" in render(of_tenant(card, "t1", window | {"of": 9000}))
    assert "drawn" not in render(of_tenant(card, "t1", window | {"of": 350}))


def test_no_file_is_a_named_error(tmp_path):
    with pytest.raises(MissingArtefact):
        artefacts.load(tmp_path / "none.skops")


def test_a_foreign_type_is_refused(tmp_path):
    path = tmp_path / "foreign.skops"
    path.write_bytes(skops.io.dumps({"format": 1, "model": np.random.default_rng, "card": {}}))
    with pytest.raises(UntrustedArtefact):
        artefacts.load(path)


def test_a_pickle_is_refused(tmp_path):
    path = tmp_path / "model.skops"
    path.write_bytes(pickle.dumps({"format": 1}))
    with pytest.raises(UntrustedArtefact):
        artefacts.load(path)


def test_another_contract_is_refused(trained, tmp_path):
    model, _ = trained
    state = model.state() | {"contract": "0" * 64}
    path = tmp_path / "old.skops"
    path.write_bytes(skops.io.dumps({"format": artefacts.FORMAT, "card": {}, "model": state}))
    with pytest.raises(ContractChanged):
        artefacts.load(path)


def test_an_artefact_of_before_scores_without_what_it_lacks(trained):
    model, snapshots = trained
    state = model.state()
    for head in (state["newcomer"], *state["heads"]):
        del head["doubt"], head["seen"], head["contrary"]
    older = type(model).from_state(state).score(snapshots)
    now = model.score(snapshots)
    assert older["logit"].equals(now["logit"])
    assert (older["probability_low"] >= now["probability_low"]).all()
    assert older.explode("reasons").unnest("reasons")["contrary_n"].null_count() == older["reasons"].list.len().sum()

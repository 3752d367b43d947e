"""At most five reasons each way, strongest first, and the rest accounted for."""

from dataclasses import replace

import numpy as np
import pytest

from models.explanations import reasons
from models.training import train


@pytest.fixture(scope="module")
def model(marts, now):
    snapshots, outcomes = marts(n=500, effect=1.2)
    return train("conversion", snapshots, outcomes, as_of=now, bags=0), snapshots


@pytest.fixture(scope="module")
def told(model):
    trained, snapshots = model
    return snapshots, trained.score(snapshots)["reasons"].to_list()


def test_for_comes_first_descending_then_against_then_other(told):
    for row in told[1][:100]:
        worth = [reason["contribution"] for reason in row[:-1]]
        up, down = [w for w in worth if w > 0], [w for w in worth if w < 0]
        assert worth == up + down
        assert up == sorted(up, reverse=True)
        assert down == sorted(down)
        assert max(len(up), len(down)) <= 5
        assert row[-1]["code"] == "other"


def test_codes_are_stable_and_tell_the_direction(told):
    for reason in told[1][0][:-1]:
        assert reason["code"] == f"{reason['feature']}:{'for' if reason['contribution'] > 0 else 'against'}"


def test_value_and_norm_are_those_of_the_row_and_the_tenant(told):
    snapshots, lists = told
    norm = f"{np.median(snapshots['inbound_total'].to_numpy()):.0f}"
    checked = 0
    for value, row in zip(snapshots["inbound_total"], lists, strict=True):
        for reason in row:
            if reason["feature"] == "inbound_total":
                assert (reason["value"], reason["norm"]) == (f"{value:.0f}", norm)
                text, better = f"Responses by the customer so far: {value:.0f} (typical: {norm})", value > float(norm)
                remark = {
                    (False, True): ", which has been no drawback here",
                    (True, False): ", which has been no advantage here",
                }
                assert reason["text"] == text + remark.get((better, reason["contribution"] > 0), "")
                checked += 1
    assert checked > 100


def test_what_reads_against_common_sense_says_so(model):
    trained, snapshots = model
    head = trained.head(snapshots["customer_id"][0])
    scored = head.apply(head.shape.encoder.transform(snapshots.head(200)))
    plain = [reason["text"] for row in reasons(head, scored).to_list() for reason in row]
    # whoever has many responses, and still fewer than what is typical, is for and reads as against
    place = [feature.name for feature in head.shape.encoder.features_].index("inbound_total")
    for shift, words in ((1_000.0, "drawback"), (-1_000.0, "advantage")):
        moved = replace(head, norms=head.norms + shift * (np.arange(len(head.norms)) == place))
        told = [reason for row in reasons(moved, scored).to_list() for reason in row]
        odd = [reason for reason in told if reason["text"].endswith(f", which has been no {words} here")]
        assert {reason["feature"] for reason in odd} >= {"inbound_total"}
        assert {reason["contribution"] > 0 for reason in odd if reason["feature"] == "inbound_total"} == {shift > 0}
        assert len(told) >= len(plain), "a remark, and nothing left out"

"""At most five reasons each way, strongest first, and the rest accounted for."""

import numpy as np
import pytest

from models.training import train


@pytest.fixture(scope="module")
def told(marts, now):
    snapshots, outcomes = marts(n=500, effect=1.2)
    scores = train("conversion", snapshots, outcomes, as_of=now, bags=0).score(snapshots)
    return snapshots, scores["reasons"].to_list()


def test_for_comes_first_descending_then_against_then_other(told):
    for reasons in told[1][:100]:
        worth = [reason["contribution"] for reason in reasons[:-1]]
        up, down = [w for w in worth if w > 0], [w for w in worth if w < 0]
        assert worth == up + down
        assert up == sorted(up, reverse=True)
        assert down == sorted(down)
        assert max(len(up), len(down)) <= 5
        assert reasons[-1]["code"] == "other"


def test_codes_are_stable_and_tell_the_direction(told):
    for reason in told[1][0][:-1]:
        assert reason["code"] == f"{reason['feature']}:{'for' if reason['contribution'] > 0 else 'against'}"


def test_value_and_norm_are_those_of_the_row_and_the_tenant(told):
    snapshots, lists = told
    norm = f"{np.median(snapshots['inbound_total'].to_numpy()):.0f}"
    checked = 0
    for value, reasons in zip(snapshots["inbound_total"], lists, strict=True):
        for reason in reasons:
            if reason["feature"] == "inbound_total":
                assert (reason["value"], reason["norm"]) == (f"{value:.0f}", norm)
                assert reason["text"] == f"Responses by the customer so far: {value:.0f} (typical: {norm})"
                checked += 1
    assert checked > 100

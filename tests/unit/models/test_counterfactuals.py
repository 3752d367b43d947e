"""A change that is shown is what the model says of the changed row, and one that the tenant has seen."""

import numpy as np
import polars as pl
import pytest

from models.contracts import CONTRACTS
from models.counterfactuals import counterfactuals
from models.errors import InputsGone
from models.inputs import documents, frame_of
from models.levers import LEVERS, Step
from models.training import train

LEAD = CONTRACTS["lead"]


@pytest.fixture(scope="module")
def known(marts, now):
    """(model, stored scores): what helps is inbound_total by nature, and here it is called meetings, too."""
    snapshots, outcomes = marts(n=400, effect=1.5)
    replies = pl.col("inbound_total")
    snapshots = snapshots.with_columns(
        meetings_total=replies, contacts_engaged_30d=-replies + 5, has_next_step=pl.lit(0.0)
    )
    model = train("conversion", snapshots, outcomes, as_of=now, bags=0)
    rows = model.score(snapshots).with_columns(
        pl.col("as_of").dt.to_string("iso:strict"), document=documents(snapshots, LEAD)
    )
    return model, rows.to_dicts()


def test_each_is_what_the_model_says_of_the_changed_row(known):
    model, rows = known
    told = 0
    for stored in rows[:40]:
        for one in counterfactuals(model, stored):
            frame = frame_of([stored], LEAD)
            new = {change["feature"]: float(change["new"]) for change in one["changes"]}
            again = model.score(frame.with_columns(pl.lit(value).alias(name) for name, value in new.items()))
            assert (again["logit"][0], again["points"][0]) == (one["logit"], one["points"])
            assert one["points_gained"] == one["points"] - stored["points"] > 0
            assert one["text"].endswith(f"+{one['points_gained']} points")
            told += 1
    assert told > 3


def test_only_what_helps_and_was_seen_is_shown(known):
    model, rows = known
    codes = {one["code"] for stored in rows[:40] for one in counterfactuals(model, stored)}
    assert codes == {"meeting"}  # more contacts do harm, and nobody ever had a next step
    most = max(rows, key=lambda stored: frame_of([stored], LEAD)["meetings_total"][0])
    assert counterfactuals(model, most) == []


def test_where_a_tenant_has_no_rows_nothing_is_told(known):
    model, rows = known
    assert counterfactuals(model, rows[0] | {"customer_id": "another"}) == []


def test_without_inputs_nothing_can_be_scored_anew(known):
    model, rows = known
    with pytest.raises(InputsGone):
        counterfactuals(model, rows[0] | {"document": None})


def test_levers_name_features_and_never_push_against_an_agreed_sign():
    columns = {column.name: column for contract in CONTRACTS.values() for column in contract.columns}
    upwards = {Step.MORE: 1, Step.YES: 1, Step.LESS: -1, Step.NOW: -1, Step.SOONER: -1, Step.TYPICAL: 0}
    assert len({lever.code for lever in LEVERS}) == len(LEVERS)
    for name, step in (step for lever in LEVERS for step in lever.steps):
        assert columns[name].sign * upwards[step] >= 0, name


def test_a_contrary_sign_is_told_with_its_rows_and_an_agreed_one_is_not(known):
    _, rows = known
    reasons = [reason for stored in rows[:50] for reason in stored["reasons"]]
    contrary = {reason["feature"]: reason["contrary_n"] for reason in reasons if reason["contrary_n"] is not None}
    assert contrary == {"contacts_engaged_30d": 400}
    texts = [reason["text"] for reason in reasons if reason["feature"] == "contacts_engaged_30d"]
    assert all(text.endswith("(contrary to what is expected; learned from 400 rows of yours)") for text in texts)
    assert np.isfinite([reason["contribution"] for reason in reasons]).all()

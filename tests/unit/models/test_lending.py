"""What a tenant is lent becomes its own with each outcome; deviations are tables like any other."""

from itertools import pairwise

import numpy as np
import polars as pl
import pytest

from models.heads import coded
from models.labels import label
from models.lending import lender_of_nobody, personal
from models.merging import flat, merged
from models.schema import RECIPES
from models.training import Settings, lender_from

RECIPE = RECIPES["conversion"]


@pytest.fixture(scope="module")
def pooled(marts, now):
    """(lender, labelled rows of a tenant who is not of the pool)."""
    made = [marts(tenant=f"t{k}", n=80, seed=k, rate=0.2 + 0.1 * k, moments=(0, 7)) for k in range(6)]
    snapshots, outcomes = (pl.concat(frames) for frames in zip(*made, strict=True))
    settings = Settings(recipe=RECIPE, seed=0, bags=2, doubtful=False)
    lender = lender_from(label(RECIPE, snapshots, outcomes, as_of=now), settings)
    return lender, label(RECIPE, *marts(tenant="other", n=120, seed=9, rate=0.7), as_of=now)


def first(own, n):
    return own.where(np.arange(len(own.y)) < n)


def test_a_personal_shape_is_the_lent_one_and_the_deviations(pooled):
    lender, own = pooled
    codes = coded(lender.shape, lender.shape.encoder.transform(own.frame))
    worth = np.random.default_rng(0).normal(size=lender.directions.size)
    moved = lender.directions.added(lender.shape, worth)
    expected = lender.shape.tables.logit(codes) + lender.directions.design(codes) @ worth
    np.testing.assert_allclose(moved.tables.logit(codes), expected, rtol=0, atol=1e-9)


def test_doubt_is_the_quadratic_form_and_a_row_alone_has_the_same_bits(pooled):
    lender, own = pooled
    codes = coded(lender.shape, lender.shape.encoder.transform(own.frame))
    doubt = personal(lender, own).doubt
    design = lender.directions.design(codes)
    found = doubt.variance(codes)
    np.testing.assert_allclose(found, np.einsum("ij,jk,ik->i", design, doubt.factor @ doubt.factor.T, design))
    assert [doubt.variance(codes[k : k + 1])[0] for k in range(40)] == found[:40].tolist()
    assert doubt.of_level(codes) == pytest.approx(
        float(design.mean(0) @ doubt.factor @ doubt.factor.T @ design.mean(0))
    )


def test_directions_mean_the_same_over_other_bins(pooled):
    lender, own = pooled
    other = flat(lender.shape.encoder, 0.0)
    shape = merged(other, lender.shape, 0.3)
    values = lender.shape.encoder.transform(own.frame)
    np.testing.assert_allclose(
        lender.directions.on(lender.shape, shape).design(coded(shape, values)),
        lender.directions.design(coded(lender.shape, values)),
    )


def test_each_outcome_lessens_the_doubt_and_moves_the_level_towards_the_tenants(pooled):
    lender, own = pooled
    codes = coded(lender.shape, lender.shape.encoder.transform(own.frame))
    steps = [personal(lender, first(own, n)) for n in (0, 1, 5, 20, 60, 120)]
    doubts = [step.doubt.of_level(codes) for step in steps]
    assert all(after < before for before, after in pairwise(doubts))
    off = [abs(float(step.shape.tables.logit(codes).mean()) - 0.8) for step in steps]
    assert off[-1] < off[0] / 2


def test_each_outcome_lessens_the_doubt_in_the_shape_too_and_none_leaves_all_of_it(pooled):
    lender, own = pooled
    codes = coded(lender.shape, lender.shape.encoder.transform(own.frame))
    steps = [personal(lender, first(own, n)).shape.variance.logit(codes).mean() for n in (0, 5, 20, 60, 120)]
    assert steps[0] == lender.shape.variance.logit(codes).mean() > 0
    assert all(after < before for before, after in pairwise(steps))
    assert steps[-1] > 0


def test_forward_logits_do_not_know_their_own_outcome(pooled):
    lender, own = pooled
    newest = own.created >= np.sort(own.created)[-20]
    flipped = type(own)(frame=own.frame, y=np.where(newest, 1 - own.y, own.y), entity=own.entity, created=own.created)
    before, after = (personal(lender, rows).forward for rows in (own, flipped))
    np.testing.assert_array_equal(before, after)


def test_where_nobody_lends_rows_are_in_doubt_beyond_their_level(pooled):
    lender, own = pooled
    nobody = lender_of_nobody(flat(lender.shape.encoder, -1.0))
    lent = personal(nobody, own)
    codes = coded(lent.shape, lender.shape.encoder.transform(own.frame))
    assert lent.doubt.of_level(codes) < 0.1
    assert (lent.shape.variance.logit(codes) > 0.5).all()

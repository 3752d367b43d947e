"""Older trains, newer judges, and an entity is never on both sides."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.splits import forward_folds, older

times = st.lists(st.integers(0, 20), min_size=2, max_size=60)


@given(times)
def test_older_is_strictly_before_newer_with_ties_together(created):
    created = np.array(created)
    mask = older(created, np.arange(len(created)), 0.7)
    assert not mask.all()
    if mask.any():
        assert created[mask].max() < created[~mask].min()


@given(times)
def test_folds_judge_only_later_rows_and_each_row_once(created):
    created = np.array(created)
    judged = np.zeros(len(created))
    for train, judge in forward_folds(created, np.arange(len(created))):
        assert created[train].max() < created[judge].min()
        judged += judge
    assert judged.max(initial=0) <= 1


def test_share_counts_entities_not_rows():
    entity = np.repeat(np.arange(10), [1, 1, 1, 1, 1, 1, 1, 50, 50, 50])
    mask = older(entity.astype(float), entity, 0.7)
    assert set(entity[mask]) == set(range(7))

"""Marts to matrices, by a vocabulary that survives saving."""

import numpy as np
import polars as pl

from models.contracts import LEAD, Role
from models.encoding import FrameEncoder

ROLES = tuple(role for role in Role if role is not Role.KEY)


def test_state_gives_an_equal_encoder(marts):
    frame, _ = marts(n=200)
    encoder = FrameEncoder(LEAD, ROLES).fit(frame)
    again = FrameEncoder.from_state(LEAD, encoder.state())
    assert again.features_ == encoder.features_
    np.testing.assert_array_equal(again.transform(frame), encoder.transform(frame))


def test_without_learned_words_there_is_no_text_of_the_tenant(marts):
    frame, _ = marts(n=200)
    named = frame.with_columns(source=pl.lit("web"))
    learned, shared = (FrameEncoder(LEAD, ROLES, learned=words).fit(named) for words in (True, False))
    assert learned.position("source") is not None and learned.position("attributes.color") is not None
    assert shared.position("source") is None and shared.position("attributes.color") is None
    assert shared.position("status") is not None  # the same few words in every tenant


def test_a_status_the_contract_does_not_name_counts_as_rare(marts):
    frame, _ = marts(n=3)
    frame = frame.with_columns(status=pl.Series(["working", "lost in thought", None]))
    encoder = FrameEncoder(LEAD, ROLES).fit(frame)
    np.testing.assert_array_equal(encoder.transform(frame)[:, encoder.position("status")], [2.0, 0.0, np.nan])


def test_infinite_values_are_missing(marts):
    frame, _ = marts(n=2)
    encoder = FrameEncoder(LEAD, ROLES).fit(frame)
    endless = frame.with_columns(value_minor=pl.lit(float("inf")))
    assert np.isnan(encoder.transform(endless)[:, encoder.position("value_minor")]).all()

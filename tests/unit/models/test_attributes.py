"""Custom fields: vocabulary at training, everything else rare at scoring."""

import numpy as np
import polars as pl

from models import attributes


def documents(*texts):
    return attributes.parse(pl.Series(list(texts), dtype=pl.String))


def test_parse_takes_anything_but_objects_as_empty():
    assert documents('{"a": 1}', None, "[1]", '"x"', "{}") == [{"a": 1}, {}, {}, {}, {}]


def test_learns_numbers_and_levels_and_leaves_constants_out():
    docs = documents(*[f'{{"n": {i}, "c": "{"xy"[i % 2]}", "same": "z", "rare{i}": 1}}' for i in range(40)])
    fields = attributes.learn(docs, min_count=10, max_levels=5, doubtful=True)
    assert [(field.key, field.levels) for field in fields] == [("c", ("x", "y")), ("n", None)]


def test_doubtful_keys_are_left_out_unless_asked_for():
    docs = documents(*[f'{{"doubtful_last": "{"xy"[i % 2]}"}}' for i in range(40)])
    assert attributes.learn(docs, min_count=5, max_levels=5, doubtful=False) == ()
    assert len(attributes.learn(docs, min_count=5, max_levels=5, doubtful=True)) == 1


def test_unseen_level_is_rare_and_absent_is_missing():
    field = attributes.Field(key="c", levels=("x", "y"))
    values = attributes.column(field, documents('{"c": "y"}', '{"c": "new"}', "{}", '{"c": null}'))
    np.testing.assert_array_equal(values, [2.0, 0.0, np.nan, np.nan])


def test_text_in_a_number_field_is_missing():
    field = attributes.Field(key="n", levels=None)
    values = attributes.column(field, documents('{"n": 2.5}', '{"n": "many"}', '{"n": true}'))
    np.testing.assert_array_equal(values, [2.5, np.nan, np.nan])

import json

import polars as pl

from bevyly.datasets.jsontext import json_changes, json_object, json_value, rfc3339


def test_text_numbers_truth_and_null_survive_the_way_through_json() -> None:
    frame = pl.DataFrame({"text": ['a "b"\\\n, é', None], "number": [1, None], "flag": [True, None]})
    encoded = frame.select(json_object({name: pl.col(name) for name in frame.columns})).to_series()
    assert [json.loads(text) for text in encoded] == frame.to_dicts()


def test_raw_members_are_json_already() -> None:
    frame = pl.DataFrame({"id": ["x}"], "custom": ['{"a":{"b":1}}']})
    encoded = frame.select(json_object({"id": pl.col("id")}, raw={"custom": pl.col("custom")})).item()
    assert json.loads(encoded) == {"id": "x}", "custom": {"a": {"b": 1}}}


def test_one_value_alone() -> None:
    frame = pl.DataFrame({"text": ['"}', None]})
    assert [json.loads(text) for text in frame.select(json_value(pl.col("text"))).to_series()] == ['"}', None]


def test_changes_name_only_what_changed_and_keep_null_as_a_value() -> None:
    frame = pl.DataFrame(
        {
            "status_before": ["new", "new"],
            "status_after": ["working", "new"],
            "owner_before": [None, None],
            "owner_after": [None, "u"],
        }
    )
    fields = {"status": "status", "owner_id": "owner"}
    before, after = (
        [json.loads(text) for text in frame.select(json_changes(fields, side=side)).to_series()]
        for side in ("before", "after")
    )
    assert before == [{"status": "new"}, {"owner_id": None}]
    assert after == [{"status": "working"}, {"owner_id": "u"}]


def test_instants_end_in_z_with_microseconds() -> None:
    instant = pl.Series(["2026-01-02T03:04:05.000006Z"]).str.to_datetime(time_zone="UTC", time_unit="us")
    assert pl.select(rfc3339(pl.lit(instant))).item() == "2026-01-02T03:04:05.000006Z"

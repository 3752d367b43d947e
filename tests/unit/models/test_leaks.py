"""Each column of the public data sets that holds the answer, or was written after it, is refused on every way in."""

import csv
import gzip
import json

import polars as pl
import pytest

from models.contracts import CONTRACTS, check
from models.errors import LeakingColumns
from models.evaluation import evaluate_dataset
from models.training import train
from tests.support.marts import NOW, make_marts

LEAKS = {
    ("x_education", "lead"): (
        "Converted", "Tags", "Lead Quality", "Lead Profile", "Asymmetrique Activity Index",
        "Asymmetrique Profile Index", "Asymmetrique Activity Score", "Asymmetrique Profile Score",
    ),
    ("bpic2012", "lead"): (
        "outcome", "offer_sent", "A_APPROVED", "A_REGISTERED", "A_ACTIVATED", "A_DECLINED", "A_CANCELLED",
        "O_ACCEPTED", "O_DECLINED",
    ),
    ("bpic2012", "opportunity"): (
        "outcome", "A_APPROVED", "A_REGISTERED", "A_ACTIVATED", "A_DECLINED", "A_CANCELLED", "O_ACCEPTED", "O_DECLINED",
    ),
    ("maven_crm", "opportunity"): ("deal_stage", "close_value", "close_date"),
}  # fmt: skip
CASES = [(name, entity, column) for (name, entity), columns in LEAKS.items() for column in columns]
FILES = {
    "x_education": ("x_education.csv",),
    "bpic2012": ("bpic2012_cases.csv", "bpic2012_events.csv.gz"),
    "maven_crm": ("maven_crm/sales_pipeline.csv",),
}


def spellings(column):
    return {column, column.lower(), column.upper(), column.replace(" ", "_").lower()}


@pytest.fixture(scope="module")
def frames():
    return {entity: make_marts(entity, n=4)[0] for entity in ("lead", "opportunity")}


@pytest.mark.parametrize(("name", "entity", "column"), CASES)
def test_it_is_refused_as_a_column(frames, name, entity, column):
    for spelling in spellings(column):
        with pytest.raises(LeakingColumns) as refusal:
            check(frames[entity].with_columns(pl.lit("x").alias(spelling)), CONTRACTS[entity])
        assert refusal.value.context["columns"] == [spelling]


@pytest.mark.parametrize(("name", "entity", "column"), CASES)
def test_it_is_refused_as_a_custom_field_of_a_single_row(frames, name, entity, column):
    for spelling in spellings(column):
        named = pl.lit(json.dumps({"size": 1, spelling: "x"}))
        first = pl.when(pl.int_range(pl.len()) == 0).then(named).otherwise("attributes")
        with pytest.raises(LeakingColumns):
            check(frames[entity].with_columns(attributes=first), CONTRACTS[entity])


def test_training_scoring_and_judging_all_refuse():
    snapshots, outcomes = make_marts(n=30)
    model = train("conversion", snapshots, outcomes, as_of=NOW, bags=0)
    leaking = snapshots.with_columns(pl.lit("x").alias("Tags"))
    for fed in (
        lambda: train("conversion", leaking, outcomes, as_of=NOW, bags=0),
        lambda: model.score(leaking),
        lambda: evaluate_dataset("conversion", leaking, outcomes, as_of=NOW),
    ):
        with pytest.raises(LeakingColumns):
            fed()


@pytest.mark.parametrize("name", FILES)
def test_the_names_are_those_of_the_files(name, datasets):
    found = set()
    for file in FILES[name]:
        opened = gzip.open if file.endswith(".gz") else open
        with opened(datasets / file, "rt", encoding="utf-8") as lines:
            rows = csv.reader(lines)
            header = next(rows)
            found |= set(header)
            if "activity" in header:
                place = header.index("activity")
                found |= {row[place] for row, _ in zip(rows, range(20_000), strict=False)}
    assert {column for owner, _, column in CASES if owner == name} <= found

"""A score is made again to the last bit: alone, from text, in a process that computes with other instructions."""

import json
import math
import os
import subprocess
import sys

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import artefacts
from models.contracts import CONTRACTS
from models.inputs import documents, frame_of, values
from models.reproduction import reproduce
from models.training import train

LEAD = CONTRACTS["lead"]
_ELSEWHERE = """
import json, sys
from pathlib import Path
from models import artefacts
from models.reproduction import reproduce
model = artefacts.load(Path(sys.argv[1]), any_contract=True)
print(json.dumps([reproduce(model, row)["identical"] for row in json.load(sys.stdin)]))
"""


@pytest.fixture(scope="module")
def kept(marts, now, tmp_path_factory):
    """The path of an artefact, and rows that it scored together, as they are stored."""
    made = [marts(tenant=f"t{k}", n=n, seed=k, moments=(0, 7)) for k, n in enumerate((200, 60, 60, 8))]
    snapshots, outcomes = (pl.concat(frames) for frames in zip(*made, strict=True))
    model = train("conversion", snapshots, outcomes, as_of=now, bags=2)
    path = artefacts.save(model, tmp_path_factory.mktemp("artefacts") / "conversion.skops")
    rows = model.score(snapshots).with_columns(
        pl.col("as_of").dt.to_string("iso:strict"), document=documents(snapshots, LEAD)
    )
    return path, rows.sample(20, seed=1).to_dicts()


def test_a_row_alone_gives_the_bits_that_it_gave_among_others(kept):
    path, rows = kept
    model = artefacts.load(path)
    assert [row["entity_id"] for row in rows if not reproduce(model, row)["identical"]] == []


@pytest.mark.parametrize("without", ["", "X86_V3", "X86_V4 X86_V3"])
def test_another_processor_gives_the_same_bits(kept, without):
    path, rows = kept
    environment = os.environ | {"NPY_DISABLE_CPU_FEATURES": without}
    command = [sys.executable, "-W", "ignore", "-c", _ELSEWHERE, str(path)]
    done = subprocess.run(
        command, input=json.dumps(rows), env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert json.loads(done.stdout) == [True] * len(rows)


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row | {"logit": row["logit"] * (1 + 2**-52)},
        lambda row: row | {"reasons": row["reasons"][:-1]},
        lambda row: row | {"document": row["document"].replace('"inbound_total":', '"inbound_total":9')},
    ],
    ids=["a last bit", "a reason", "an input"],
)
def test_what_was_changed_afterwards_is_seen(kept, change):
    path, rows = kept
    model = artefacts.load(path)
    assert reproduce(model, rows[0])["identical"]
    assert not all(reproduce(model, change(row))["identical"] for row in rows[:20])


def test_a_model_of_an_earlier_contract_reads_inputs_of_its_time(kept, tmp_path):
    path, rows = kept
    model = artefacts.load(path)
    row = rows[0] | {"document": json.dumps(values(rows[0]["document"]) | {"since_forgotten": 1.5, "word": "x"})}
    frame = frame_of([row], LEAD)
    assert frame.schema["since_forgotten"] == pl.Float64
    assert model.score(frame)["logit"].item() == rows[0]["logit"]


@given(st.lists(st.floats() | st.none(), min_size=1, max_size=5), st.text())
def test_every_number_and_text_comes_back(numbers, text):
    names = [column.name for column in LEAD.of("engagement")][: len(numbers)]
    schema = {column.name: {"number": pl.Float64, "text": pl.String}.get(column.dtype) for column in LEAD.columns}
    given_ = dict.fromkeys(schema) | dict(zip(names, numbers, strict=True)) | {"source": text}
    frame = pl.DataFrame([given_], schema={n: t or pl.Datetime("us", "UTC") for n, t in schema.items()})
    row = {"customer_id": "t", "entity_id": "e", "feature_hash": "h", "as_of": "2026-01-01T00:00:00+00:00"}
    back = frame_of([row | {"document": documents(frame, LEAD).item()}], LEAD).row(0, named=True)
    assert back["source"] == text
    for name, number in zip(names, numbers, strict=True):
        lost = number is None or not math.isfinite(number)
        assert back[name] is None if lost else back[name].hex() == number.hex()

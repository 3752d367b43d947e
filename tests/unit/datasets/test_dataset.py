from pathlib import Path

import polars as pl

from bevyly.datasets import bpic2012
from bevyly.datasets.envelopes import events_frame, outbox_frame
from bevyly.datasets.tables import TABLES
from bevyly.db.schema import Base, RawEvent
from bevyly.events.envelope import Event
from tests.unit.datasets.tiny import NOW, TENANT, write_bpic2012


def test_frames_have_columns_that_their_tables_have() -> None:
    for name, columns in TABLES.items():
        table = Base.metadata.tables[name]
        assert set(columns) <= set(table.columns.keys()) - {"customer_id"}, name
        required = {c.name for c in table.columns if not c.nullable and c.server_default is None and c.default is None}
        assert required - {"customer_id"} <= set(columns), name


def test_envelopes_are_what_the_kernel_writes_itself(tmp_path: Path) -> None:
    dataset = bpic2012.read(write_bpic2012(tmp_path), tenant=TENANT, now=NOW)
    envelopes = outbox_frame(dataset)["envelope"]
    for envelope, event in zip(envelopes, dataset.events.iter_rows(named=True), strict=True):
        read = Event.from_json(envelope)
        again = Event.from_json(read.to_json())
        assert read == again
        assert (read.id, read.type, read.subject_id) == (event["event_id"], event["type"], event["subject_id"])
        assert (read.time, read.recorded_time, read.sequence) == (
            event["occurred_at"],
            event["recorded_at"],
            event["sequence"],
        )
        assert read.tenant_id == TENANT.customer_id
        assert read.source == "bevyly/dataset/bpic2012"


def test_raw_events_have_the_columns_of_their_table(tmp_path: Path) -> None:
    dataset = bpic2012.read(write_bpic2012(tmp_path), tenant=TENANT, now=NOW)
    frame = events_frame(dataset)
    given_by_the_database = {"seq", "ingested_at"}
    assert set(frame.columns) == set(RawEvent.__table__.columns.keys()) - given_by_the_database
    assert frame["offset"].to_list() == list(range(dataset.events.height))
    assert frame.filter(pl.col("topic") != "bevyly.domain").height == 0


def test_positions_grow_with_time(tmp_path: Path) -> None:
    dataset = bpic2012.read(write_bpic2012(tmp_path), tenant=TENANT, now=NOW)
    assert dataset.events["position"].to_list() == list(range(1, dataset.events.height + 1))
    assert dataset.events["occurred_at"].is_sorted()
    grows = dataset.events.select((pl.col("sequence").diff().over("subject_id").fill_null(1) == 1).all()).item()
    assert grows

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bevyly.datasets import x_education
from bevyly.datasets.dataset import Dataset
from tests.unit.datasets.tiny import NOW, TENANT, check_contracts, events_of, everything, row, write_x_education

ROWS: list[dict[str, Any]] = [
    {"Prospect ID": "p-3", "Lead Number": 3, "Converted": 1, "Do Not Email": "Yes", "Last Activity": "Email Opened"},
    {"Prospect ID": "p-1", "Lead Number": 1, "Converted": 0, "TotalVisits": None, "Last Activity": "SMS Sent"},
    {"Prospect ID": "p-2", "Lead Number": 2, "Converted": 1, "Lead Source": "Google"},
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_x_education(tmp_path, ROWS)


def read(folder: Path, *, with_doubtful: bool = False) -> Dataset:
    return x_education.read(folder, tenant=TENANT, now=NOW, with_doubtful=with_doubtful)


def test_leads_are_created_in_the_order_of_their_numbers_a_minute_apart(folder: Path) -> None:
    created = events_of(read(folder), "lead.created")
    assert [event["data"]["contact_name"] for event in created] == ["Prospect 1", "Prospect 2", "Prospect 3"]
    times = [event["occurred_at"] for event in created]
    assert times[2] - times[1] == times[1] - times[0] == timedelta(minutes=1)


def test_all_are_decided_at_one_instant_after_the_last_creation(folder: Path) -> None:
    dataset = read(folder)
    decisions = dataset.events.filter(pl.col("type").is_in(["lead.converted", "lead.updated"]))
    assert decisions.height == 3
    assert decisions["occurred_at"].n_unique() == 1
    assert decisions["occurred_at"][0] > dataset.leads["created_at"].max()
    assert {key: row(dataset, "leads", key)["status"] for key in "123"} == {
        "1": "disqualified",
        "2": "converted",
        "3": "converted",
    }
    assert row(dataset, "leads", "3")["converted_at"] == decisions["occurred_at"][0]
    assert row(dataset, "leads", "3")["opportunity_id"] is None


def test_custom_fields_are_typed_and_not_chosen_is_a_value(folder: Path) -> None:
    custom = json.loads(row(read(folder), "leads", "3")["custom"])
    assert custom["do_not_email"] is True
    assert custom["do_not_call"] is False
    assert (custom["total_visits"], custom["total_time_on_website"], custom["page_views_per_visit"]) == (3, 28, 1.5)
    assert custom["specialization"] == "not chosen"
    assert json.loads(row(read(folder), "leads", "1")["custom"])["total_visits"] is None


def test_one_source_has_one_spelling(folder: Path) -> None:
    assert set(read(folder).leads["source"]) == {"Google"}


@pytest.mark.parametrize("with_doubtful", [False, True])
def test_columns_written_after_sales_contact_are_never_loaded(folder: Path, with_doubtful: bool) -> None:
    text = everything(read(folder, with_doubtful=with_doubtful))
    for trace in ("LEAK", "asymmetrique", "lead_quality", "tags", "lead_profile"):
        assert trace not in text, trace


def test_doubtful_columns_come_only_when_asked_for_and_say_so(folder: Path) -> None:
    text = everything(read(folder))
    assert "DOUBTFUL" not in text
    assert "doubtful_" not in text
    assert read(folder).activities.height == 0
    doubtful = json.loads(row(read(folder, with_doubtful=True), "leads", "2")["custom"])
    found = {key for key, value in doubtful.items() if value == "DOUBTFUL"}
    assert len(found) == 4
    assert all(key.startswith("doubtful_") for key in found)


def test_a_known_last_activity_is_one_event_at_the_export_before_the_decision(folder: Path) -> None:
    dataset = read(folder, with_doubtful=True)
    (opened,) = events_of(dataset, "email.opened")
    (decided,) = (e for e in events_of(dataset, "lead.converted") if e["subject_id"] == opened["data"]["lead_id"])
    assert opened["occurred_at"] == decided["occurred_at"]
    assert opened["position"] < decided["position"]
    assert dataset.activities.height == 1


def test_the_answer_shows_only_in_the_events_that_decide(folder: Path) -> None:
    before = [event for event in events_of(read(folder)) if event["type"] in ("lead.created", "contact.created")]
    assert all("onverted" not in json.dumps(event["data"]) for event in before)
    flipped = [{**entry, "Converted": 1 - entry["Converted"]} for entry in ROWS]
    after = events_of(read(write_x_education(folder, flipped)))
    assert before == [event for event in after if event["type"] in ("lead.created", "contact.created")]


@pytest.mark.parametrize("with_doubtful", [False, True])
def test_events_keep_the_contracts(folder: Path, with_doubtful: bool) -> None:
    dataset = read(folder, with_doubtful=with_doubtful)
    assert check_contracts(dataset) == dataset.events.height > 0


def test_equal_input_gives_equal_output(folder: Path) -> None:
    assert everything(read(folder)) == everything(read(folder))

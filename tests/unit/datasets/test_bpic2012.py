from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from bevyly.datasets import bpic2012
from bevyly.datasets.dataset import Dataset
from tests.unit.datasets.tiny import (
    NOW,
    OTHER_TENANT,
    TENANT,
    check_contracts,
    events_of,
    everything,
    row,
    timeline,
    write_bpic2012,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_bpic2012(tmp_path)


def read(folder: Path, until: date | None = None) -> Dataset:
    return bpic2012.read(folder, tenant=TENANT, now=NOW, until=until)


def test_a_case_becomes_a_story_of_events_in_order(folder: Path) -> None:
    dataset = read(folder)
    lead = row(dataset, "leads", "1")
    assert timeline(dataset, lead["account_id"], lead["id"], lead["opportunity_id"]) == [
        "account.created",
        "contact.created",
        "lead.created",
        "form.submitted",
        "lead.updated",  # working, by the automatic system
        "lead.updated",  # its first person
        "lead.updated",  # qualified, by another person
        "opportunity.created",
        "lead.converted",
        "proposal.sent",
        "call.completed",
        "call.completed",
        "opportunity.updated",  # a new offer by another person
        "proposal.sent",
        "proposal.replied",
        "opportunity.stage_changed",
        "opportunity.stage_changed",
        "note.created",
    ]


def test_rows_are_in_the_state_after_their_last_event(folder: Path) -> None:
    dataset = read(folder)
    statuses = {key: row(dataset, "leads", key)["status"] for key in "1234"}
    assert statuses == {"1": "converted", "2": "disqualified", "3": "converted", "4": "new"}
    won, lost = (row(dataset, "opportunities", key) for key in "13")
    assert (won["stage"], won["status"], won["value"], won["currency"]) == ("won", "won", 2_000_000, "EUR")
    assert (lost["stage"], lost["status"]) == ("lost", "lost")
    assert won["closed_at"] == won["stage_entered_at"] == won["updated_at"]
    users = dict(dataset.users.select("id", "name").iter_rows())
    assert users[won["owner_id"]] == "Agent 503"
    assert users[row(dataset, "leads", "1")["owner_id"]] == "Agent 502"
    assert row(dataset, "leads", "2")["owner_id"] is None
    assert users[row(dataset, "leads", "4")["owner_id"]] == "Agent 505"


def test_versions_count_the_events_of_a_row(folder: Path) -> None:
    dataset = read(folder)
    counted = dataset.events.group_by("subject_id").agg(pl.len(), pl.col("sequence").max())
    assert (counted["len"] == counted["sequence"]).all()
    versions = dict(
        pl.concat([dataset.leads, dataset.opportunities], how="diagonal").select("id", "version").iter_rows()
    )
    expected = dict(counted.select("subject_id", "len").iter_rows())
    assert versions == {id_: expected[id_] for id_ in versions}


def test_stages_follow_each_other_without_gaps(folder: Path) -> None:
    dataset = read(folder)
    deal = row(dataset, "opportunities", "1")["id"]
    stages = dataset.opportunity_history.filter((pl.col("opportunity_id") == deal) & (pl.col("field") == "stage"))
    assert stages.select("old_value", "new_value").rows() == [
        (None, "proposal"),
        ("proposal", "negotiation"),
        ("negotiation", "won"),
    ]
    assert stages["valid_to"].to_list() == [*stages["valid_from"].to_list()[1:], None]
    assert set(stages["event_id"]) <= set(dataset.events["event_id"])


def test_calls_are_pairs_of_start_and_complete(folder: Path) -> None:
    calls = [event["data"] for event in events_of(read(folder), "call.completed")]
    assert [(call["subject"], call["duration_seconds"], call["direction"]) for call in calls] == [
        ("Complete the application", 420, "outbound"),
        ("Follow up the offer", 90, "outbound"),
    ]
    assert calls[1]["owner_id"] is None


def test_work_without_a_conversation_is_an_internal_note(folder: Path) -> None:
    notes = [event["data"] for event in events_of(read(folder), "note.created")]
    assert [(note["subject"], note["direction"], note["participants"]) for note in notes] == [
        ("Checked the application", "internal", []),
        ("Worked on the fresh lead", "internal", []),
    ]


def test_before_the_first_offer_activities_belong_to_the_lead_alone(folder: Path) -> None:
    dataset = read(folder)
    form = events_of(dataset, "form.submitted")[0]["data"]
    offer = events_of(dataset, "proposal.sent")[0]["data"]
    assert form["lead_id"] and not form["opportunity_id"]
    assert offer["lead_id"] and offer["opportunity_id"]


def test_events_keep_the_contracts(folder: Path) -> None:
    dataset = read(folder)
    assert check_contracts(dataset) == dataset.events.height


def test_the_log_moves_by_whole_weeks_to_end_within_the_last_one(folder: Path) -> None:
    dataset = read(folder)
    last, logged = dataset.events["occurred_at"].max(), datetime(2012, 1, 12, 9, 2, tzinfo=UTC)
    assert isinstance(last, datetime)
    assert last - logged == timedelta(weeks=dataset.shift_weeks)
    assert timedelta(0) <= NOW - last < timedelta(days=7)
    assert (dataset.events["recorded_at"] == dataset.events["occurred_at"]).all()


def test_a_kept_shift_wins_over_the_clock(folder: Path) -> None:
    later = bpic2012.read(folder, tenant=TENANT, now=NOW + timedelta(weeks=5), shift_weeks=read(folder).shift_weeks)
    assert later.events.equals(read(folder).events)


@pytest.mark.parametrize("day", range(2, 13))
def test_a_log_that_ends_earlier_gives_the_beginning_of_the_same_events(folder: Path, day: int) -> None:
    whole, part = read(folder), read(folder, date(2012, 1, day))
    assert part.shift_weeks == whole.shift_weeks
    assert part.events.equals(whole.events.head(part.events.height))
    end = datetime(2012, 1, day, tzinfo=UTC) + timedelta(days=1, weeks=whole.shift_weeks)
    assert part.events.height == (whole.events["occurred_at"] < end).sum()


def test_nothing_of_the_answer_is_there_before_it_happened(folder: Path) -> None:
    before = read(folder, date(2012, 1, 8))
    text = everything(before).lower()
    for word in ("won", "lost", "approved", "cancelled", "offer_sent", "outcome"):
        assert word not in text, word
    assert set(before.opportunities["status"]) == {"open"}


def test_changed_answers_in_the_file_change_nothing(folder: Path) -> None:
    before = everything(read(folder))
    cases = folder / "bpic2012_cases.csv"
    cases.write_text(
        cases.read_text().replace("approved,True", "declined,False").replace("open,False", "approved,True")
    )
    assert everything(read(folder)) == before


def test_equal_input_gives_equal_ids_and_another_tenant_gives_others(folder: Path) -> None:
    first, again = read(folder), read(folder)
    other = bpic2012.read(folder, tenant=OTHER_TENANT, now=NOW)
    assert everything(first) == everything(again)
    for table, frame in first.tables.items():
        assert not set(frame["id"]) & set(other.tables[table]["id"]), table
    assert not set(first.events["event_id"]) & set(other.events["event_id"])
    assert "agent-501@other.example" in other.users["email"].to_list()

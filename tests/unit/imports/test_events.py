"""Exports as events: what the shipped mappings make of small exports of their own shapes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from bevyly.imports.errors import BadMapping
from bevyly.imports.events import Engine, Prepared
from bevyly.imports.exports import Export
from bevyly.imports.mapping import SYSTEMS, load, mappings_of

EXPORTS = Path(__file__).parents[2] / "integration" / "imports" / "exports"
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def engine_of(system: str, folder: Path | None = None, **options: str) -> Engine:
    return Engine(mappings_of(system), Export(folder or EXPORTS / system), currency=None, now=NOW, **options)


def about(events: list[Prepared], record_id: str) -> list[tuple[str, str]]:
    return [(event.type, (event.time or "")[:16]) for event in events if event.record_id == record_id]


def test_salesforce_keeps_the_history_that_it_exports() -> None:
    engine = engine_of("salesforce")
    events = list(engine.events())
    assert about(events, "006A") == [
        ("opportunity.created", "2026-02-01T09:00"),
        ("opportunity.stage_changed", "2026-02-01T09:00"),
        ("opportunity.updated", "2026-02-01T09:00"),
        ("opportunity.stage_changed", "2026-02-20T09:00"),
        ("opportunity.updated", "2026-02-20T09:00"),
        ("opportunity.stage_changed", "2026-03-15T16:00"),
        ("opportunity.updated", "2026-03-15T16:00"),
        ("opportunity.updated", "2026-03-15T17:00"),
    ]
    rails = next(event for event in events if event.record_id == "006A")
    assert (rails.data["stage"], rails.data["value_minor"], rails.data["currency"]) == (
        "qualification",
        2_400_000,
        "EUR",
    )
    cartons = next(event for event in events if event.record_id == "006B")
    assert (cartons.data["stage"], cartons.data["value_minor"], cartons.data["currency"]) == (
        "prospecting",
        500_000,
        "JPY",
    )


def test_a_deal_without_history_moves_once_and_never_before_it_began() -> None:
    events = list(engine_of("salesforce").events())
    assert about(events, "006C") == [
        ("opportunity.created", "2026-02-04T09:00"),
        ("opportunity.stage_changed", "2026-02-04T09:00"),
        ("opportunity.updated", "2026-02-04T10:00"),
    ]


def test_what_refers_comes_after_what_it_refers_to() -> None:
    events = list(engine_of("salesforce").events())
    kinds = [event.type for event in events]
    conversion = kinds.index("lead.converted")
    assert conversion > max(n for n, kind in enumerate(kinds) if kind.startswith("opportunity."))
    assert about(events, "00QA") == [("lead.created", "2026-01-12T08:00"), ("lead.converted", "2026-02-01T00:00")]
    assert about(events, "00QB") == [("lead.created", "2026-01-13T08:00"), ("lead.updated", "2026-01-14T08:00")]


def test_activities_become_what_they_were() -> None:
    events = {(event.record_id, event.type): event for event in engine_of("salesforce").events()}
    call = events["00TA", "call.completed"].data
    assert (call["direction"], call["duration_seconds"], call["contact_id"]) == ("inbound", 300, "003A")
    assert events["00TB", "task.created"].data["due_at"] == "2026-12-30T00:00:00+00:00"
    assert events["00TB", "task.created"].data["lead_id"] == "00QB"
    assert events["00TD", "call.scheduled"].data["due_at"] == "2026-12-29T00:00:00+00:00"
    assert ("00TC", "email.sent") in events
    assert events["00UA", "meeting.completed"].data["duration_seconds"] == 3600


def test_hubspot_finds_what_stands_in_other_files() -> None:
    engine = engine_of("hubspot")
    events = list(engine.events())
    deal = next(event for event in events if event.record_id == "301")
    assert (deal.data["account_id"], deal.data["owner_id"], deal.data["stage"]) == (
        "101",
        "owner@sender.example",
        "prospecting",
    )
    moves = [
        event.data["to_stage"]
        for event in events
        if event.type == "opportunity.stage_changed" and event.record_id == "301"
    ]
    assert moves == ["prospecting", "negotiation", "won"]
    assert [event.data["account_id"] for event in events if event.type == "contact.updated"] == ["102"]
    kinds = {
        event.record_id: event.type
        for event in events
        if event.type.startswith(("email", "call", "note", "task", "meeting"))
    }
    assert kinds == {
        "401": "call.completed",
        "402": "email.received",
        "403": "email.sent",
        "404": "meeting.completed",
        "405": "meeting.scheduled",
        "406": "task.completed",
        "407": "note.created",
    }


def test_own_columns_are_kept_and_named() -> None:
    engine = engine_of("salesforce")
    accounts = [event for event in engine.events() if event.type == "account.created"]
    assert [event.data.get("custom") for event in accounts] == [{"Tier__c": "gold"}, None]
    assert engine.custom["Account.csv"] == {"Tier__c"}
    assert engine.skipped == {"Account.csv": 1}


def test_problems_name_file_row_and_column() -> None:
    engine = engine_of("salesforce")
    list(engine.events())
    assert [(one.file, one.row, one.column, one.code) for one in engine.problems] == [
        ("Contact.csv", 3, "Email", "bad_value"),
        ("Lead.csv", 3, "Status", "unknown_value"),
    ]


def test_a_deal_without_a_company_gets_the_one_that_was_named() -> None:
    events = list(engine_of("hubspot", company="No company").events())
    assert events[0].type == "account.created"
    orphan = next(event for event in events if event.record_id == "303")
    assert orphan.data["account_id"] == events[0].record_id


def test_the_same_content_is_the_same_event(tmp_path: Path) -> None:
    (tmp_path / "account.csv").write_text("Id,Name\n1,Acme\n")
    first = [event.document("s") for event in engine_of("salesforce", tmp_path).events()]
    assert [event.document("s") for event in engine_of("salesforce", tmp_path).events()] == first
    (tmp_path / "account.csv").write_text("Id,Name\n1,Acme AG\n")
    changed = [event.document("s") for event in engine_of("salesforce", tmp_path).events()]
    assert changed[0]["id"] != first[0]["id"]
    assert "time" not in changed[0]


@pytest.mark.parametrize("system", SYSTEMS)
def test_shipped_mappings_say_nothing_twice(system: str) -> None:
    mappings = mappings_of(system)
    files = [name for mapping in mappings for name in mapping.files]
    assert len(files) == len(set(files))
    assert len({mapping.object for mapping in mappings}) == len(mappings) >= 8


def test_a_mapping_of_ones_own_stands_for_ours(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(
        "{object: account, kind: account, files: [firms], id: [nr], events: [{type: account.created, time: [at]}]}"
    )
    (mapping,) = [one for one in mappings_of("salesforce", tmp_path) if one.object == "account"]
    assert mapping.files == ["firms"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("object: x", "kind"),
        ("{object: x, kind: account, files: [x], id: [x], events: [], wrong: 1}", "wrong"),
        (
            "{object: x, kind: account, files: [x], id: [x],"
            " events: [{type: t, time: [x], fields: {a: {from: [b], lookup: nowhere}}}]}",
            "nowhere",
        ),
        ("[", "x.yaml"),
        ("{object: x, kind: account, files: [x], id: [no], events: []}", "quotes"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x.yaml").write_text(text)
    with pytest.raises(BadMapping, match=said):
        load(tmp_path / "x.yaml")


def test_the_mapping_in_the_guide_makes_sense(tmp_path: Path) -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "importing-exports.md").read_text()
    (tmp_path / "x.yaml").write_text(guide.split("```yaml\n")[1].split("```")[0])
    assert load(tmp_path / "x.yaml").object == "opportunity"

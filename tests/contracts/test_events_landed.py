"""What has landed stays: events of it lie in Kafka and in the raw table, and are read by whoever comes next."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from bevyly.events import compatibility, contracts
from bevyly.events.compatibility import Entry, Incompatible, Version, accept, landed, not_landed, offered, violations

LEAD: Version = ("lead.created", 1)


def test_nothing_that_has_landed_changed_and_nothing_is_left_out() -> None:
    known, now = landed(), offered()
    assert violations(known, now) + not_landed(known, now) == []


def test_the_file_is_what_the_command_writes(tmp_path: Path) -> None:
    again = tmp_path / "landed.json"
    accept({}, offered(), again)
    assert again.read_text() == compatibility.LANDED.read_text()


def changed(change: Any, *, key: Version = LEAD) -> dict[Version, Entry]:
    now = copy.deepcopy(offered())
    change(now[key]["rules"])
    return now


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda r: r["properties"]["source"].update(maxLength=99), "data/source: maxLength changed"),
        (lambda r: r["properties"]["source"].update(maxLength=101), "data/source: maxLength changed"),
        (lambda r: r["properties"].pop("source"), "data/source: is gone"),
        (lambda r: r["properties"].update(region={"type": "string"}), "data/region: is new"),
        (lambda r: r["required"].append("source"), "source is newly required"),
        (lambda r: r["required"].remove("status"), "status is no longer required"),
        (lambda r: r.update(additionalProperties=True), "additionalProperties changed"),
        (lambda r: r["properties"]["status"]["enum"].append("lost"), "data/status: enum changed"),
        (
            lambda r: r["properties"]["custom"]["propertyNames"].update(maxLength=1),
            "data/custom: propertyNames changed",
        ),
    ],
)
def test_a_landed_schema_cannot_change(change: Any, word: str) -> None:
    (sentence,) = violations(landed(), changed(change))
    assert sentence.startswith("lead.created 1 has landed, and ")
    assert word in sentence
    assert sentence.endswith("take that back, and make version 2")


def test_a_shared_definition_cannot_change_under_those_who_refer_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = json.loads((contracts.SCHEMAS / "shared/types.json").read_text())
    shared["$defs"]["optional_code"]["maxLength"] = 60
    path = "https://schemas.bevyly.com/events/shared/types.json"
    others = [
        (f"https://schemas.bevyly.com/events/shared/{one.name}", json.loads(one.read_text()))
        for one in (contracts.SCHEMAS / "shared").glob("*.json")
        if one.name != "types.json"
    ]
    monkeypatch.setattr(contracts, "_registry", lambda: contracts.Registry([(path, shared), *others]))
    found = violations(landed(), offered())
    assert any(line.startswith("contact.created 1 has landed, and data/phone: maxLength") for line in found)


def test_prose_may_change() -> None:
    bare = contracts._without_prose({"title": "x", "description": "y", "type": "object", "properties": {"title": {}}})
    assert bare == {"type": "object", "properties": {"title": {}}}, "a field called title is no prose"


def test_a_version_or_a_type_cannot_disappear_or_move() -> None:
    now = offered()
    gone = {key: entry for key, entry in now.items() if key != LEAD}
    (sentence,) = violations(landed(), gone)
    assert sentence.startswith("lead.created 1 has landed and is gone: put it back")
    (sentence,) = violations(landed(), now | {LEAD: now[LEAD] | {"topic": "bevyly.integration"}})
    assert sentence.startswith("lead.created 1 has landed on bevyly.domain: leave it there")


def second(change: Any) -> dict[Version, Entry]:
    now = copy.deepcopy(offered())
    now["lead.created", 3] = copy.deepcopy(now["lead.created", 2])
    change(now["lead.created", 3]["rules"])
    return now


def test_a_new_version_may_add_what_is_optional() -> None:
    now = second(lambda rules: rules["properties"].update(region={"type": ["null", "string"]}))
    assert violations(landed(), now) == []
    assert not_landed(landed(), now) == [f"lead.created 3 is new: run `{compatibility.COMMAND}`"]


def test_a_new_version_may_do_nothing_else() -> None:
    now = second(lambda rules: rules["properties"].pop("source"))
    (sentence,) = violations(landed(), now)
    assert sentence == "lead.created 3 cannot follow 2, since data/source: is gone: make a new type instead"


def test_versions_leave_no_gap() -> None:
    now = offered()
    (sentence,) = violations(landed(), now | {("lead.created", 4): now[LEAD]})
    assert sentence == "lead.created 4 leaves a gap: versions follow one another"


def test_accepting_adds_and_never_overwrites(tmp_path: Path) -> None:
    path, now = tmp_path / "landed.json", offered()
    known = {key: entry for key, entry in now.items() if key[0] != "lead.created"}
    assert accept(known, now, path) == 2
    assert landed(path) == now
    before = path.read_text()
    with pytest.raises(Incompatible, match="has landed"):
        accept(landed(path), changed(lambda rules: rules["properties"].pop("source")), path)
    assert path.read_text() == before


def test_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert compatibility.main([]) == 0
    monkeypatch.setattr(compatibility, "offered", lambda: changed(lambda rules: rules["required"].append("source")))
    assert compatibility.main([]) == 1
    assert "make version 2" in capsys.readouterr().err
    assert compatibility.main(["--accept"]) == 1
    assert "make version 2" in capsys.readouterr().err
    monkeypatch.setattr(compatibility, "offered", lambda: second(lambda _: None))
    assert compatibility.main([]) == 1
    assert "--accept" in capsys.readouterr().err

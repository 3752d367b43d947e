"""Event contracts are files: every accepted version has a schema and examples, and nothing lies around unused."""

import copy
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest

from bevyly.events import contracts
from bevyly.events.catalogue import UnknownEventType, topic_of, topics
from bevyly.events.compatibility import incompatibilities
from bevyly.events.envelope import Event
from bevyly.events.outbox import outbox_rows
from bevyly.events.reference import render, subject_of

ACCEPTED = [
    (type_, version) for topic in topics().values() for type_, versions in topic.types.items() for version in versions
]
EXAMPLES = sorted(contracts.EXAMPLES.glob("*/*/*.json"))


def schema_of(type_: str, version: int) -> dict[str, Any]:
    return json.loads((contracts.SCHEMAS / type_ / f"{version}.json").read_text())


def name(path: Path) -> str:
    return "/".join(path.parts[-3:])


def test_every_accepted_version_has_a_schema_and_every_schema_is_accepted() -> None:
    files = {
        (path.parent.name, int(path.stem))
        for path in contracts.SCHEMAS.glob("*/*.json")
        if path.parent.name != contracts.SHARED
    }
    assert files == set(ACCEPTED)


def test_every_accepted_version_has_two_examples_and_every_example_has_a_schema() -> None:
    count = {key: sum((p.parts[-3], int(p.parts[-2])) == key for p in EXAMPLES) for key in ACCEPTED}
    assert {key: n for key, n in count.items() if n < 2} == {}
    assert sum(count.values()) == len(EXAMPLES)


def test_a_type_is_on_one_topic() -> None:
    types = [type_ for topic in topics().values() for type_ in topic.types]
    assert len(types) == len(set(types))


@pytest.mark.parametrize("version", ACCEPTED, ids=str)
def test_schemas_are_schemas_and_say_which(version: tuple[str, int]) -> None:
    schema = schema_of(*version)
    assert jsonschema_rs.meta.is_valid(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"].endswith(f"/{version[0]}/{version[1]}.json")


def test_shared_definitions_are_used() -> None:
    text = "".join(path.read_text() for path in contracts.SCHEMAS.glob("*/*.json"))
    shared = [json.loads(path.read_text()) for path in (contracts.SCHEMAS / contracts.SHARED).glob("*.json")]
    unused = [
        definition
        for document in shared
        for definition in document.get("$defs", {})
        if f'#/$defs/{definition}"' not in text
    ]
    assert unused == []


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_examples_are_events_that_keep_their_contract(path: Path) -> None:
    event = Event.from_json(path.read_bytes())
    assert (event.type, str(event.schema_version)) == (path.parts[-3], path.parts[-2])
    assert json.loads(contracts.validate(event)) == json.loads(path.read_text())["data"]
    assert topic_of(event.type) in topics()
    assert Event.from_json(event.to_json()) == event


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_an_example_with_a_field_that_nobody_named_is_refused(path: Path) -> None:
    event = Event.from_json(path.read_bytes())
    with pytest.raises(contracts.ContractViolation) as refused:
        contracts.validate(msgspec.structs.replace(event, data=event.data | {"surprise": 1}))
    assert "surprise" in str(refused.value)


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_an_example_without_a_required_field_is_refused(path: Path) -> None:
    event = Event.from_json(path.read_bytes())
    required = jsonschema_rs.dereference(
        schema_of(event.type, event.schema_version), registry=contracts._registry()
    ).get("required", [])
    for field in required:
        data = {key: value for key, value in event.data.items() if key != field}
        with pytest.raises(contracts.ContractViolation):
            contracts.validate(msgspec.structs.replace(event, data=data))


def near_misses(event: Event) -> Iterator[tuple[str, dict[str, Any]]]:
    """Data that differ from an example in one field that cannot be right, with the path of the field."""
    rules = contracts.rules(event.type, event.schema_version)
    for field, rule in rules["properties"].items():
        for value in wrong_values(rule):
            yield f"{field}={value!r:.40}", event.data | {field: value}


def wrong_values(rule: dict[str, Any]) -> list[Any]:
    """Values that `rule` refuses: of another type, one step beyond a bound, of the wrong form."""
    values: list[Any] = [[[1]]]
    if "enum" in rule:
        values += ["unheard_of", "", None]
    if "maxLength" in rule:
        values += ["x" * (rule["maxLength"] + 1), "a\0b", 1]
    if "minLength" in rule:
        values += [""]
    if "maximum" in rule:
        values += [rule["maximum"] + 1, "1"]
    if "minimum" in rule:
        values += [rule["minimum"] - 1]
    if "format" in rule:
        values += ["soon", 1]
    if rule.get("type") == "array":
        values += [{}, ["x" * 300] * 2, [{}] * (rule["maxItems"] + 1)]
    if rule.get("type") == "object":
        values += [{"": 1}] if "additionalProperties" not in rule else [{"surprise": {"deep": 1}}]
    if isinstance(rule.get("type"), str):
        values += [None]
    return values


@pytest.mark.parametrize("path", EXAMPLES, ids=name)
def test_an_example_with_a_field_that_is_wrong_is_refused(path: Path) -> None:
    event = Event.from_json(path.read_bytes())
    taken = []
    for what, data in near_misses(event):
        try:
            contracts.validate(msgspec.structs.replace(event, data=data))
        except (contracts.ContractViolation, contracts.NulCharacter):
            continue
        taken.append(what)
    assert taken == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "1"), ("tenant_id", "acme"), ("subject", "account"), ("subject", "account/"), ("subject", "Account/1"),
        ("source", "bevyly\0api"), ("causation_id", "\0"),
    ],
)  # fmt: skip
def test_an_envelope_that_is_wrong_is_refused(field: str, value: str) -> None:
    event = Event.from_json(EXAMPLES[0].read_bytes())
    with pytest.raises((contracts.ContractViolation, contracts.NulCharacter)):
        contracts.validate(msgspec.structs.replace(event, **{field: value}))


def test_types_and_versions_that_are_not_in_the_catalogue_are_refused() -> None:
    event = Event.from_json(EXAMPLES[0].read_bytes())
    for changes, error in (
        ({"type": "account.exploded"}, UnknownEventType),
        ({"type": "../schemas/account.created"}, UnknownEventType),
        ({"schema_version": 99}, contracts.UnknownSchemaVersion),
    ):
        stranger = msgspec.structs.replace(event, **changes)
        with pytest.raises(error):
            contracts.validate(stranger)
        with pytest.raises(error):
            outbox_rows([stranger])


def test_each_type_has_a_producer_and_one_kind_of_subject() -> None:
    for topic in topics().values():
        assert {type_ for types in topic.producers.values() for type_ in types} == topic.types.keys(), topic.name
        for type_ in topic.types:
            who = topic.producers_of(type_)
            assert len(who) == 1 or "nobody yet" not in who, type_
            assert "," not in subject_of(type_), type_


def test_examples_of_one_type_stand_for_versions_that_exist() -> None:
    assert [name(path) for path in EXAMPLES if Event.from_json(path.read_bytes()).sequence < 1] == []


def test_the_page_of_the_catalogue_is_current() -> None:
    page = Path(__file__).parents[2] / "docs/guides/event-catalogue.md"
    assert page.read_text() == render(), f"run `python -m bevyly.events.reference > docs/guides/{page.name}`"
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        assert (page.parent / link).exists(), link


@pytest.mark.parametrize("type_", sorted({type_ for type_, _ in ACCEPTED}))
def test_a_new_version_only_adds_optional_fields(type_: str) -> None:
    versions = sorted(version for known, version in ACCEPTED if known == type_)
    for old, new in itertools.pairwise(versions):
        assert incompatibilities(contracts.rules(type_, old), contracts.rules(type_, new)) == []


def test_objects_are_closed_except_custom_fields() -> None:
    open_objects = [
        f"{path.name}: {where}"
        for path in contracts.SCHEMAS.glob("*/*.json")
        for where, schema in _objects(json.loads(path.read_text()), path.parent.name)
        if schema.get("additionalProperties") is not False
    ]
    assert open_objects == ["types.json: shared/$defs/custom"]


def _objects(node: Any, where: str) -> list[tuple[str, dict[str, Any]]]:
    if isinstance(node, list):
        return [found for one in node for found in _objects(one, where)]
    if not isinstance(node, dict):
        return []
    here = [(where, node)] if node.get("type") == "object" else []
    return here + [found for key, value in node.items() for found in _objects(value, f"{where}/{key}")]


def _lead() -> dict[str, Any]:
    return copy.deepcopy(schema_of("lead.created", 1))


def test_compatible_is_an_optional_field_or_another_description() -> None:
    new = _lead()
    new["properties"]["region"] = {"type": ["string", "null"]}
    new["description"] = "A lead was born"
    assert incompatibilities(_lead(), new) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda s: s["required"].append("source"), "newly required"),
        (lambda s: s["required"].remove("status"), "no longer required"),
        (lambda s: s["properties"].pop("source"), "is gone"),
        (lambda s: s["properties"].update(source={"type": "string", "maxLength": 5}), "changed"),
        (lambda s: s.update(additionalProperties=True), "additionalProperties changed"),
    ],
)
def test_incompatible_is_everything_else(change: Any, word: str) -> None:
    new = _lead()
    change(new)
    assert any(word in problem for problem in incompatibilities(_lead(), new))

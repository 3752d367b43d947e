"""The stored document is the present one, and nothing that clients rely on changes."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from api.documentation import compatibility
from api.documentation.compatibility import incompatibilities, main, render, stored
from tests.support.documents import document

Json = dict[str, Any]
Change = Callable[[Json], Any]
NOW: Json = json.loads(render(document()))


def schema(document: Json, name: str) -> Json:
    found: Json = document["components"]["schemas"][name]
    return found


def operation(document: Json, path: str = "/api/v1/leads", method: str = "post") -> Json:
    found: Json = document["paths"][path][method]
    return found


def changed(change: Change) -> list[str]:
    later = copy.deepcopy(NOW)
    change(later)
    return incompatibilities(NOW, later)


def test_the_stored_document_is_the_present_one() -> None:
    assert incompatibilities(stored(), NOW) == [], "clients rely on this: take it back, or add beside it"
    assert compatibility.STORED.read_text() == render(NOW), (
        f"run `{compatibility.COMMAND}` and commit docs/openapi.json"
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda d: d["paths"].pop("/api/v1/leads"), "create_lead: POST /api/v1/leads is gone"),
        (lambda d: operation(d).update(operationId="add_lead"), "create_lead: is called add_lead now"),
        (lambda d: operation(d)["responses"].pop("409"), "create_lead: the answer 409 is gone"),
        (lambda d: operation(d)["responses"].pop("201"), "create_lead: the answer 201 is gone"),
        (
            lambda d: operation(d)["parameters"].append(
                {"in": "query", "name": "x", "required": True, "schema": {"type": "string"}}
            ),
            "create_lead: the parameter x is newly required",
        ),
        (lambda d: operation(d, method="get")["parameters"].pop(0), "list_leads: the parameter limit is gone"),
        (
            lambda d: operation(d, method="get")["parameters"][0]["schema"].update(maximum=100),
            "list_leads: the parameter limit: maximum is lower",
        ),
        (lambda d: schema(d, "LeadCreate").update(required=["source"]), "create_lead: body/source: is newly required"),
        (lambda d: schema(d, "LeadCreate")["properties"].pop("source"), "create_lead: body/source: is no longer taken"),
        (
            lambda d: schema(d, "LeadCreate")["properties"]["status"]["enum"].remove("working"),
            "create_lead: body/status: the value working is no longer taken",
        ),
        (
            lambda d: schema(d, "LeadCreate")["properties"]["source"]["anyOf"].pop(),
            "create_lead: body/source: takes string in place of null",
        ),
        (
            lambda d: schema(d, "LeadCreate")["properties"].update(source={"type": "integer"}),
            "create_lead: body/source: takes integer in place of string",
        ),
        (
            lambda d: schema(d, "LeadCreate")["properties"]["source"]["anyOf"][0].update(maxLength=99),
            "create_lead: body/source: maxLength is lower",
        ),
        (lambda d: schema(d, "Lead")["properties"].pop("phone"), "get_lead: answer 200/phone: is gone"),
        (lambda d: schema(d, "Lead")["required"].remove("phone"), "get_lead: answer 200/phone: may be missing now"),
        (
            lambda d: schema(d, "Lead")["properties"].update(status={"type": "integer"}),
            "get_lead: answer 200/status: gives integer in place of string",
        ),
        (
            lambda d: schema(d, "Lead")["properties"].update(
                version={"anyOf": [{"type": "integer"}, {"type": "null"}]}
            ),
            "get_lead: answer 200/version: gives null in place of integer",
        ),
        (
            lambda d: schema(d, "Opportunity")["properties"]["status"]["enum"].remove("lost"),
            "list_opportunities: answer 200/data/*/status: the value lost is gone",
        ),
        (
            lambda d: operation(d)["requestBody"]["content"].pop("application/json"),
            "create_lead: the body is no longer taken as application/json",
        ),
    ],
)
def test_what_clients_rely_on_cannot_change(change: Change, sentence: str) -> None:
    found = changed(change)
    assert any(line.startswith(sentence) for line in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d["paths"].update({"/api/v1/new": {"get": operation(d, method="get") | {"operationId": "list_new"}}}),
        lambda d: schema(d, "LeadCreate")["properties"].update(region={"type": "string"}),
        lambda d: schema(d, "LeadCreate")["properties"]["status"]["enum"].append("parked"),
        lambda d: schema(d, "LeadCreate")["properties"].update(status={"type": "string", "maxLength": 50}),
        lambda d: schema(d, "LeadCreate")["properties"]["source"]["anyOf"][0].update(maxLength=200),
        lambda d: schema(d, "Lead")["properties"].update(region={"type": "string"}),
        lambda d: schema(d, "Lead")["required"].append("region"),
        lambda d: schema(d, "Opportunity")["properties"]["status"]["enum"].append("paused"),
        lambda d: operation(d)["parameters"].append({"in": "query", "name": "x", "schema": {"type": "string"}}),
        lambda d: operation(d)["responses"].update({"418": {"description": "x"}}),
        lambda d: operation(d).update(description="other words"),
    ],
)
def test_what_nobody_can_miss_may_change(change: Change) -> None:
    assert changed(change) == []


def test_the_command_stores_what_breaks_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "openapi.json"
    assert main(["--accept"], path) == 0
    assert main([], path) == 0
    later = copy.deepcopy(NOW)
    schema(later, "Lead")["properties"].update(region={"type": "string"})
    monkeypatch.setattr(compatibility, "present", lambda: later)
    assert main([], path) == 1
    assert "make openapi" in capsys.readouterr().err
    assert main(["--accept"], path) == 0
    schema(later, "Lead")["properties"].pop("phone")
    assert main(["--accept"], path) == 1
    assert "get_lead: answer 200/phone: is gone" in capsys.readouterr().err
    assert "phone" in json.loads(path.read_text())["components"]["schemas"]["Lead"]["properties"]
    assert main(["--break"], path) == 0
    assert main([], path) == 0

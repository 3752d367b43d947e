"""Values of a tenant's own fields: what each type takes, and the one form that it keeps."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.modules.custom_fields.types import ARCHIVED, MISFIT, UNKNOWN, Definition, Refused, Rules

OPTIONS = [
    {"value": "gold", "label": "Gold", "archived": False},
    {"value": "silver", "label": "Silver plan", "archived": False},
    {"value": "tin", "label": "Tin", "archived": True},
]
TYPES = ("text", "number", "boolean", "date", "datetime", "select", "multi_select", "url", "email")
FITS: list[tuple[str, Any, Any]] = [
    ("text", "  Acme  ", "Acme"),
    ("text", " ", None),
    ("number", 3, 3),
    ("number", 3.0, 3),
    ("number", 2.5, 2.5),
    ("boolean", False, False),
    ("date", "2026-02-28", "2026-02-28"),
    ("datetime", "2026-02-28T23:30:00+02:00", "2026-02-28T21:30:00Z"),
    ("datetime", "2026-02-28T23:30:00.250Z", "2026-02-28T23:30:00.250000Z"),
    ("select", "gold", "gold"),
    ("multi_select", ["silver", "gold", "silver"], ["gold", "silver"]),
    ("multi_select", [], None),
    ("url", "HTTPS://Acme.example", "https://acme.example/"),
    ("email", "Ann@ACME.example", "Ann@acme.example"),
    ("email", "Ann <ann@acme.example>", "ann@acme.example"),
]
MISFITS: list[tuple[str, Any]] = [
    *(("text", value) for value in (1, True, ["a"], "12345678901")),
    *(("number", value) for value in ("3", True, [3], -1, 11)),
    *(("boolean", value) for value in ("true", 1, 0)),
    *(("date", value) for value in ("2026-02-30", "28.02.2026", 20260228, "20260228", "1969-12-31", True)),
    *(("datetime", value) for value in ("2026-02-28T23:30:00", "yesterday", 1772000000, "1772000000")),
    *(("select", value) for value in ("Gold", "tin", "", 1, ["gold"])),
    *(("multi_select", value) for value in ("gold", ["gold", "tin"], [1], [["gold"]])),
    *(("url", value) for value in ("acme.example", "javascript:alert(1)", "ftp://acme.example", 1)),
    *(("email", value) for value in ("ann", "ann@", "a b@acme.example", 1)),
]


def definition(type_: str, **more: Any) -> Definition:
    bounds: dict[str, Any] = {"number": {"minimum": 0.0, "maximum": 10.0}, "text": {"max_length": 10}}.get(type_, {})
    return Definition("key", type_, OPTIONS if "select" in type_ else (), **bounds | more)


@pytest.mark.parametrize(("type_", "value", "kept"), FITS)
def test_a_value_is_kept_in_one_form(type_: str, value: Any, kept: Any) -> None:
    found = definition(type_).normal(value, settled=False)
    assert (found, type(found)) == (kept, type(kept))
    if kept is not None:
        assert definition(type_).normal(kept, settled=False) == kept


@pytest.mark.parametrize(("type_", "value"), MISFITS)
def test_what_is_not_of_the_type_is_refused(type_: str, value: Any) -> None:
    with pytest.raises(Refused) as refused:
        definition(type_).normal(value, settled=False)
    assert refused.value.code == MISFIT
    assert str(refused.value)


@pytest.mark.parametrize("type_", TYPES)
@given(value=st.one_of(st.text(max_size=30), st.integers(), st.booleans(), st.floats(-1e9, 1e9), st.lists(st.text())))
def test_whatever_comes_is_kept_for_good_or_refused(type_: str, value: Any) -> None:
    try:
        kept = definition(type_).normal(value, settled=False)
    except Refused:
        return
    assert kept is None or definition(type_).normal(kept, settled=False) == kept


def test_what_is_archived_takes_nothing_new() -> None:
    archived = definition("text", archived=True)
    with pytest.raises(Refused) as refused:
        archived.normal("new", settled=False)
    assert refused.value.code == ARCHIVED
    assert archived.normal("old", settled=True) == "old"
    assert definition("select").normal("tin", settled=True) == "tin"
    assert definition("multi_select").normal(["tin", "gold"], settled=True) == ["gold", "tin"]


def test_without_a_definition_anything_goes_unless_rules_are_strict() -> None:
    assert Rules().normal("any key", ["x", 1]) == ["x", 1]
    with pytest.raises(Refused) as refused:
        Rules(strict=True).normal("any key", 1)
    assert refused.value.code == UNKNOWN
    strict = Rules(strict=True, definitions={"seats": definition("number")})
    assert (strict.fits("seats", 3), strict.fits("seats", "3"), strict.fits("other", 3)) == (True, False, False)


def test_people_name_an_option_by_value_or_label() -> None:
    options = definition("select")
    assert [options.option(text) for text in ("gold", "SILVER PLAN", "Tin", "copper")] == [
        "gold", "silver", "tin", "copper",
    ]  # fmt: skip

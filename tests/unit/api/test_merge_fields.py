"""Which values a merge chooses, and which of them it puts back."""

import pytest

from api.modules.merges.fields import differences, merged_fields, put_back
from bevyly.errors import Invalid

ONE = {"name": "Acme", "city": None, "annual_revenue_minor": None, "currency": "USD", "custom": {"a": 1}}
TWO = {"name": "ACME", "city": "Bonn", "annual_revenue_minor": 5, "currency": "EUR", "custom": {"a": 2, "b": 2}}
THREE = {"name": "Acme!", "city": "Köln", "annual_revenue_minor": 9, "currency": "CHF", "custom": {"c": None}}
RECORDS = [("1", ONE), ("2", TWO), ("3", THREE)]


def test_the_survivors_value_stays_or_the_first_there_is_comes() -> None:
    assert merged_fields(RECORDS, {}) == {
        "name": "Acme", "city": "Bonn", "annual_revenue_minor": 5, "currency": "EUR",
        "custom": {"a": 1, "b": 2},
    }  # fmt: skip


def test_a_field_takes_the_value_of_its_winner_and_an_amount_its_currency() -> None:
    chosen = merged_fields(RECORDS, {"name": "2", "annual_revenue_minor": "3", "custom.a": "2", "city": "1"})
    assert chosen["name"] == "ACME"
    assert (chosen["annual_revenue_minor"], chosen["currency"]) == (9, "CHF")
    assert chosen["custom"]["a"] == 2
    assert chosen["city"] is None


def test_tags_are_those_of_all_unless_one_is_named() -> None:
    records = [("1", {"tags": ["vip"]}), ("2", {"tags": ["new", "vip"]})]
    assert merged_fields(records, {})["tags"] == ["new", "vip"]
    assert merged_fields(records, {"tags": "1"})["tags"] == ["vip"]
    many = [("1", {"tags": ["z"]}), ("2", {"tags": [f"{n:02}" for n in range(60)]})]
    assert len(merged_fields(many, {})["tags"]) == 50
    assert "z" in merged_fields(many, {})["tags"]


@pytest.mark.parametrize("winners", [{"currency": "2"}, {"nothing": "2"}, {"name": "4"}, {"custom.z": "2"}])
def test_what_is_not_part_of_the_merge_is_named(winners: dict[str, str]) -> None:
    with pytest.raises(Invalid) as refused:
        merged_fields(RECORDS, winners)
    assert refused.value.context["errors"][0]["field"] == f"body.fields.{next(iter(winners))}"


def test_what_nobody_changed_since_is_put_back() -> None:
    made = merged_fields(RECORDS, {})
    before, after = differences(ONE, made)
    assert put_back(made, before, after) == before
    edited = made | {"city": "Ulm", "custom": {"a": 1, "b": 3}}
    assert put_back(edited, before, after) == {"annual_revenue_minor": None, "currency": "USD"}


def test_an_amount_that_was_changed_since_keeps_its_currency() -> None:
    made = merged_fields(RECORDS, {})
    before, after = differences(ONE, made)
    back = put_back(made | {"annual_revenue_minor": 7}, before, after)
    assert "currency" not in back
    assert back["city"] is None
    assert put_back({"value_minor": 7, "currency": "EUR"}, {"currency": None}, {"currency": "EUR"}) == {}

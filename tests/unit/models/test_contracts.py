"""Frames that hold the answer, or lack a promise, never reach a model."""

import polars as pl
import pytest

from models.contracts import ACCOUNT, CONTRACTS, LEAD, OPPORTUNITY, Role, check, without_leaking_fields
from models.errors import LeakingColumns, MissingColumns


@pytest.mark.parametrize(
    "column",
    ["Tags", "Lead Quality", "lead_profile", "Asymmetrique Activity Score", "A_APPROVED", "O_DECLINED", "close_value",
     "close_date", "outcome", "decided_at", "Converted", "call_7d", "proposal_7d"],
)  # fmt: skip
def test_refuses_columns_known_only_afterwards(marts, column):
    frame, _ = marts()
    with pytest.raises(LeakingColumns) as refusal:
        check(frame.with_columns(pl.lit(1).alias(column)), LEAD)
    assert refusal.value.context["columns"] == [column]


@pytest.mark.parametrize("key", ["Tags", "Lead Quality", "lead_quality", "asymmetrique_profile_index", "close_value"])
def test_refuses_custom_fields_known_only_afterwards(marts, key):
    frame, _ = marts(n=5)
    leaking = frame.with_columns(attributes=pl.lit(f'{{"size": 1, "{key}": "x"}}'))
    with pytest.raises(LeakingColumns):
        check(leaking, LEAD)


@pytest.mark.parametrize("key", ["Tags", "won", "Lead Quality"])
def test_a_field_that_names_a_leak_can_be_left_out_for_the_others_sake(marts, key):
    frame, _ = marts(n=5)
    named = pl.lit(f'{{"size": 1, "{key}": "x"}}')
    leaking = frame.with_columns(attributes=pl.when(pl.int_range(pl.len()) == 0).then(named).otherwise("attributes"))
    cleaned = without_leaking_fields(leaking)
    check(cleaned, LEAD)
    assert cleaned["attributes"][0] == '{"size": 1}'
    assert cleaned["attributes"][1:].to_list() == frame["attributes"][1:].to_list()


@pytest.mark.parametrize("key", ["tagline", "expected_close_date", "my_close_value_note"])
def test_allows_custom_fields_that_only_look_alike(marts, key):
    frame, _ = marts(n=5)
    check(frame.with_columns(attributes=pl.lit(f'{{"{key}": "close_date"}}')), LEAD)


def test_names_every_missing_column(marts):
    frame, _ = marts()
    with pytest.raises(MissingColumns) as refusal:
        check(frame.drop("calls_7d", "attributes"), LEAD)
    assert refusal.value.context["columns"] == ["attributes", "calls_7d"]


@pytest.mark.parametrize("entity", CONTRACTS)
def test_a_contract_names_each_column_once_and_has_attributes(entity):
    names = [column.name for column in CONTRACTS[entity].columns]
    assert len(names) == len(set(names))
    assert [column.name for column in CONTRACTS[entity].of(Role.ATTRIBUTES)] == ["attributes"]


def test_contracts_have_different_digests():
    assert len({contract.digest for contract in (LEAD, OPPORTUNITY, ACCOUNT)}) == 3

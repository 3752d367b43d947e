"""Words: money, days, lists."""

import polars as pl
import pytest

from bevyly.money import exponent
from models.signals.text import MINOR_DIGITS, counted, json_list, money, percent


@pytest.mark.parametrize(
    ("minor", "currency", "words"),
    [
        (1_500_000, "EUR", "EUR 15,000"),
        (123_456_789, "USD", "USD 1,234,568"),
        (99, "EUR", "EUR 1"),
        (0, "EUR", "EUR 0"),
        (-42_000, "EUR", "EUR -420"),
        (1_500_000, "JPY", "JPY 1,500,000"),
        (1_500_000, "KWD", "KWD 1,500"),
    ],
)
def test_money(minor: int, currency: str, words: str) -> None:
    frame = pl.DataFrame({"minor": [minor], "currency": [currency]})
    assert frame.select(money(pl.col("minor"), pl.col("currency"))).item() == words


def test_digits_are_those_of_the_kernel() -> None:
    codes = [*MINOR_DIGITS, "EUR", "USD", "GBP"]
    assert {code: exponent(code) for code in codes} == {code: MINOR_DIGITS.get(code, 2) for code in codes}


def test_counts_and_shares() -> None:
    assert pl.select(counted(pl.lit(1.0), "day")).item() == "1 day"
    assert pl.select(counted(pl.lit(1234.4), "call")).item() == "1,234 calls"
    assert pl.select(percent(pl.lit(0.314))).item() == "31 %"


def test_lists_become_json() -> None:
    frame = pl.DataFrame({"evidence": [["a", 'b"}'], []]}, schema={"evidence": pl.List(pl.String)})
    assert frame.select(json_list("evidence"))["evidence"].to_list() == ['["a","b\\"}"]', "[]"]

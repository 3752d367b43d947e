from decimal import Decimal

import pytest

from bevyly.errors import Invalid
from bevyly.money import Money


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [("12.345", "EUR", 1234), ("12.355", "EUR", 1236), ("1500", "JPY", 1500), ("1.2345", "KWD", 1234)],
)
def test_major_units_round_half_even_at_the_smallest_unit(amount: str, currency: str, minor: int) -> None:
    assert Money.from_major(Decimal(amount), currency) == Money(minor, currency)


def test_currencies_do_not_mix() -> None:
    with pytest.raises(Invalid, match="EUR and USD"):
        Money(1, "EUR") + Money(1, "USD")


@pytest.mark.parametrize("code", ["eur", "EURO", "€", "E1R"])
def test_a_currency_is_an_iso_code(code: str) -> None:
    with pytest.raises(Invalid, match="ISO 4217"):
        Money(1, code)


def test_text_has_the_currency_and_its_digits() -> None:
    assert str(Money(1234567, "EUR")) == "EUR 12,345.67"
    assert str(Money(1234567, "JPY")) == "JPY 1,234,567"

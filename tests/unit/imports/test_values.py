"""Texts of exports as values."""

import pytest

from bevyly.imports.errors import BadValue
from bevyly.imports.values import in_form, instant


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("minor", "1200000.50", 120_000_050),
        ("minor", "$1,500", 150_000),
        ("minor", "0.005", 0),
        ("integer", "1,200", 1200),
        ("integer", "15.0", 15),
        ("currency", "eur", "EUR"),
        ("domain", "https://www.Steel.example:80/about?x", "steel.example"),
        ("email", " ann@steel.example ", "ann@steel.example"),
        ("day", "2026-03-15T23:30:00-05:00", "2026-03-16"),
        ("milliseconds", "90500", 90),
        ("minutes", "1.5", 90),
        ("text", " x ", "x"),
    ],
)
def test_a_value_takes_its_form(form: str, text: str, value: object) -> None:
    assert in_form(form, text, "EUR") == value


@pytest.mark.parametrize(("currency", "value"), [("JPY", 500), ("EUR", 50_000), ("KWD", 500_000)])
def test_minor_units_are_those_of_the_currency(currency: str, value: int) -> None:
    assert in_form("minor", "500", currency) == value


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-01-10T08:00:00.000+0000", "2026-01-10T08:00:00+00:00"),
        ("2026-01-10T08:00:00+05:30", "2026-01-10T02:30:00+00:00"),
        ("2020-12-30 3:15:52", "2020-12-30T03:15:52+00:00"),
        ("2026-01-05 08:30", "2026-01-05T08:30:00+00:00"),
        ("2026-01-05", "2026-01-05T00:00:00+00:00"),
        ("2023-06-08 23:22:50.048000", "2023-06-08T23:22:50.048000+00:00"),
        ("2020-07-09 15:25:37.054", "2020-07-09T15:25:37.054000+00:00"),
        ("1770192000000", "2026-02-04T08:00:00+00:00"),
    ],
)
def test_instants_are_read_as_systems_write_them(text: str, iso: str) -> None:
    assert instant(text).isoformat() == iso


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("minor", "much"),
        ("minor", "NaN"),
        ("minor", "Infinity"),
        ("integer", "1.5"),
        ("integer", "1e99999999"),
        ("minor", "1e99999999"),
        ("instant", "0001-01-01T00:00:00+14:00"),
        ("currency", "euro"),
        ("instant", "yesterday"),
        ("instant", "2026-02-30"),
        ("instant", "01/02/2026"),
        ("domain", "not a domain"),
        ("email", "not an address"),
    ],
)
def test_what_does_not_fit_is_refused(form: str, text: str) -> None:
    with pytest.raises(BadValue):
        in_form(form, text, "EUR")


def test_an_amount_without_a_currency_is_refused() -> None:
    with pytest.raises(BadValue, match="--currency"):
        in_form("minor", "5", None)

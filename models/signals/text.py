"""Plain English for a person in sales, as polars expressions: money, days, numbers, JSON text.

Belongs here: how values are worded. Which values, and when, is the detector's or the action's business.
"""

import polars as pl

# Digits after the decimal point where ISO 4217 does not say two (as in `bevyly.money`; a test holds them together).
MINOR_DIGITS = {"BHD": 3, "CLP": 0, "ISK": 0, "JOD": 3, "JPY": 0, "KRW": 0, "KWD": 3, "OMR": 3, "TND": 3, "VND": 0}


def money(minor: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """`EUR 15,000` from minor units; whole units, because nobody decides on cents."""
    return pl.format("{} {}", currency, whole_units(minor, currency))


def whole_units(minor: pl.Expr, currency: pl.Expr) -> pl.Expr:
    """`15,000`, for the second amount of a range."""
    scale = currency.replace_strict(
        list(MINOR_DIGITS), [10**digits for digits in MINOR_DIGITS.values()], default=100, return_dtype=pl.Int64
    )
    major = (minor / scale).round(0).cast(pl.Int64)
    sign = pl.when(major < 0).then(pl.lit("-")).otherwise(pl.lit(""))
    return pl.format("{}{}", sign, thousands(major.abs()))


def thousands(whole: pl.Expr) -> pl.Expr:
    """`1,234,567` from a whole number that is not negative."""
    reversed_digits = whole.cast(pl.Int64).cast(pl.String).str.reverse()
    return reversed_digits.str.replace_all(r"(\d{3})", "${1},").str.reverse().str.strip_chars_start(",")


def days(number: pl.Expr) -> pl.Expr:
    """`1 day`, `9 days`."""
    return counted(number, "day")


def counted(number: pl.Expr, noun: str) -> pl.Expr:
    """`1 call`, `3 calls`."""
    whole = number.round(0).cast(pl.Int64)
    worded = pl.when(whole == 1).then(pl.lit(noun)).otherwise(pl.lit(f"{noun}s"))
    return pl.format("{} {}", thousands(whole.abs()), worded)


def percent(share: pl.Expr) -> pl.Expr:
    """`31 %` from 0.31."""
    return pl.format("{} %", (share * 100).round(0).cast(pl.Int64))


def json_list(name: str) -> pl.Expr:
    """A list column as JSON text; polars encodes structs only, so the wrapping is cut off again."""
    wrapped = pl.struct(pl.col(name).alias("x")).struct.json_encode()
    return wrapped.str.strip_prefix('{"x":').str.strip_suffix("}").alias(name)

"""Texts of an export as values of an event: amounts in minor units, instants in UTC, domains without their address."""

import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any

from bevyly.imports.errors import BadValue

# ISO 4217 currencies without two decimals
_NO_DECIMALS = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS = "BHD IQD JOD KWD LYD OMR TND"
MOST_DIGITS = 30
"""Of a whole number: `1e99999999` is short as a text, and takes the memory of a machine as an integer."""
_INSTANT = re.compile(
    r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)
_EPOCH = re.compile(r"\d{12,13}")
_MAILBOX = re.compile(r"[^@\s]+@[^@\s]+")
_TRUE = {"true", "yes", "1", "t"}


def is_true(text: str) -> bool:
    """Whether a text says yes."""
    return text.strip().lower() in _TRUE


def instant(text: str) -> datetime:
    """An instant in UTC: a date, a date and time (UTC unless it says otherwise), or milliseconds since 1970."""
    if _EPOCH.fullmatch(text):
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    found = _INSTANT.fullmatch(text.strip())
    if found is None:
        raise BadValue("is no date or time")
    year, month, day, hour, minute, second, fraction, zone = found.groups()
    try:
        naive = datetime(
            int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError as error:
        raise BadValue(str(error)) from None
    made = naive.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")), tzinfo=_zone(zone))
    try:
        return made.astimezone(UTC)
    except OverflowError:
        raise BadValue("is no date or time") from None


def _zone(text: str | None) -> timezone:
    if text is None or text.upper() in ("Z", "UTC"):
        return UTC
    sign = -1 if text[0] == "-" else 1
    return timezone(sign * timedelta(hours=int(text[1:3]), minutes=int(text[-2:])))


def day(text: str) -> date:
    """The day of an instant."""
    return instant(text).date()


def number(text: str) -> Decimal:
    """A number, with or without a thousands separator and a currency sign before it."""
    try:
        value = Decimal(text.strip().lstrip("$€£¥ ").replace(",", ""))
    except InvalidOperation:
        raise BadValue("is no number") from None
    if not value.is_finite() or value.adjusted() > MOST_DIGITS:
        raise BadValue("is no number")
    return value


def integer(text: str) -> int:
    """A whole number."""
    value = number(text)
    if value != value.to_integral_value():
        raise BadValue("is no whole number")
    return int(value)


def minor(text: str, currency: str) -> int:
    """An amount in minor units of `currency`; what has more decimals than the currency is rounded half to even."""
    decimals = 0 if currency in _NO_DECIMALS else 3 if currency in _THREE_DECIMALS else 2
    return int((number(text) * 10**decimals).to_integral_value())


def currency(text: str) -> str:
    """An ISO currency code."""
    code = text.strip().upper()
    if not re.fullmatch(r"[A-Z]{3}", code):
        raise BadValue("is no currency code")
    return code


def domain(text: str) -> str:
    """The domain in a web address."""
    host = re.sub(r"^[a-z]+://", "", text.strip().lower()).partition("/")[0].partition(":")[0].removeprefix("www.")
    if not re.fullmatch(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63}){1,8}", host):
        raise BadValue("is no web address")
    return host


def email(text: str) -> str:
    """An email address."""
    if not _MAILBOX.fullmatch(text.strip()):
        raise BadValue("is no email address")
    return text.strip()


def in_form(form: str, text: str, money: str | None) -> Any:
    """`text` as a value of an event; `money` is the currency of amounts. Raises `BadValue`."""
    if form == "minor":
        if money is None:
            raise BadValue("has no currency: name one with --currency")
        return minor(text, money)
    if form in ("instant", "day"):
        return (instant(text) if form == "instant" else day(text)).isoformat()
    if form in ("milliseconds", "minutes"):
        return int(number(text) / 1000) if form == "milliseconds" else int(number(text) * 60)
    convert = {"integer": integer, "currency": currency, "domain": domain, "email": email}.get(form)
    return convert(text) if convert else text.strip()

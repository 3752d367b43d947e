"""Money: an integer in minor units and an ISO 4217 currency; never a float, never without its currency."""

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from bevyly.errors import Invalid

# Digits after the decimal point where ISO 4217 does not say two.
_EXPONENTS = {"BHD": 3, "CLP": 0, "ISK": 0, "JOD": 3, "JPY": 0, "KRW": 0, "KWD": 3, "OMR": 3, "TND": 3, "VND": 0}


def exponent(currency: str) -> int:
    """Digits after the decimal point in `currency`."""
    return _EXPONENTS.get(currency, 2)


@dataclass(frozen=True, order=False)
class Money:
    """An amount in minor units (cents) of one currency."""

    amount_minor: int
    currency: str

    def __post_init__(self) -> None:
        if len(self.currency) != 3 or not self.currency.isalpha() or not self.currency.isupper():
            raise Invalid(f"{self.currency!r} is not an ISO 4217 currency code such as EUR.")

    @classmethod
    def from_major(cls, amount: Decimal | int | str, currency: str) -> "Money":
        """Money from an amount in major units, rounded half to even at the currency's smallest unit."""
        scaled = Decimal(amount).scaleb(exponent(currency))
        return cls(int(scaled.quantize(Decimal(1), rounding=ROUND_HALF_EVEN)), currency)

    def __add__(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise Invalid(f"{self.currency} and {other.currency} cannot be added without an exchange rate.")
        return Money(self.amount_minor + other.amount_minor, self.currency)

    def __str__(self) -> str:
        digits = exponent(self.currency)
        return f"{self.currency} {Decimal(self.amount_minor).scaleb(-digits):,.{digits}f}"

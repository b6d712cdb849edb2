"""Money: integer minor units with a currency. Never a float. A plain dataclass, which both encoders of ours know."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Money:
    """`amount` in minor units (cents, pence; whole yen), `currency` as ISO 4217."""

    amount: int
    currency: str


# ISO 4217 currencies whose minor unit is not a hundredth, among those events are sold in.
_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "ISK": 0, "BHD": 3, "KWD": 3, "TND": 3}
_SIGNS = {"EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥"}


def text(money: Money) -> str:
    """For people: "€70.00", "CHF 70.00"."""
    digits = _DIGITS.get(money.currency, 2)
    whole, part = divmod(abs(money.amount), 10**digits)
    number = f"{whole:,}" + (f".{part:0{digits}}" if digits else "")
    sign = _SIGNS.get(money.currency, money.currency + " ")
    return f"{'-' if money.amount < 0 else ''}{sign}{number}"

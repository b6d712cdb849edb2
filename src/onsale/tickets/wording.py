"""How dates, money and seats are said on tickets and in letters: English, and the same on every machine.

`strftime` and `locale` speak the language of the process they run in; a ticket must not.
"""

from datetime import datetime
from typing import Final
from unicodedata import category
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)

# ISO 4217: currencies whose minor unit is not a hundredth.
_MINOR_DIGITS: Final = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"), 0),
    **dict.fromkeys(("VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
_DIRECTION_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SIGNS: Final = {"EUR": "€", "GBP": "£", "USD": "$", "JPY": "¥"}


def local(moment: datetime, timezone: str) -> datetime:
    """The moment as the clocks of the venue show it. An unknown zone is shown as UTC: a late ticket helps nobody."""
    assert moment.tzinfo is not None, "a moment without a zone is not a moment"
    try:
        return moment.astimezone(ZoneInfo(timezone))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return moment.astimezone(ZoneInfo("UTC"))


def day(moment: datetime, timezone: str) -> str:
    """For example `Saturday 12 June 2027`."""
    at = local(moment, timezone)
    return f"{_DAYS[at.weekday()]} {at.day} {_MONTHS[at.month - 1]} {at.year}"


def clock(moment: datetime, timezone: str) -> str:
    """For example `19:30`, without the zone: beside a venue's address the venue's clock is meant."""
    return f"{local(moment, timezone):%H:%M}"


def zone(moment: datetime, timezone: str) -> str:
    """For example `CEST`, or `UTC-03` where the zone has only a number for a name."""
    name = local(moment, timezone).tzname() or "UTC"
    return name if name[0].isalpha() else f"UTC{name}"


def money(amount_minor: int, currency: str) -> str:
    """For example `€1,234.50`, `¥1,200`, `CHF 85.00`; a no-break space keeps code and figure together."""
    digits = _MINOR_DIGITS.get(currency, 2)
    whole, rest = divmod(abs(amount_minor), 10**digits)
    figure = f"{whole:,}" + (f".{rest:0{digits}}" if digits else "")
    sign = "−" if amount_minor < 0 else ""
    name = _SIGNS.get(currency) or f"{currency}\N{NO-BREAK SPACE}"
    return f"{sign}{name}{figure}"


def seat(section: str, row: str, number: str) -> str:
    """One line for where somebody sits or stands: `Section 101 · Row A · Seat 13`, or `Section Floor · No. 812`."""
    if row:
        return f"Section {section} · Row {row} · Seat {number}"
    return f"Section {section} · No. {number}"


def one_line(text: str) -> str:
    """Line ends and other controls become spaces, runs of spaces one: titles are typed by people and end up in headers.

    Direction overrides go too, since with one of them a title could turn the words after it around.
    """
    return " ".join("".join(_plain(letter) for letter in text).split())


def _plain(letter: str) -> str:
    if letter in _DIRECTION_OVERRIDES:
        return ""
    return " " if category(letter) in ("Cc", "Cs", "Zl", "Zp") else letter

"""Reads the TICKIT sample (pipe-separated files of venues, categories, dates and events) as a season to be sold.

Pure: takes the files' texts, gives venues and events. The sample is of one past year; all of it is moved by the same
number of whole years, so that its first event is still to come. It has no seating, and most of its capacities are 0:
both are made up.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from onsale.catalog.chart import Kind
from onsale.catalog.draft import NewVenue
from onsale.catalog.season import PlannedEvent, PlannedVenue, Season

FILES = ("venue_pipe.txt", "category_pipe.txt", "date2008_pipe.txt", "allevents_pipe.txt")
"""The files that `read` needs, by the names they have in the sample."""

_ORGANISER = "Tickit Box Office"
_LENGTH = timedelta(hours=2, minutes=30)
_DOORS_BEFORE = timedelta(hours=1)
_OPENED_BEFORE = timedelta(days=1)

# Where most of the people of a state or province live, by the clocks of the IANA database.
_STATES = {
    "America/New_York": "CT DC DE FL GA IN KY MA MD ME MI NC NH NJ NY OH PA RI SC VA VT WV",
    "America/Chicago": "AL AR IA IL KS LA MN MO MS ND NE OK SD TN TX WI",
    "America/Denver": "CO ID MT NM UT WY",
    "America/Phoenix": "AZ",
    "America/Los_Angeles": "CA NV OR WA",
    "America/Anchorage": "AK",
    "Pacific/Honolulu": "HI",
}
_PROVINCES = {
    "America/Toronto": "ON QC",
    "America/Halifax": "NB NS PE",
    "America/St_Johns": "NL",
    "America/Winnipeg": "MB",
    "America/Regina": "SK",
    "America/Edmonton": "AB",
    "America/Vancouver": "BC",
}
# Kind and size of a house whose capacity is not given, by a word of its name; the first that fits.
_HOUSES: tuple[tuple[str, Kind, int], ...] = (
    ("Opera", "theatre", 2_800),
    ("Theat", "theatre", 1_400),
    ("Playhouse", "theatre", 700),
    ("Performing Arts", "theatre", 2_600),
    ("Hall", "theatre", 2_400),
    ("Auditorium", "theatre", 2_000),
    ("Hotel", "theatre", 1_200),
    ("Studio", "theatre", 1_000),
    ("Fieldhouse", "arena", 18_000),
    ("Stadium", "stadium", 40_000),
    ("Park", "stadium", 22_000),
    ("Field", "stadium", 35_000),
    ("Winery", "club", 1_500),
    ("Villa", "club", 900),
    ("", "arena", 17_500),
)
_STADIUM_FROM = 25_000

# All-in prices in whole units, best and cheapest, by category name.
_PRICES = {"Musicals": (189, 59), "Plays": (129, 39), "Opera": (249, 35), "Classical": (119, 25), "Jazz": (89, 29)}
_PRICES_ELSE = (159, 45)


class BadTickit(ValueError):
    """A line that is not what the sample has; the text names file and line."""


@dataclass(frozen=True, slots=True)
class _Row:
    """One line, and where it stands, for whoever has to mend it."""

    file: str
    line: int
    fields: tuple[str, ...]

    def number(self, place: int) -> int:
        text = self.fields[place]
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise self.bad(f"{text[:40]!r} is not a number")
        return int(text)

    def bad(self, why: str) -> BadTickit:
        return BadTickit(f"{self.file}, line {self.line}: {why}")


@dataclass(frozen=True, slots=True)
class _Show:
    """What a line of the event file says, with its look-ups done."""

    genre: str
    title: str
    starts_at: datetime
    opens_at: datetime


def read(texts: Mapping[str, str], now: datetime) -> Season:
    """The sample as a season after `now`. `texts` is the content of each of FILES by its name. Raises BadTickit."""
    categories = {row.number(0): row.fields[2].strip() for row in _rows(texts, "category_pipe.txt", 4)}
    days = {row.number(0): _day(row) for row in _rows(texts, "date2008_pipe.txt", 2)}
    index: dict[int, int] = {}
    venues: list[PlannedVenue] = []
    for row in _rows(texts, "venue_pipe.txt", 5):
        index[row.number(0)] = len(venues)
        venues.append(_venue(row, len(venues) + 1))
    years = _years_to(min(days.values(), default=now.date()), now)
    events = []
    for row in _rows(texts, "allevents_pipe.txt", 6):
        place = index.get(row.number(1))
        genre, day = categories.get(row.number(2)), days.get(row.number(3))
        if place is None or genre is None or day is None:
            raise row.bad("its venue, category or date is in no other file")
        starts_at = _starts_at(row, _moved(day, years), venues[place].venue.timezone)
        show = _Show(genre, row.fields[4].strip(), starts_at, opens_at=now - _OPENED_BEFORE)
        events.append(_event(show, place, venues[place].venue))
    return Season(tuple(venues), tuple(events))


def _rows(texts: Mapping[str, str], file: str, fields_min: int) -> Iterator[_Row]:
    if file not in texts:
        raise BadTickit(f"{file} is missing")
    for number, line in enumerate(texts[file].splitlines(), 1):
        row = _Row(file, number, tuple(line.split("|")))
        if line.strip() and len(row.fields) < fields_min:
            raise row.bad(f"{len(row.fields)} fields, expected {fields_min}")
        if line.strip():
            yield row


def _day(row: _Row) -> date:
    try:
        return date.fromisoformat(row.fields[1])
    except ValueError as error:
        raise row.bad(f"{row.fields[1][:40]!r} is not a day") from error


def _venue(row: _Row, seed: int) -> PlannedVenue:
    _, name, city, state, seats_text, *_ = row.fields
    country, timezone = _where(state.strip(), row)
    seats = row.number(4) if seats_text.strip() else 0
    kind, usual = _house(name)
    if seats:
        kind = "stadium" if seats >= _STADIUM_FROM else "arena" if kind in ("stadium", "arena") else kind
    venue = NewVenue(name=name.strip(), city=city.strip(), country=country, timezone=timezone)
    return PlannedVenue(venue=venue, kind=kind, seats=seats or usual, seed=seed)


def _house(name: str) -> tuple[Kind, int]:
    return next((kind, seats) for word, kind, seats in _HOUSES if word in name)


def _where(state: str, row: _Row) -> tuple[str, str]:
    """Country and timezone."""
    for country, zones in (("US", _STATES), ("CA", _PROVINCES)):
        for timezone, states in zones.items():
            if state in states.split():
                return country, timezone
    raise row.bad(f"{state[:40]!r} is neither a state of the US nor a province of Canada")


def _years_to(first: date, now: datetime) -> int:
    """How many whole years lie between the sample and the first year in which all of it is still to come."""
    years = max(0, now.year - first.year)
    return years if _moved(first, years) > now.date() + timedelta(days=1) else years + 1


def _moved(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # The 29th of February, in a year without one.
        return day.replace(year=day.year + years, day=28)


def _starts_at(row: _Row, day: date, timezone: str) -> datetime:
    """The day is that of the date file: the start time's own day disagrees with it in some lines of the sample."""
    try:
        at = time.fromisoformat(row.fields[5].split()[1])
    except (ValueError, IndexError) as error:
        raise row.bad(f"{row.fields[5][:40]!r} is not a start time") from error
    return datetime.combine(day, at.replace(tzinfo=None), ZoneInfo(timezone)).astimezone(UTC)


def _event(show: _Show, place: int, venue: NewVenue) -> PlannedEvent:
    best, cheapest = _PRICES.get(show.genre, _PRICES_ELSE)
    return PlannedEvent(
        venue=place,
        organiser=_ORGANISER,
        genre=show.genre,
        title=show.title,
        summary=f"{show.genre} at {venue.name}, {venue.city}",
        starts_at=show.starts_at,
        doors_at=show.starts_at - _DOORS_BEFORE,
        ends_at=show.starts_at + _LENGTH,
        opens_at=show.opens_at,
        closes_at=show.starts_at,
        currency="USD" if venue.country == "US" else "CAD",
        best_minor=best * 100,
        cheapest_minor=cheapest * 100,
    )

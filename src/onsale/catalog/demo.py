"""The demonstration season of demo.toml, laid around a given moment: what `onsale seed` fills an empty shop with.

Everybody in it is invented. Most events are on sale; one opens in a few minutes, one has ended, one is cancelled, one
is postponed.
"""

from datetime import UTC, date, datetime, time, timedelta
from importlib import resources
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from onsale.catalog.chart import Kind
from onsale.catalog.draft import NewVenue
from onsale.catalog.model import EventStatus
from onsale.catalog.season import PlannedEvent, PlannedVenue, Season

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
# People come to a club when the doors open, to a stadium an hour and a half before the start.
_DOORS_BEFORE = {"stadium": 90, "arena": 75, "theatre": 45, "club": 60}
_OPENED_BEFORE = timedelta(days=21)


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A venue of demo.toml; `currency` is that of all its events."""

    name: str
    address: str
    city: str
    country: str
    latitude: float
    longitude: float
    timezone: str
    currency: str
    kind: Kind
    seats: int


class _Show(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An event of demo.toml: on the first `weekday` at least `day` days from now, at `at` by the venue's clocks."""

    venue: str
    organiser: str
    genre: str
    title: str
    day: int
    weekday: Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    at: time
    minutes: int
    best: int
    cheapest: int
    summary: str
    description: str
    said: EventStatus | None = None
    opens_in_minutes: int | None = None
    seats_per_person: int = 8


class _Book(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    venues: dict[str, _Place]
    events: list[_Show]


def season(now: datetime) -> Season:
    """The season as it would be at `now`; the same for the same moment."""
    text = resources.files(__package__).joinpath("demo.toml").read_text("utf-8")
    book = msgspec.toml.decode(text, type=_Book)
    places = list(book.venues.values())
    index = {key: number for number, key in enumerate(book.venues)}
    venues = tuple(
        PlannedVenue(venue=_venue(place), kind=place.kind, seats=place.seats, seed=number)
        for number, place in enumerate(places, 1)
    )
    events = (_event(show, index[show.venue], book.venues[show.venue], now) for show in book.events)
    return Season(venues, tuple(events))


def _venue(place: _Place) -> NewVenue:
    return NewVenue(
        name=place.name,
        address=place.address,
        city=place.city,
        country=place.country,
        latitude=place.latitude,
        longitude=place.longitude,
        timezone=place.timezone,
    )


def _event(show: _Show, venue: int, place: _Place, now: datetime) -> PlannedEvent:
    starts_at = _starts_at(show, place, now)
    opens_at = min(now, starts_at) - _OPENED_BEFORE
    if show.opens_in_minutes is not None:
        opens_at = now + timedelta(minutes=show.opens_in_minutes)
    return PlannedEvent(
        venue=venue,
        organiser=show.organiser,
        genre=show.genre,
        title=show.title,
        summary=show.summary,
        description=show.description.strip(),
        starts_at=starts_at,
        doors_at=starts_at - timedelta(minutes=_DOORS_BEFORE[place.kind]),
        ends_at=starts_at + timedelta(minutes=show.minutes),
        opens_at=opens_at.replace(second=0, microsecond=0),
        closes_at=starts_at,
        currency=place.currency,
        best_minor=show.best * 100,
        cheapest_minor=show.cheapest * 100,
        said=show.said,
        seats_per_person=show.seats_per_person,
    )


def _starts_at(show: _Show, place: _Place, now: datetime) -> datetime:
    zone = ZoneInfo(place.timezone)
    earliest: date = now.astimezone(zone).date() + timedelta(days=show.day)
    day = earliest + timedelta(days=(_WEEKDAYS.index(show.weekday) - earliest.weekday()) % 7)
    return datetime.combine(day, show.at, zone).astimezone(UTC)

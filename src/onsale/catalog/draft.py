"""What is to be listed, and whether it can be: pure, so that form, API and seed are refused for the same reasons."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from onsale import limits
from onsale.catalog.errors import InvalidEvent, InvalidOrganiser, InvalidVenue
from onsale.limits import (
    DESCRIPTION_MAX_LENGTH,
    NAME_MAX_LENGTH,
    PRICE_MINOR_MAX,
    SEATS_PER_PERSON_MAX,
    SLUG_MAX_LENGTH,
    SUMMARY_MAX_LENGTH,
    TIERS_MAX,
    TITLE_MAX_LENGTH,
)

EVENT_LENGTH_MAX = timedelta(days=limits.EVENT_LENGTH_MAX_DAYS)

_JOINERS = "\u200c\u200d"
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_COUNTRY = re.compile(r"[A-Z]{2}")
_IMAGE = re.compile(r"/static/(?!.*\.\.)[\w./-]{1,200}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewVenue:
    """Country is ISO 3166 alpha-2, degrees are WGS 84, timezone is a name of the IANA database."""

    name: str
    city: str
    country: str
    timezone: str
    address: str = ""
    latitude: float | None = None
    longitude: float | None = None

    @property
    def slug(self) -> str:
        return slug_of(f"{self.name} {self.city}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTier:
    """A price class to be: what the fan pays is face and fee together, in minor units of the event's currency."""

    name: str
    zones: tuple[int, ...]
    face_minor: int
    fee_minor: int
    colour: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event to be. Times are aware. Without a chart it is announced and not sold; `genre` is its printed name."""

    organiser_id: int
    venue_id: int
    chart_hash: str | None
    genre: str
    title: str
    starts_at: datetime
    ends_at: datetime
    opens_at: datetime
    closes_at: datetime
    currency: str
    tiers: tuple[NewTier, ...]
    doors_at: datetime | None = None
    summary: str = ""
    description: str = ""
    image: str | None = None
    hold_s: int = limits.HOLD_TTL_DEFAULT_S
    seats_per_hold: int = limits.SEATS_PER_HOLD_DEFAULT
    seats_per_person: int = limits.SEATS_PER_HOLD_DEFAULT
    several_holds: bool = False
    guests: bool = True

    @property
    def slug(self) -> str:
        # A title may be all signs ("!!!"); its address still reads as one of an event.
        return slug_of(self.title) or "event"

    @property
    def genre_slug(self) -> str:
        return slug_of(self.genre)


def slug_of(text: str) -> str:
    """A name as part of an address: lower case, accents off, words joined by hyphens. Letters of every script stay.

    >>> slug_of("Ópera: El Niño & the Sea")
    'opera-el-nino-the-sea'
    """
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    words = re.findall(r"[^\W_]+", plain.replace("'", "").replace("’", ""))
    return "-".join(words)[:SLUG_MAX_LENGTH].rstrip("-")


def check_venue(venue: NewVenue) -> None:
    """Raise InvalidVenue, naming the first field that cannot stand."""
    _line(InvalidVenue, "name", venue.name, NAME_MAX_LENGTH)
    _line(InvalidVenue, "city", venue.city, NAME_MAX_LENGTH)
    _need_venue(bool(slug_of(venue.name)), "name", "The name needs a letter or a digit")
    if venue.address:
        _line(InvalidVenue, "address", venue.address, SUMMARY_MAX_LENGTH)
    country = _COUNTRY.fullmatch(venue.country) is not None
    _need_venue(country, "country", "The country is two capital letters, like FR")
    _need_venue(known_timezone(venue.timezone), "timezone", "The timezone is a name like Europe/Paris")
    both = (venue.latitude is None) == (venue.longitude is None)
    _need_venue(both, "latitude", "Latitude and longitude come together")
    if venue.latitude is not None and venue.longitude is not None:
        on_earth = -90 <= venue.latitude <= 90 and -180 <= venue.longitude <= 180
        _need_venue(on_earth, "latitude", "Latitude and longitude are degrees")


def check_event(event: NewEvent, zones: Sequence[str] | None) -> None:
    """Raise InvalidEvent, naming the first field that cannot stand. `zones` are its chart's; None without one."""
    _check_words(event)
    _check_times(event)
    _check_sale(event)
    _need(len(event.tiers) <= TIERS_MAX, "tiers", f"An event has at most {TIERS_MAX} price classes")
    for tier in event.tiers:
        _check_tier(tier)
    names = [tier.name for tier in event.tiers]
    _need(len(set(names)) == len(names), "tiers", "Two price classes have the same name")
    _check_zones([zone for tier in event.tiers for zone in tier.zones], zones)


def _check_words(event: NewEvent) -> None:
    _line(InvalidEvent, "title", event.title, TITLE_MAX_LENGTH)
    _line(InvalidEvent, "genre", event.genre, NAME_MAX_LENGTH)
    _need(bool(event.genre_slug), "genre", "The genre needs a letter or a digit")
    if event.summary:
        _line(InvalidEvent, "summary", event.summary, SUMMARY_MAX_LENGTH)
    _need(len(event.description) <= DESCRIPTION_MAX_LENGTH, "description", "The description is too long")
    _need(_printable(event.description, "\n\t"), "description", "The description has characters that cannot be printed")
    image = event.image is None or _IMAGE.fullmatch(event.image) is not None
    _need(image, "image", "The image is a path below /static/")


def _check_times(event: NewEvent) -> None:
    named = {"doors_at": event.doors_at, "starts_at": event.starts_at, "ends_at": event.ends_at}
    named |= {"opens_at": event.opens_at, "closes_at": event.closes_at}
    for field, moment in named.items():
        aware = moment is None or moment.tzinfo is not None
        _need(aware, field, "A time needs its offset, like 2027-06-01T20:00:00Z")
    doors_at = event.doors_at or event.starts_at
    _need(doors_at <= event.starts_at, "doors_at", "The doors open before the event starts")
    _need(event.starts_at < event.ends_at, "ends_at", "The event ends after it starts")
    _need(
        event.ends_at - event.starts_at <= EVENT_LENGTH_MAX,
        "ends_at",
        "An event lasts at most a month",
    )
    _need(event.opens_at < event.closes_at, "closes_at", "The sale closes after it opens")
    _need(event.closes_at <= event.ends_at, "closes_at", "The sale closes when the event ends, or before")


def _check_sale(event: NewEvent) -> None:
    currency = _CURRENCY.fullmatch(event.currency) is not None
    _need(currency, "currency", "The currency is three capital letters, like EUR")
    least, most = limits.HOLD_TTL_MIN_S, limits.HOLD_TTL_MAX_S
    _need(least <= event.hold_s <= most, "hold_s", f"Seats are held for {least} to {most} seconds")
    most = limits.SEATS_PER_HOLD_MAX
    _need(1 <= event.seats_per_hold <= most, "seats_per_hold", f"A hold takes 1 to {most} seats")
    known = event.seats_per_hold <= event.seats_per_person <= SEATS_PER_PERSON_MAX
    why = f"A person may buy what one hold takes, or more, up to {SEATS_PER_PERSON_MAX} seats"
    _need(known, "seats_per_person", why)


def _check_tier(tier: NewTier) -> None:
    _line(InvalidEvent, "tiers", tier.name, NAME_MAX_LENGTH)
    _need(tier.face_minor >= 0 and tier.fee_minor >= 0, "tiers", f"{tier.name} has a price below zero")
    believable = tier.face_minor + tier.fee_minor <= PRICE_MINOR_MAX
    _need(believable, "tiers", f"{tier.name} costs more than can be right")
    colour = _COLOUR.fullmatch(tier.colour) is not None
    _need(colour, "tiers", f"The colour of {tier.name} is not like #0072b2")


def _check_zones(priced: Sequence[int], zones: Sequence[str] | None) -> None:
    """Every zone of the chart has exactly one price: none is free by mistake, none has two."""
    _need(len(set(priced)) == len(priced), "tiers", "A zone is in two price classes")
    if zones is None:
        _need(not priced, "tiers", "Price classes name zones, and the event has no chart")
        return
    strange = sorted(set(priced) - set(range(len(zones))))
    _need(not strange, "tiers", f"The chart has no zone {strange[:1]}; it has {len(zones)}, counted from 0")
    missing = sorted(set(range(len(zones))) - set(priced))
    _need(not missing, "tiers", f"The zone {zones[missing[0]]!r} has no price" if missing else "")


def known_timezone(name: str) -> bool:
    """Whether the IANA database knows the zone."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def check_organiser(name: str) -> None:
    """Raise InvalidOrganiser unless it is one printable line with a letter in it."""
    _line(InvalidOrganiser, "name", name, NAME_MAX_LENGTH)
    if not slug_of(name):
        raise InvalidOrganiser("The name needs a letter or a digit", field="name")


_Refusal = type[InvalidEvent | InvalidOrganiser | InvalidVenue]


def _line(kind: _Refusal, field: str, text: str, most: int) -> None:
    usable = 0 < len(text) <= most and _printable(text) and text == text.strip()
    if not usable:
        raise kind(f"The {field} is one line of 1 to {most} characters", field=field)


def _printable(text: str, also: str = "") -> bool:
    """Joiners shape letters in Persian and Hindi, and one sign of several emoji; other invisible signs only deceive."""
    return all(letter.isprintable() or letter in also or letter in _JOINERS for letter in text)


def _need(true: bool, field: str, detail: str) -> None:
    if not true:
        raise InvalidEvent(detail, field=field)


def _need_venue(true: bool, field: str, detail: str) -> None:
    if not true:
        raise InvalidVenue(detail, field=field)

"""What the catalogue knows, as plain values: events with venue, tiers and derived status, and how they are listed."""

import struct
from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from onsale.catalog.errors import EventNotFound, InvalidCursor
from onsale.kit.ids import GROUPS_PER_EVENT
from onsale.limits import PAGE_ROWS_DEFAULT, PAGE_ROWS_MAX, SEARCH_MAX_LENGTH, SEARCH_WORDS_MAX

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CURSOR = struct.Struct(">qq")
# Shard ids are event ids times GROUPS_PER_EVENT, in eight bytes; larger numbers name no event.
_EVENT_ID_MAX = (2**63 - 1) // GROUPS_PER_EVENT


class EventStatus(StrEnum):
    UPCOMING = "UPCOMING"
    OPEN = "OPEN"
    SOLD_OUT = "SOLD_OUT"
    ENDED = "ENDED"
    CANCELLED = "CANCELLED"
    POSTPONED = "POSTPONED"


@dataclass(frozen=True, slots=True)
class Organiser:
    organiser_id: int
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Venue:
    """Country is ISO 3166 alpha-2, degrees are WGS 84, timezone is a name of the IANA database."""

    venue_id: int
    slug: str
    name: str
    address: str
    city: str
    country: str
    latitude: float | None
    longitude: float | None
    timezone: str


@dataclass(frozen=True, slots=True)
class Tier:
    """A price class. Zones are indices into the chart's; prices are minor units of the event's currency.

    `seats_left` is what inventory told last, about a second ago; None until the event is on sale.
    """

    tier: int
    name: str
    zones: tuple[int, ...]
    face_minor: int
    fee_minor: int
    colour: str
    seats_left: int | None

    @property
    def all_in_minor(self) -> int:
        """What a seat costs with everything in: the only price a fan is shown."""
        return self.face_minor + self.fee_minor


@dataclass(frozen=True, slots=True)
class Event:
    """A concert, match or play, with all that its page says. Times are aware, in UTC."""

    event_id: int
    slug: str
    title: str
    summary: str
    description: str
    image: str | None
    genre: str
    genre_name: str
    starts_at: datetime
    doors_at: datetime | None
    ends_at: datetime
    opens_at: datetime
    closes_at: datetime
    said: str | None
    on_sale: bool
    currency: str
    hold_s: int
    seats_per_hold: int
    seats_per_person: int
    several_holds: bool
    guests: bool
    chart_id: int | None
    chart_hash: str | None
    chart_seats: int | None
    organiser: Organiser
    venue: Venue
    tiers: tuple[Tier, ...]

    @property
    def price_from_minor(self) -> int | None:
        return min((tier.all_in_minor for tier in self.tiers), default=None)

    @property
    def price_to_minor(self) -> int | None:
        return max((tier.all_in_minor for tier in self.tiers), default=None)

    @property
    def seats_left(self) -> int | None:
        """Seats free in all tiers; None as long as one of them is not known."""
        known = [tier.seats_left for tier in self.tiers if tier.seats_left is not None]
        return sum(known) if known and len(known) == len(self.tiers) else None

    def tier_of_zone(self) -> dict[int, int]:
        """The tier that prices each zone of the chart."""
        return {zone: tier.tier for tier in self.tiers for zone in tier.zones}


def status_of(event: Event, now: datetime) -> EventStatus:
    """What the event is at `now`. The organiser's word wins; else the times decide, then the seats left.

    The query `list_events` says the same in SQL, and a test holds the two together.
    """
    if event.said is not None:
        return EventStatus(event.said)
    if now >= event.closes_at or now >= event.ends_at:
        return EventStatus.ENDED
    if now < event.opens_at or not event.on_sale:
        return EventStatus.UPCOMING
    return EventStatus.SOLD_OUT if event.seats_left == 0 else EventStatus.OPEN


def parse_event_id(text: str) -> int:
    """The id in a path: digits, in their one spelling. Raises EventNotFound for anything else."""
    if not (0 < len(text) < 20 and text.isascii() and text.isdigit() and text[0] != "0"):
        raise EventNotFound
    number = int(text)
    if number > _EVENT_ID_MAX:
        raise EventNotFound
    return number


class Genre(NamedTuple):
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class Facets:
    """What there is to choose from in the search form, among events still to come."""

    cities: tuple[str, ...]
    genres: tuple[Genre, ...]


class Cursor(NamedTuple):
    """The last event of a page; the next page begins after it, whatever was added or ended in between."""

    starts_at: datetime
    event_id: int

    def __str__(self) -> str:
        micros = (self.starts_at - _EPOCH) // timedelta(microseconds=1)
        return urlsafe_b64encode(_CURSOR.pack(micros, self.event_id)).decode().rstrip("=")


def parse_cursor(text: str) -> Cursor:
    """The cursor a page gave. Raises InvalidCursor for any other text."""
    try:
        micros, last = _CURSOR.unpack(b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        return Cursor(_EPOCH + timedelta(microseconds=micros), last)
    except (Base64Error, ValueError, struct.error, OverflowError) as error:
        raise InvalidCursor from error


@dataclass(frozen=True, slots=True)
class Listing:
    """Which events are wanted: all words of `q` (in title, venue, city or genre, in any order), and each filter given.

    Soonest first. What has ended is listed only when ENDED is asked for, latest first.
    """

    q: str = ""
    city: str | None = None
    genre: str | None = None
    status: EventStatus | None = None
    starts_from: datetime | None = None
    starts_to: datetime | None = None
    after: Cursor | None = None
    limit: int = PAGE_ROWS_DEFAULT

    @property
    def words(self) -> list[str]:
        """The words to look for, each once. What cannot be printed cannot be in a title either, and is dropped."""
        text = "".join(letter if letter.isprintable() else " " for letter in self.q[:SEARCH_MAX_LENGTH])
        return list(dict.fromkeys(text.casefold().split()))[:SEARCH_WORDS_MAX]

    @property
    def rows(self) -> int:
        return max(1, min(self.limit, PAGE_ROWS_MAX))

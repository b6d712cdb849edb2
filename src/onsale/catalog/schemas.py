"""The catalogue on the wire: what `/api/v1/events` and its neighbours send and take."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from onsale import limits
from onsale.catalog.draft import NewEvent, NewTier, NewVenue
from onsale.catalog.model import Event, EventStatus, Listing, Tier, parse_cursor, status_of
from onsale.kit.money import Money

_ID_MAX = 2**63 - 1
# Numbers beyond the columns' are refused as what they are, before the database would.
_SMALL_MAX = 2**15 - 1
_INTEGER_MAX = 2**31 - 1


def _in_utc(moment: datetime) -> datetime:
    """In UTC. Years at the ends of the calendar cannot be shifted by an offset, and nothing is on then."""
    if not 1900 <= moment.year <= 9000:
        raise ValueError("the year is out of range")
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _absent_if_empty(value: Any) -> Any:
    """A search form sends its empty fields too."""
    return None if value == "" else value


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
# In a query a day is enough (`from=2027-06-01`); without an offset it is UTC.
AskedMoment = Annotated[datetime | None, AfterValidator(lambda m: m and _in_utc(m)), BeforeValidator(_absent_if_empty)]
AskedText = Annotated[str | None, BeforeValidator(_absent_if_empty)]


class _Wire(BaseModel):
    model_config = ConfigDict(frozen=True)


class _Body(BaseModel):
    """What a client sends: a field we do not know is a mistake it wants to hear of."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class GenreOut(_Wire):
    slug: str
    name: str


class OrganiserOut(_Wire):
    name: str
    slug: str


class VenueBrief(_Wire):
    id: int
    name: str
    city: str
    country: str


class VenueFull(VenueBrief):
    lat: float | None
    lon: float | None
    address: str


class TierOut(_Wire):
    """A price class: `price` is what a seat costs with everything in, `face` and `fee` are its parts."""

    id: int
    name: str
    zones: list[int]
    price: Money
    face: Money
    fee: Money
    colour: str
    seats_left: int | None


class SaleOut(_Wire):
    """When the sale is open, how long seats are held, and how many a hold and a person may take."""

    opens_at: datetime
    closes_at: datetime
    hold_s: int
    seats_per_hold: int
    seats_per_person: int
    guests: bool
    line: bool


class ChartOut(_Wire):
    """Where the seating chart is. The address never changes its content."""

    hash: str
    url: str
    seats: int


class EventSummary(_Wire):
    """An event in a list. Prices are all-in; `seats_left` is null until it is on sale."""

    id: int
    title: str
    slug: str
    genre: GenreOut
    starts_at: datetime
    on_sale_at: datetime
    status: EventStatus
    venue: VenueBrief
    price_from: Money | None
    price_to: Money | None
    seats_left: int | None
    image: str | None


class EventFull(EventSummary):
    """An event with all that its page says."""

    venue: VenueFull
    summary: str
    description: str
    doors_at: datetime | None
    ends_at: datetime
    timezone: str
    organiser: OrganiserOut
    tiers: list[TierOut]
    sale: SaleOut
    chart: ChartOut | None


class EventPage(_Wire):
    """One page of events; `next` is the cursor of the page after it."""

    items: list[EventSummary]
    next: str | None


def summary(event: Event, now: datetime) -> EventSummary:
    """The event as a list shows it at `now`."""
    venue = event.venue
    brief = VenueBrief(id=venue.venue_id, name=venue.name, city=venue.city, country=venue.country)
    return EventSummary(venue=brief, **_common(event, now))


def full(event: Event, now: datetime) -> EventFull:
    """The event as its page shows it at `now`."""
    venue, url = event.venue, f"/api/v1/charts/{event.chart_hash}"
    return EventFull(
        **_common(event, now),
        venue=VenueFull(
            id=venue.venue_id,
            name=venue.name,
            city=venue.city,
            country=venue.country,
            lat=venue.latitude,
            lon=venue.longitude,
            address=venue.address,
        ),
        summary=event.summary,
        description=event.description,
        doors_at=event.doors_at,
        ends_at=event.ends_at,
        timezone=venue.timezone,
        organiser=OrganiserOut(name=event.organiser.name, slug=event.organiser.slug),
        tiers=[_tier(tier, event.currency) for tier in event.tiers],
        sale=SaleOut(
            opens_at=event.opens_at,
            closes_at=event.closes_at,
            hold_s=event.hold_s,
            seats_per_hold=event.seats_per_hold,
            seats_per_person=event.seats_per_person,
            guests=event.guests,
            line=False,
        ),
        chart=ChartOut(hash=event.chart_hash, url=url, seats=event.chart_seats or 0) if event.chart_hash else None,
    )


def _common(event: Event, now: datetime) -> dict[str, Any]:
    return {
        "id": event.event_id,
        "title": event.title,
        "slug": event.slug,
        "genre": GenreOut(slug=event.genre, name=event.genre_name),
        "starts_at": event.starts_at,
        "on_sale_at": event.opens_at,
        "status": status_of(event, now),
        "price_from": _money(event.price_from_minor, event.currency),
        "price_to": _money(event.price_to_minor, event.currency),
        "seats_left": event.seats_left,
        "image": event.image,
    }


def _money(amount_minor: int | None, currency: str) -> Money | None:
    return None if amount_minor is None else Money(amount=amount_minor, currency=currency)


def _tier(tier: Tier, currency: str) -> TierOut:
    return TierOut(
        id=tier.tier,
        name=tier.name,
        zones=list(tier.zones),
        price=Money(amount=tier.all_in_minor, currency=currency),
        face=Money(amount=tier.face_minor, currency=currency),
        fee=Money(amount=tier.fee_minor, currency=currency),
        colour=tier.colour,
        seats_left=tier.seats_left,
    )


class EventQuery(BaseModel):
    """What `GET /api/v1/events` may be asked. All words of `q` must be found, in title, venue, city or genre."""

    q: str = Field("", max_length=limits.SEARCH_MAX_LENGTH)
    city: AskedText = Field(None, max_length=limits.SEARCH_MAX_LENGTH)
    genre: AskedText = Field(None, max_length=limits.SEARCH_MAX_LENGTH, description="The genre's slug.")
    status: Annotated[EventStatus | None, BeforeValidator(_absent_if_empty)] = None
    starts_from: AskedMoment = Field(None, alias="from")
    starts_to: AskedMoment = Field(None, alias="to")
    sort: Annotated[Literal["starts_at"] | None, BeforeValidator(_absent_if_empty)] = None
    cursor: AskedText = None
    limit: int = Field(limits.PAGE_ROWS_DEFAULT, ge=1, le=limits.PAGE_ROWS_MAX)

    def listing(self) -> Listing:
        """Raises InvalidCursor."""
        return Listing(
            q=self.q,
            city=_plain(self.city),
            genre=_plain(self.genre),
            status=self.status,
            starts_from=self.starts_from,
            starts_to=self.starts_to,
            after=parse_cursor(self.cursor) if self.cursor else None,
            limit=self.limit,
        )


def _plain(text: str | None) -> str | None:
    """PostgreSQL keeps no NUL, and no city has one."""
    return text.replace("\0", " ") if text else None


class OrganiserIn(_Body):
    name: str


class OrganiserMade(_Wire):
    id: int
    name: str
    slug: str


class VenueIn(_Body):
    """A venue to be. `country` is ISO 3166 alpha-2, `timezone` a name like Europe/Paris."""

    name: str
    city: str
    country: str
    timezone: str
    address: str = ""
    lat: float | None = Field(None, allow_inf_nan=False)
    lon: float | None = Field(None, allow_inf_nan=False)

    def draft(self) -> NewVenue:
        return NewVenue(
            name=self.name,
            city=self.city,
            country=self.country,
            timezone=self.timezone,
            address=self.address,
            latitude=self.lat,
            longitude=self.lon,
        )


class VenueMade(_Wire):
    id: int
    slug: str


class TierIn(_Body):
    """A price class to be; a fan pays `face` and `fee` together, in minor units."""

    name: str
    zones: list[Annotated[int, Field(ge=0, le=_SMALL_MAX)]]
    face: int = Field(ge=0, le=_ID_MAX)
    fee: int = Field(0, ge=0, le=_ID_MAX)
    colour: str

    def draft(self) -> NewTier:
        return NewTier(
            name=self.name, zones=tuple(self.zones), face_minor=self.face, fee_minor=self.fee, colour=self.colour
        )


class EventIn(_Body):
    """An event to be. `chart` is the hash of one of the venue's charts; without one it is announced and not sold."""

    organiser: int = Field(ge=1, le=_ID_MAX)
    venue: int = Field(ge=1, le=_ID_MAX)
    chart: str | None = None
    genre: str
    title: str
    summary: str = ""
    description: str = ""
    image: str | None = None
    doors_at: Moment | None = None
    starts_at: Moment
    ends_at: Moment
    opens_at: Moment
    closes_at: Moment
    currency: str
    tiers: list[TierIn] = Field(max_length=256)
    hold_s: int = Field(limits.HOLD_TTL_DEFAULT_S, ge=1, le=_INTEGER_MAX)
    seats_per_hold: int = Field(limits.SEATS_PER_HOLD_DEFAULT, ge=1, le=_INTEGER_MAX)
    seats_per_person: int = Field(limits.SEATS_PER_HOLD_DEFAULT, ge=1, le=_INTEGER_MAX)
    several_holds: bool = False
    guests: bool = True

    def draft(self) -> NewEvent:
        same = self.model_dump(exclude={"organiser", "venue", "chart", "tiers"})
        return NewEvent(
            organiser_id=self.organiser,
            venue_id=self.venue,
            chart_hash=_plain(self.chart),
            tiers=tuple(tier.draft() for tier in self.tiers),
            **same,
        )


class EventChange(_Body):
    """The organiser's word about an event; null takes it back."""

    said: Literal["CANCELLED", "POSTPONED"] | None

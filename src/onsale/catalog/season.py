"""A season to be sold: venues with the chart to draw for each, and events priced from best zone to cheapest.

Pure. `demo` describes one, `tickit` reads one from files; whoever seeds draws the charts and asks each event for its
draft.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from onsale.catalog.chart import Kind
from onsale.catalog.draft import NewEvent, NewTier, NewVenue
from onsale.catalog.model import EventStatus

# Told apart with any of the three colour blindnesses, best tier first: Okabe and Ito, "Color Universal Design" (2008).
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442")

# What we take of the all-in price; the rest is the organiser's.
FEE_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedVenue:
    """A venue, and the kind and size of the chart to draw for it. The same seed draws the same chart."""

    venue: NewVenue
    kind: Kind
    seats: int
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEvent:
    """An event before its venue and chart have ids: `venue` is an index into the season's venues. Prices are all-in."""

    venue: int
    organiser: str
    genre: str
    title: str
    starts_at: datetime
    doors_at: datetime
    ends_at: datetime
    opens_at: datetime
    closes_at: datetime
    currency: str
    best_minor: int
    cheapest_minor: int
    summary: str = ""
    description: str = ""
    image: str | None = None
    said: EventStatus | None = None
    seats_per_person: int = 8

    def draft(self, organiser_id: int, venue_id: int, chart_hash: str, zones: Sequence[str]) -> NewEvent:
        """The event to create, once its chart is stored; `zones` are those of the chart."""
        return NewEvent(
            organiser_id=organiser_id,
            venue_id=venue_id,
            chart_hash=chart_hash,
            genre=self.genre,
            title=self.title,
            summary=self.summary,
            description=self.description,
            image=self.image,
            starts_at=self.starts_at,
            doors_at=self.doors_at,
            ends_at=self.ends_at,
            opens_at=self.opens_at,
            closes_at=self.closes_at,
            currency=self.currency,
            tiers=priced(zones, self.best_minor, self.cheapest_minor),
            seats_per_hold=min(8, self.seats_per_person),
            seats_per_person=self.seats_per_person,
        )


@dataclass(frozen=True, slots=True)
class Season:
    venues: tuple[PlannedVenue, ...]
    events: tuple[PlannedEvent, ...]

    @property
    def organisers(self) -> tuple[str, ...]:
        """Names of the organisers, each once, in the order of their first event."""
        return tuple(dict.fromkeys(event.organiser for event in self.events))


def priced(zones: Sequence[str], best_minor: int, cheapest_minor: int) -> tuple[NewTier, ...]:
    """Price classes for zones that are given best first: equal steps down by ratio, at whole amounts.

    There are as many classes as colours can be told apart; where a chart has more zones, neighbours share one.
    """
    groups = _grouped(len(zones), len(PALETTE))
    return tuple(
        NewTier(
            name=" and ".join(dict.fromkeys((zones[group[0]], zones[group[-1]]))),
            zones=tuple(group),
            face_minor=price - _fee(price),
            fee_minor=_fee(price),
            colour=PALETTE[place],
        )
        for place, group in enumerate(groups)
        for price in (_price(place, len(groups), best_minor, cheapest_minor),)
    )


def _grouped(count: int, groups_max: int) -> list[range]:
    """`count` neighbours in at most that many groups, as even as they get."""
    groups = min(count, groups_max)
    return [range(count * place // groups, count * (place + 1) // groups) for place in range(groups)]


def _price(place: int, count: int, best_minor: int, cheapest_minor: int) -> int:
    share = place / (count - 1) if count > 1 else 0.0
    return round(best_minor * (cheapest_minor / best_minor) ** share / 100) * 100 if best_minor else 0


def _fee(price_minor: int) -> int:
    return round(price_minor * FEE_SHARE / 10) * 10

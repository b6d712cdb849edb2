"""Wire format of holds and availability."""

from datetime import datetime
from typing import Annotated

import msgspec

from onsale import limits
from onsale.catalog import Event, Layout
from onsale.inventory.model import HoldState, HoldView
from onsale.kit import ids
from onsale.kit.money import Money

HOLD_PREFIX = "hld"

SeatNo = Annotated[int, msgspec.Meta(ge=0, lt=limits.CHART_SEATS_MAX)]
Quantity = Annotated[int, msgspec.Meta(ge=1, le=limits.SEATS_PER_HOLD_MAX)]


class BestWish(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seats together, narrowed to a tier or a section where one is named."""

    quantity: Quantity
    tier: int | None = None
    section: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class HoldRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Exactly one of `seats` and `best`."""

    seats: Annotated[list[SeatNo], msgspec.Meta(min_length=1, max_length=limits.SEATS_PER_HOLD_MAX)] | None = None
    best: BestWish | None = None


class SeatBody(msgspec.Struct, frozen=True):
    seat_no: int
    section: str
    row: str
    seat: str
    tier: int
    price: Money


class HoldBody(msgspec.Struct, frozen=True):
    """A hold as its owner sees it; `now` lets a browser with a wrong clock count down rightly."""

    id: str
    event: int
    status: str
    seats: list[SeatBody]
    total: Money
    expires_at: datetime
    max_until: datetime
    now: datetime


class HoldsBody(msgspec.Struct, frozen=True):
    items: list[HoldBody]


class TierCount(msgspec.Struct, frozen=True):
    tier: int
    free: int


class SeatCounts(msgspec.Struct, frozen=True):
    """How many seats are in each state; `version` is that of the seat map."""

    version: int
    seats: int
    free: int
    held: int
    sold: int
    tiers: list[TierCount]


def hold_body(view: HoldView, event: Event, layout: Layout) -> HoldBody:
    hold = view.hold
    prices = {tier.tier: Money(tier.all_in_minor, event.currency) for tier in event.tiers if tier.tier in hold.tiers}
    seats = [
        SeatBody(seat_no, *layout.label(seat_no), tier, prices[tier])
        for seat_no, tier in zip(hold.seats, hold.tiers, strict=True)
    ]
    return HoldBody(
        ids.public(HOLD_PREFIX, view.shard_id, hold.hold_id),
        event.event_id,
        status_of(view),
        seats,
        Money(sum(seat.price.amount for seat in seats), event.currency),
        hold.expires_at,
        hold.max_until,
        view.now,
    )


def status_of(view: HoldView) -> str:
    """held · expired (it may still be completed while nobody has taken a seat of it) · ended · sold."""
    if view.hold.state is HoldState.SOLD:
        return "sold"
    if view.hold.state in (HoldState.RELEASED, HoldState.REPLACED) or not view.whole:
        return "ended"
    return "held" if view.hold.expires_at > view.now else "expired"

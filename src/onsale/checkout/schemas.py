"""Wire format of orders."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from onsale import limits
from onsale.catalog import Event, Layout
from onsale.checkout.model import PREFIX
from onsale.checkout.orders import OrderView
from onsale.kit import ids
from onsale.kit.money import Money
from onsale.tickets import TicketBody, Tickets, ticket_body

ShortText = Annotated[str, msgspec.Meta(max_length=64)]


class OrderRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One order for one or more of your holds of one event."""

    holds: Annotated[list[ShortText], msgspec.Meta(min_length=1, max_length=limits.HOLDS_PER_ORDER_MAX)]
    email: Annotated[str, msgspec.Meta(max_length=limits.EMAIL_MAX_LENGTH)]
    phone: Annotated[str, msgspec.Meta(max_length=32, pattern=r"^\+?[0-9 ()/.-]{5,32}$(?!\n)")] | None = None


class PaymentRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    method: ShortText


class ItemBody(msgspec.Struct, frozen=True):
    seat_no: int
    section: str
    row: str
    seat: str
    tier: int
    price: Money


class Line(msgspec.Struct, frozen=True):
    label: str
    amount: Money


class Method(msgspec.Struct, frozen=True):
    id: str
    label: str


class OrderBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """An order as its owner sees it. `secret` shows it on another device; it is told when the order is made."""

    id: str
    status: str
    event: int
    email: str
    items: list[ItemBody]
    lines: list[Line]
    total: Money
    expires_at: datetime | None
    max_until: datetime | None
    now: datetime
    tickets: list[TicketBody]
    methods: list[Method]
    decline_code: str | None = None
    secret: str | None = None


def order_body(
    view: OrderView,
    event: Event,
    layout: Layout,
    tickets: Tickets,
    methods: Mapping[str, str],
    secret: str | None = None,
) -> OrderBody:
    order = view.order
    items = [
        ItemBody(item.seat_no, *layout.label(item.seat_no), item.tier, Money(item.all_in_minor, order.currency))
        for item in view.items
    ]
    lines = [Line("Tickets", Money(order.face_minor, order.currency))]
    if order.fee_minor:
        lines.append(Line("Fees", Money(order.fee_minor, order.currency)))
    declined = view.last_decline
    return OrderBody(
        id=ids.public(PREFIX, order.shard_id, order.order_id),
        status=view.status,
        event=event.event_id,
        email=order.email,
        items=items,
        lines=lines,
        total=Money(order.total_minor, order.currency),
        expires_at=view.expires_at,
        max_until=view.max_until,
        now=view.now,
        tickets=[ticket_body(ticket, layout, tickets.view_key(ticket)) for ticket in view.tickets],
        methods=[Method(method, label) for method, label in methods.items()],
        decline_code=declined.decline_code if declined else None,
        secret=secret,
    )

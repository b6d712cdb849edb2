"""A ticket to render, for the tests of this folder."""

from datetime import UTC, datetime

from onsale.tickets.code import Claims, TicketKey
from onsale.tickets.render import TicketView

KEY = TicketKey.from_seed(b"\x01" * 32)
CODE = KEY.sign(Claims(17 * 64, 12_345_678_901, 1))

TICKET = TicketView(
    title="Dvořák: Rusalka – Опера",
    starts_at=datetime(2027, 6, 12, 17, 30, tzinfo=UTC),
    doors_at=datetime(2027, 6, 12, 16, 30, tzinfo=UTC),
    timezone="Europe/Prague",
    venue="Národní divadlo",
    address="Národní 2, 110 00 Praha 1, Czechia",
    organiser="Národní divadlo Praha",
    section="Balcony 1",
    row="C",
    seat="14",
    tier="First balcony",
    price_minor=189_000,
    currency="CZK",
    order_id="ord_00000000000h80002jy1f9q0ms",
    ticket_id="tkt_00000000000h80002jy1f9q0ms",
    code=CODE,
    made_at=datetime(2027, 1, 1, tzinfo=UTC),
    holder="Žofie Nováková",
    colour="#e5484d",
)

"""Wire format of tickets."""

import msgspec

from onsale.catalog import Layout
from onsale.kit import ids
from onsale.tickets.model import PREFIX, Ticket


class TicketBody(msgspec.Struct, frozen=True):
    """A ticket as its holder sees it. The addresses carry a key that shows this ticket, so they can be shared."""

    id: str
    event: int
    section: str
    row: str
    seat: str
    tier: int
    status: str
    json: str
    png: str
    svg: str
    pdf: str


class ShownTicket(TicketBody, frozen=True, omit_defaults=True):
    """One ticket alone, with the signed text of its code; a void one has none."""

    code: str | None = None


class KeysBody(msgspec.Struct, frozen=True):
    """Public keys in hex, by key id."""

    keys: dict[str, str]


def ticket_body(ticket: Ticket, layout: Layout, view_key: str) -> TicketBody:
    public_id = ids.public(PREFIX, ticket.shard_id, ticket.ticket_id)
    json, png, svg, pdf = (
        f"/api/v1/tickets/{public_id}.{form}?key={view_key}" for form in ("json", "png", "svg", "pdf")
    )
    label = layout.label(ticket.seat_no)
    return TicketBody(
        public_id,
        ids.event_of(ticket.shard_id),
        *label,
        ticket.tier,
        ticket.state.name.lower(),
        json,
        png,
        svg,
        pdf,
    )

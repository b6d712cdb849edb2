"""The verbs of tickets."""

from collections.abc import Sequence

from onsale.catalog import Catalog
from onsale.kit import clock, db, ids, tokens
from onsale.kit.crunch import draw
from onsale.kit.facts import Facts
from onsale.kit.ids import PersonKey, ShardId
from onsale.tickets import render, store
from onsale.tickets.code import Claims, TicketKey
from onsale.tickets.errors import TicketNotFound
from onsale.tickets.facts import TicketsIssued, TicketsVoided
from onsale.tickets.model import PREFIX, NewTicket, Ticket
from onsale.tickets.render import TicketView


class Tickets:
    """Issues tickets, and makes what is seen of them when it is asked for, never in the sale."""

    def __init__(
        self, database: db.Database, catalog: Catalog, facts: Facts, key: TicketKey, view_secret: bytes
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._facts = facts
        self._key = key
        self._view_secret = view_secret

    @property
    def public_keys(self) -> dict[str, bytes]:
        """What a scanner at the entrance is given."""
        return {self._key.key_id: self._key.public_key}

    async def issue(self, tx: db.Tx, shard_id: ShardId, tickets: Sequence[NewTicket]) -> None:
        """In the transaction that sells the seats: a ticket for each."""
        ticket_ids = [ids.new_id() for _ in tickets]
        await store.issue(tx, shard_id, ticket_ids, tickets)
        orders = [ticket.order_id for ticket in tickets]
        await self._facts.record(tx, TicketsIssued(shard_id=shard_id, orders=orders, tickets=ticket_ids))

    async def void(self, tx: db.Tx, shard_id: ShardId, order_ids: Sequence[int]) -> list[int]:
        """The money did not come after all: the orders' tickets die; gives the seats they were for."""
        seats = await store.void_orders(tx, shard_id, order_ids)
        if seats:
            await self._facts.record(tx, TicketsVoided(shard_id=shard_id, orders=list(order_ids)))
        return seats

    async def of_order(self, tx: db.Tx, shards: Sequence[ShardId], order_id: int) -> list[Ticket]:
        """The tickets of an order, on whichever of these shards, in seat order."""
        return [ticket for shard_id in shards for ticket in await store.of_orders(tx, shard_id, [order_id])]

    async def read(self, shard_id: ShardId, ticket_id: int, person: PersonKey | None, key: str | None) -> Ticket:
        """A ticket for its holder, or for who brings its viewing key. Raises TicketNotFound for everybody else."""
        # On the writing side: the page that shows it may come at once after the payment.
        async with self._database.transaction(shard_id) as tx:
            ticket = await store.read(tx, shard_id, ticket_id)
        if ticket is None:
            raise TicketNotFound
        with_key = key is not None and tokens.same(key.encode(), self.view_key(ticket).encode())
        if not with_key and ticket.person != person:
            raise TicketNotFound
        return ticket

    def view_key(self, ticket: Ticket) -> str:
        """Shows this ticket to whoever has the link, as a letter on the table would; it dies with the code."""
        return tokens.keyed(self._view_secret, f"{ticket.shard_id}/{ticket.ticket_id}/{ticket.code_version}")

    def code(self, ticket: Ticket) -> str:
        """The signed text a scanner reads."""
        return self._key.sign(Claims(ticket.shard_id, ticket.ticket_id, ticket.code_version))

    async def qr_svg(self, ticket: Ticket) -> bytes:
        return await draw(render.qr_svg, self.code(ticket))

    async def qr_png(self, ticket: Ticket) -> bytes:
        return await draw(render.qr_png, self.code(ticket))

    async def pdf(self, tickets: Sequence[Ticket]) -> bytes:
        views = await self.views(tickets)
        return await draw(render.ticket_pdf, *views)

    async def views(self, tickets: Sequence[Ticket]) -> tuple[TicketView, ...]:
        """What is printed on tickets of one event."""
        event = await self._catalog.event(ids.event_of(tickets[0].shard_id))
        layout = await self._catalog.layout(event)
        tiers = {tier.tier: tier for tier in event.tiers}
        return tuple(
            TicketView(
                title=event.title,
                starts_at=event.starts_at,
                timezone=event.venue.timezone,
                venue=event.venue.name,
                **layout.label(ticket.seat_no)._asdict(),
                tier=tiers[ticket.tier].name,
                price_minor=ticket.price_minor,
                currency=event.currency,
                order_id=ids.public("ord", ticket.order_shard_id, ticket.order_id),
                ticket_id=ids.public(PREFIX, ticket.shard_id, ticket.ticket_id),
                code=self.code(ticket),
                made_at=clock.utcnow(),
                doors_at=event.doors_at,
                address=event.venue.address,
                organiser=event.organiser.name,
                colour=tiers[ticket.tier].colour,
            )
            for ticket in tickets
        )

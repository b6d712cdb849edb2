"""The rows of tickets."""

from collections.abc import Sequence
from typing import Any

from onsale.kit import db
from onsale.kit.ids import ShardId
from onsale.tickets.model import NewTicket, Ticket, TicketState

SQL = db.load(__package__)


async def issue(tx: db.Tx, shard_id: ShardId, ticket_ids: Sequence[int], tickets: Sequence[NewTicket]) -> None:
    named = {
        "shard_id": shard_id,
        "ticket_ids": list(ticket_ids),
        "order_shard_ids": [ticket.order_shard_id for ticket in tickets],
        "order_ids": [ticket.order_id for ticket in tickets],
        "persons": [ticket.person for ticket in tickets],
        "seat_nos": [ticket.seat_no for ticket in tickets],
        "tiers": [ticket.tier for ticket in tickets],
        "prices": [ticket.price_minor for ticket in tickets],
    }
    written = len(await (await tx.execute(SQL.issue, named)).fetchall())
    assert written == len(tickets), f"issued {written} tickets instead of {len(tickets)}"


async def of_orders(tx: db.Tx, shard_id: ShardId, order_ids: Sequence[int]) -> list[Ticket]:
    cursor = await tx.execute(SQL.of_orders, {"shard_id": shard_id, "order_ids": list(order_ids)})
    return [_ticket(row) for row in await cursor.fetchall()]


async def read(tx: db.Tx, shard_id: ShardId, ticket_id: int) -> Ticket | None:
    row = await (await tx.execute(SQL.read, {"shard_id": shard_id, "ticket_id": ticket_id})).fetchone()
    return _ticket(row) if row else None


async def void_orders(tx: db.Tx, shard_id: ShardId, order_ids: Sequence[int]) -> list[int]:
    """Kill the valid tickets of orders; the seats they were for."""
    cursor = await tx.execute(SQL.void_orders, {"shard_id": shard_id, "order_ids": list(order_ids)})
    return [row[0] for row in await cursor.fetchall()]


def _ticket(row: Sequence[Any]) -> Ticket:
    shard_id, ticket_id, order_shard_id, order_id, person, seat_no, tier, price_minor, state, version, issued_at = row
    return Ticket(
        shard_id,
        ticket_id,
        order_shard_id,
        order_id,
        person,
        seat_no,
        tier,
        price_minor,
        TicketState(state),
        version,
        issued_at,
    )

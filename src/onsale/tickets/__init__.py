"""Tickets: the right to enter, what it looks like, and how it reaches its holder.

Invariants
    A seat has at most one valid ticket.                         (schema: ticket_one_valid_per_seat)
    A code is valid for one ticket and one version of it; a newer version kills the older.  (code: Claims)
    Codes, pictures and pages are made on view or in jobs, never in the transaction of a sale.

Owns tables ticket.
"""

from onsale.tickets.code import BadCode, TicketKey, verify
from onsale.tickets.facts import TicketsIssued, TicketsVoided
from onsale.tickets.letters import Charge, OrderLetter, order_message
from onsale.tickets.model import NewTicket, Ticket
from onsale.tickets.schemas import TicketBody, ticket_body
from onsale.tickets.service import Tickets

__all__ = [
    "BadCode",
    "Charge",
    "NewTicket",
    "OrderLetter",
    "Ticket",
    "TicketBody",
    "TicketKey",
    "Tickets",
    "TicketsIssued",
    "TicketsVoided",
    "order_message",
    "ticket_body",
    "verify",
]

"""What the tickets room says has happened."""

from onsale.kit.facts import Fact


class TicketsIssued(Fact, frozen=True, kw_only=True):
    """Local ids of orders and of their tickets, in the same order."""

    orders: list[int]
    tickets: list[int]


class TicketsVoided(Fact, frozen=True, kw_only=True):
    """The money of these orders did not come after all."""

    orders: list[int]

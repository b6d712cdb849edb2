"""What inventory says has happened. `seats` are pairs of seat number and the change number it came to have."""

from onsale.kit.facts import Fact


class SeatsHeld(Fact, frozen=True, kw_only=True):
    seats: list[tuple[int, int]]


class SeatsReleased(Fact, frozen=True, kw_only=True):
    """Seats are free again: let go of, replaced by others, or run out."""

    seats: list[tuple[int, int]]


class SeatsSold(Fact, frozen=True, kw_only=True):
    seats: list[tuple[int, int]]


class SeatsBlocked(Fact, frozen=True, kw_only=True):
    """Free seats were taken off sale by the organiser; put back, they are released."""

    seats: list[tuple[int, int]]


SEATS_CHANGED = (SeatsHeld, SeatsReleased, SeatsSold, SeatsBlocked)
"""Every kind of fact that carries `seats` which changed: what followers of the map listen to."""


class SaleLaidDown(Fact, frozen=True, kw_only=True):
    """An event went on sale: its seats are there."""

    seats: int

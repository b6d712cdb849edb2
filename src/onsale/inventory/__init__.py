"""Seats and holds: who may sit where, and for how long the answer is kept. The only code that changes a seat's state.

Invariants
    A seat has at most one owner: one row, one hold or one order in it.        (schema: seat_one_owner)
    A hold is all or nothing, and a hold past its deadline is free to take, swept or not.   (model: decide_holds)
    A hold that ran out may still be completed while each seat of it still carries it.   (model: decide_confirmations)
    A blocked seat is nobody's and nobody's to take; blocking touches no live hold and no sale.   (model: decide_blocks)
    Every verb locks buyers, then seats in key order, then holds.              (queries: lock_*)
    `change_no` of a seat rises with every change; their sum is the version of the seat map.

Redis' map of seats only says no, or nothing; the healer finds what it missed.   (seatmap, heal)

Owns tables sale, seat, buyer, hold, and Redis keys `{e<id>}:<group>:map` and `:missed`, `{map}:*`.
"""

from onsale.inventory.cache import MapCache
from onsale.inventory.errors import HoldExpired, HoldNotFound, NotOnSale
from onsale.inventory.facts import SEATS_CHANGED, SaleLaidDown, SeatsBlocked, SeatsHeld, SeatsReleased, SeatsSold
from onsale.inventory.model import Hold, HoldView, SeatState
from onsale.inventory.schemas import HOLD_PREFIX, HoldBody, HoldRequest, SeatCounts
from onsale.inventory.service import Inventory

__all__ = [
    "HOLD_PREFIX",
    "SEATS_CHANGED",
    "Hold",
    "HoldBody",
    "HoldExpired",
    "HoldNotFound",
    "HoldRequest",
    "HoldView",
    "Inventory",
    "MapCache",
    "NotOnSale",
    "SaleLaidDown",
    "SeatCounts",
    "SeatState",
    "SeatsBlocked",
    "SeatsHeld",
    "SeatsReleased",
    "SeatsSold",
]

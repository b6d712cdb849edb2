"""The line of an event: people join, keep their places through anything, and are called in their order.

Not built yet: calling, claims and passes. So nobody is kept from the shop by a line, and only tests and benches open
one.

Invariants
    A person has one place per event, and a number stands for one person.          (lua/join, lua/raise)
    A number is given only where PostgreSQL has committed to it before: none twice. (store: raise_ceiling, begin_epoch)
    A server that may have forgotten numbers gives none until a new epoch begins.  (lua/line: whole)
    Of two places of one person the lower stays.                                   (lua/join)

Owns tables line and line_gap, and Redis keys `{e<id>}:*:line*`.
"""

from onsale.waitingroom.cache import LineCache
from onsale.waitingroom.errors import InvalidPlace, NoLine, NoPlace
from onsale.waitingroom.model import Board, Place
from onsale.waitingroom.places import PlaceTokens
from onsale.waitingroom.schemas import BoardBody, PlaceBody
from onsale.waitingroom.service import Line

__all__ = [
    "Board",
    "BoardBody",
    "InvalidPlace",
    "Line",
    "LineCache",
    "NoLine",
    "NoPlace",
    "Place",
    "PlaceBody",
    "PlaceTokens",
]

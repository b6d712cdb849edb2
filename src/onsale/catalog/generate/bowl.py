"""Tiers of sections around an oval, as in stadiums and arenas."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onsale.catalog.generate.drawing import ROW_CM, fit
from onsale.catalog.generate.geometry import Arc, Point
from onsale.catalog.generate.wedge import Wedge

# Where the search for the number of rows ends: the deepest stands on earth have about 100 rows.
ROWS_MAX = 240.0


@dataclass(frozen=True, slots=True)
class Bowl:
    """What shapes a bowl: the curve that its first row runs along, and how its tiers are cut.

    `shares` says how the rows are shared out between the tiers, bottom to top. The top tier has
    `deep(where)` times as many rows as its tier, so that it can rise at the sides; `keep(where)` says where
    there are sections at all.
    """

    base: Sequence[Arc]
    shares: Sequence[float]
    width: float
    gap: float
    deep: Callable[[Point], float]
    keep: Callable[[Point], bool]

    def tiers(self, rows: Sequence[float]) -> list[list[Wedge]]:
        """All tiers, bottom to top, each clockwise from behind the stage, for a number of rows per tier."""
        tiers, offset = [], 0.0
        for level, count in enumerate(rows):
            deep = self.deep if level == len(rows) - 1 else _flat
            tiers.append(self._tier(offset, count, deep))
            offset += ROW_CM * max(1, round(count)) + self.gap
        return tiers

    def _tier(self, offset: float, rows: float, deep: Callable[[Point], float]) -> list[Wedge]:
        wedges = []
        for arc in self.base:
            half_way = arc.outwards(offset + rows * ROW_CM / 2)
            # A curve that turns far is cut at least once, or its section would look around the corner.
            parts = max(1 + (arc.stop - arc.start > math.pi / 4), round(half_way.length / self.width))
            for part in arc.outwards(offset).split(parts):
                where = part.at((part.start + part.stop) / 2)
                if self.keep(where):
                    wedges.append(Wedge(part, max(1, round(rows * deep(where)))))
        return wedges

    def fitted(self, seats: int) -> list[list[Wedge]]:
        """The tiers with room for `seats` and few more: the top tier takes what the lower ones leave."""
        in_all = fit(lambda rows: _room(self.tiers([rows * part for part in self.shares])), seats, 0, ROWS_MAX)
        lower = [max(1, round(in_all * part)) for part in self.shares[:-1]]
        top = fit(lambda rows: _room(self.tiers([*lower, rows])), seats, 0, ROWS_MAX)
        return self.tiers([*lower, top])


def _flat(_where: Point) -> float:
    return 1.0


def _room(tiers: Sequence[Sequence[Wedge]]) -> int:
    return sum(wedge.room() for wedges in tiers for wedge in wedges)

"""Theatres: stalls, dress circle and balcony in curved rows facing the stage, and boxes along the walls.

The levels lie behind each other on the chart, as on a printed seating plan, not above each other. All rows
are arcs around one point far upstage, (0, 0); straight ahead is down.
"""

import math
from dataclasses import dataclass
from itertools import accumulate, pairwise

from onsale.catalog.chart import ShapeKind
from onsale.catalog.generate.dice import Dice
from onsale.catalog.generate.drawing import SEAT_CM, Block, Drawing, fit, room, row_name
from onsale.catalog.generate.geometry import Arc, Point
from onsale.catalog.generate.wedge import END_CM, Wedge

ROW_CM = 90.0
CROSS_AISLE_CM = 170.0
LEVEL_GAP_CM = 260.0
STAGE_GAP_CM = 260.0
# Upper levels reach around to the walls above the boxes.
UPPER_BREADTH = 1.15

ZONES = ("Front stalls", "Stalls", "Dress circle", "Boxes", "Balcony")
RESTRICTED_RAD = math.radians(62)

# How a level is cut by aisles, left to right.
CUTS = {
    1: (("", 1.0),),
    2: (("Left", 0.5), ("Right", 0.5)),
    3: (("Left", 0.27), ("Centre", 0.46), ("Right", 0.27)),
    5: (("Far Left", 0.17), ("Left", 0.2), ("Centre", 0.26), ("Right", 0.2), ("Far Right", 0.17)),
}


@dataclass(frozen=True, slots=True)
class Level:
    """Rows numbered from wall to wall; `radius` is that of the first, `first_letter` says how it is called."""

    name: str
    zone: str
    radius: float
    rows: int
    cuts: int
    first_letter: int = 0

    @property
    def end(self) -> float:
        """The radius of the last row."""
        return self.radius + ROW_CM * (self.rows - 1)

    def blocks(self, half_angle: float) -> list[Block]:
        """The level between two walls, `half_angle` to the left and right of the axis."""
        names = [row_name(self.first_letter + index) for index in range(self.rows)]
        rays = accumulate((share for _, share in CUTS[self.cuts]), initial=0.0)
        angles = [math.pi / 2 + half_angle * (1 - 2 * ray) for ray in rays]
        blocks = []
        for (side, _), (start, stop) in zip(CUTS[self.cuts], pairwise(angles), strict=True):
            wedge = Wedge(Arc(0, 0, self.radius, start, stop), self.rows, ROW_CM)
            blocks.append(wedge.block(f"{self.name} {side}".strip(), self.zone, self.name, names))
        return blocks


def theatre(capacity: int, dice: Dice) -> Drawing:
    """A theatre with room for `capacity` people."""
    stalls, circle, balcony = _shared_out(capacity)
    rows = max(2, min(32, round(math.sqrt(stalls / dice.between("breadth", 2.2, 2.6)))))
    first = 450 + ROW_CM * rows * dice.between("curve", 0.8, 1.0)
    levels = _stalls(first, rows, stalls)
    angle = _half_angle(levels, stalls)
    blocks = [block for level in levels for block in level.blocks(angle)]
    end = levels[-1].end
    boxes = _boxes(first, end, angle, capacity)
    # Who sits in the boxes does not sit in the top level.
    boxed = room(boxes)
    circle, balcony = (circle, balcony - boxed) if balcony else (circle - boxed, 0)
    for name, zone, seats in (("Circle", "Dress circle", circle), ("Balcony", "Balcony", balcony)):
        if seats:
            level, wide = _upper(name, zone, end + LEVEL_GAP_CM, seats, angle)
            blocks += level.blocks(wide)
            end = level.end
    lip, depth = first - STAGE_GAP_CM, min(300 + 0.08 * first, 0.32 * first)
    focus, shapes = (0.0, lip - 0.4 * depth), _stage(lip, depth, angle)
    return Drawing("theatre", focus, ZONES, shapes, blocks + boxes, RESTRICTED_RAD)


def _shared_out(capacity: int) -> tuple[int, int, int]:
    """Seats in the stalls, the dress circle and the balcony: small houses have no upper levels."""
    if capacity < 260:
        return capacity, 0, 0
    if capacity < 750:
        return round(capacity * 0.62), capacity - round(capacity * 0.62), 0
    stalls, circle = round(capacity * 0.47), round(capacity * 0.28)
    return stalls, circle, capacity - stalls - circle


def _cuts(seats_per_row: float) -> int:
    return 1 if seats_per_row < 13 else 2 if seats_per_row < 22 else 3 if seats_per_row < 52 else 5


def _stalls(first: float, rows: int, seats: int) -> list[Level]:
    cuts = _cuts(seats / rows)
    if seats < 350:
        return [Level("Stalls", "Stalls", first, rows, cuts)]
    front = max(3, round(rows * 0.4))
    level = Level("Front Stalls", "Front stalls", first, front, cuts)
    return [level, Level("Rear Stalls", "Stalls", level.end + CROSS_AISLE_CM, rows - front, cuts, front)]


def _half_angle(levels: list[Level], seats: int) -> float:
    def space(angle: float) -> int:
        return sum(room(level.blocks(angle)) for level in levels)

    return fit(space, seats, 0.02, 1.45)


def _upper(name: str, zone: str, radius: float, seats: int, angle: float) -> tuple[Level, float]:
    """A level above the stalls, a little wider than they are, and the half angle it takes."""
    per_row = 2 * UPPER_BREADTH * angle * radius / SEAT_CM
    rows = math.ceil(seats / per_row)
    level = Level(name, zone, radius, rows, _cuts(seats / rows))
    return level, _half_angle([level], seats)


def _boxes(first: float, end: float, angle: float, capacity: int) -> list[Block]:
    """Boxes of six along both walls, Box 1 to Box n on the left from the stage, the rest on the right."""
    if capacity < 450:
        return []
    each, pitch = 6, 250.0
    count = max(2, min(each, int((end - first) / pitch) - 1))
    blocks: list[Block] = []
    for side, index in ((side, index) for side in (1, -1) for index in range(count)):
        radius = first + 60 + pitch * index
        inner, outer = angle + 20 / radius, angle + (20 + 2 * END_CM + 2 * SEAT_CM + 1) / radius
        start, stop = (outer, inner) if side == 1 else (-inner, -outer)
        wedge = Wedge(Arc(0, 0, radius, math.pi / 2 + start, math.pi / 2 + stop), 2, ROW_CM)
        blocks.append(wedge.block(f"Box {len(blocks) + 1}", "Boxes", fixed=True))
    return blocks


def _stage(lip: float, depth: float, angle: float) -> list[tuple[ShapeKind, str, list[Point]]]:
    """A stage with a curved front, a little narrower than the first row, that narrows towards its back."""
    reach = min(1.0, angle * 0.95)
    front = Arc(0, 0, lip, math.pi / 2 - reach, math.pi / 2 + reach).points()
    (right, y), (left, _) = front[0], front[-1]
    back = y - depth
    return [("stage", "Stage", [*front, (left * 0.82, back), (right * 0.82, back)])]

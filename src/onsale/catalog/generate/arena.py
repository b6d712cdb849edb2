"""Arenas: the stage at one end of a hall, blocks of chairs on the floor, and tiers around in a horseshoe."""

import math
from itertools import product

from onsale.catalog.chart import ShapeKind
from onsale.catalog.generate.bowl import Bowl
from onsale.catalog.generate.dice import Dice
from onsale.catalog.generate.drawing import AISLE_CM, MARGIN_CM, SEAT_CM, Block, Drawing, room, row_room
from onsale.catalog.generate.geometry import Line, Point, off_axis, oval, rectangle, rounded
from onsale.catalog.generate.wedge import Wedge

# An ice rink's hall: 26 by 60 metres of ice, and the boards around it.
FLOOR_HALF_WIDTH_CM = 1_650.0
FLOOR_HALF_LENGTH_CM = 3_250.0
FULL_SIZE_CAPACITY = 11_000
FLOOR_ROW_CM = 90.0
# Fire rules end a block of loose chairs after about 14 rows and 16 chairs between aisles.
FLOOR_ROWS_MAX = 13
FLOOR_SHARE_MAX = 0.3

ZONES = ("Floor", "Stands", "Lower tier", "Side view", "Upper tier")
HORSESHOE_RAD = math.radians(106)
SIDE_VIEW_RAD = math.radians(82)
RESTRICTED_RAD = math.radians(92)


def arena(capacity: int, dice: Dice) -> Drawing:
    """An arena with room for `capacity` people."""
    scale = max(0.3, min(1.15, math.sqrt(capacity / FULL_SIZE_CAPACITY)))
    half_width, half_length = scale * FLOOR_HALF_WIDTH_CM, scale * FLOOR_HALF_LENGTH_CM
    front = -half_length + scale * dice.between("stage front", 1_150, 1_350)
    focus = (0.0, front)
    blocks = _floor(half_width, half_length, front, int(capacity * FLOOR_SHARE_MAX))
    base = oval(half_width + 250, half_length + 250, 0.78 * half_width + 150, math.radians(8), math.radians(16))
    shares = [0.55, 0.45] if capacity >= 5_000 else [1.0]
    swell = dice.between("swell", 0.05, 0.2)

    def deep(where: Point) -> float:
        # The upper tier is deepest opposite the stage, where the best of the cheap seats are.
        return 1 + swell * math.cos(off_axis(where, focus) * 1.5)

    def keep(where: Point) -> bool:
        return off_axis(where, focus) < HORSESHOE_RAD

    bowl = Bowl(base, shares, max(700.0, 1_350 * math.sqrt(scale)), 300, deep, keep)
    tiers = bowl.fitted(capacity - room(blocks))
    zones = ("Lower tier", "Upper tier") if len(tiers) == 2 else ("Stands",)
    for level, (wedges, zone) in enumerate(zip(tiers, zones, strict=True), 1):
        for number, wedge in enumerate(wedges, 1):
            blocks.append(_section(wedge, f"{level}{number:02}", zone, focus))
    return Drawing("arena", focus, ZONES, _shapes(half_width, half_length, front), blocks, RESTRICTED_RAD)


def _section(wedge: Wedge, name: str, zone: str, focus: Point) -> Block:
    aside = off_axis(wedge.middle(), focus) > SIDE_VIEW_RAD
    return wedge.block(name, "Side view" if aside else zone)


def _floor(half_width: float, half_length: float, front: float, seats_max: int) -> list[Block]:
    """Blocks of straight rows in two to four columns, named F1, F2, ... from the front left."""
    side, top, foot = half_width - 200, front + 350, half_length - 0.30 * half_width
    columns = max(1, round(2 * side / 800))
    banks = max(1, round((foot - top) / (FLOOR_ROWS_MAX * FLOOR_ROW_CM + AISLE_CM)))
    width, depth = (2 * side + AISLE_CM) / columns, (foot - top + AISLE_CM) / banks
    blocks: list[Block] = []
    for bank, column in product(range(banks), range(columns)):
        x, y = -side + width * column, top + depth * bank
        block = _floor_block(f"F{len(blocks) + 1}", x, y, x + width - AISLE_CM, y + depth - AISLE_CM)
        blocks.append(block)
    while blocks and room(blocks) > seats_max:
        blocks = blocks[:-columns]
    return blocks


def _floor_block(name: str, x0: float, y0: float, x1: float, y1: float) -> Block:
    rows = max(1, int((y1 - y0 - 2 * MARGIN_CM) / FLOOR_ROW_CM) + 1)
    last = x1 - MARGIN_CM
    length = (row_room(Line(x0 + MARGIN_CM, 0, last, 0)) - 1) * SEAT_CM
    # Chairs stand at their usual distance in the middle of the block's ground.
    left = (x0 + x1 - length) / 2
    steps = [y0 + MARGIN_CM + FLOOR_ROW_CM * index for index in range(rows)]
    lines = [Line(left, y, left + length, y) for y in steps]
    bottom = lines[-1].y0 + MARGIN_CM
    outline = rectangle(left - MARGIN_CM, y0, left + length + MARGIN_CM, bottom)
    return Block(name, "Floor", outline, ((x0 + x1) / 2, (y0 + bottom) / 2), lines, fixed=True)


def _shapes(half_width: float, half_length: float, front: float) -> list[tuple[ShapeKind, str, list[Point]]]:
    side, back = 0.82 * half_width, front - 0.62 * (front + half_length)
    apron = 0.22 * half_width
    half = [(side, back), (side, front), (apron, front), (apron, front + 180)]
    stage = half + [(-x, y) for x, y in half[::-1]]
    wing = 0.1 * half_width
    return [
        ("stage", "Stage", stage),
        ("screen", "", rounded(rectangle(-side - 4 * wing, back, -side - wing, back + wing), 20)),
        ("screen", "", rounded(rectangle(side + wing, back, side + 4 * wing, back + wing), 20)),
    ]

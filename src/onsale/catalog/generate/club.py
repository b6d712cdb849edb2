"""Clubs: a stage and a dance floor that most people stand on, a bar along one wall, tables along the other.

Larger clubs have a balcony at the back. The dance floor takes whoever has no chair, so every capacity is met.
"""

import math

from onsale.catalog.chart import ShapeKind
from onsale.catalog.generate.dice import Dice
from onsale.catalog.generate.drawing import MARGIN_CM, SEAT_CM, Block, Drawing, room
from onsale.catalog.generate.geometry import Arc, Line, Point, rectangle, rounded

STANDING_PER_SQUARE_METRE = 2.0
ZONES = ("Tables", "Balcony", "Standing")
TABLE_SEATS = 4
TABLE_RADIUS_CM = 62.0
TABLE_TOP_CM = 36.0
TABLE_PITCH_CM = 230.0
TABLE_REACH_CM = TABLE_RADIUS_CM + MARGIN_CM
TABLES_MAX = 60
BAR_DEPTH_CM = 150.0
# Smaller clubs have no second floor.
BALCONY_CAPACITY = 150
BALCONY_AISLE_CM = 120.0
BALCONY_ROW_CM = 90.0
WALK_MAX_CM = 160.0
RESTRICTED_RAD = math.radians(78)


def club(capacity: int, dice: Dice) -> Drawing:
    """A club with room for `capacity` people."""
    seated = capacity * dice.between("seated", 0.2, 0.3)
    area = 10_000 * (capacity - seated) / STANDING_PER_SQUARE_METRE
    width = math.sqrt(area * dice.between("breadth", 1.0, 1.35))
    height = area / width
    bar_side = dice.choice("bar side", (-1, 1))
    centres = _tables(seated * (0.5 if capacity >= BALCONY_CAPACITY else 1.0), height)
    walk = min(WALK_MAX_CM, 80 + 0.05 * width)
    edge = width / 2 + walk
    tables = _table_block(centres, -bar_side, edge, walk)
    reach = max(x for x, _ in centres) + TABLE_REACH_CM
    left, right = sorted((bar_side * (edge + BAR_DEPTH_CM), -bar_side * (edge + reach)))
    blocks = [tables]
    if capacity >= BALCONY_CAPACITY:
        blocks += _balcony(seated * 0.5, left, right, 2 * walk + height)
    standing = capacity - room(blocks)
    floor = rounded(rectangle(-width / 2, walk, width / 2, walk + height), 0.12 * width)
    label = "Dance Floor" if standing >= 150 else "Standing"
    blocks.append(Block(label, "Standing", floor, (0, walk + height / 2), standing=standing))
    tops = [_table_top(-bar_side * (edge + x), walk + y) for x, y in centres]
    shapes = [*_shapes(width, height, bar_side, walk), *tops]
    return Drawing("club", (0, 0), ZONES, shapes, blocks, RESTRICTED_RAD)


def _tables(seats: float, height: float) -> list[Point]:
    """The centres of round tables in full columns, measured from the side and top of the dance floor."""
    wanted = max(1, min(TABLES_MAX, int(seats / TABLE_SEATS)))
    per_column = max(1, min(wanted, int((height + 60) / TABLE_PITCH_CM)))
    columns = max(1, round(wanted / per_column))
    # The column is spread over the whole height of the dance floor, but tables stay within sight of each
    # other.
    spread = (height - 2 * TABLE_REACH_CM) / max(1, per_column - 1)
    pitch = max(TABLE_PITCH_CM, min(1.25 * TABLE_PITCH_CM, spread))
    across, down = range(columns), range(per_column)
    return [(TABLE_REACH_CM + TABLE_PITCH_CM * x, TABLE_REACH_CM + pitch * y) for x in across for y in down]


def _table_block(centres: list[Point], side: int, edge: float, top: float) -> Block:
    """All tables as one section; each table is a row, T1, T2, ... with four chairs a quarter turn apart."""
    x1, y1 = max(x for x, _ in centres) + TABLE_REACH_CM, max(y for _, y in centres) + TABLE_REACH_CM
    quarter = math.pi / 2
    rows = [Arc(side * (edge + x), top + y, TABLE_RADIUS_CM, quarter / 2, quarter * 3.5) for x, y in centres]
    near, far = sorted((side * edge, side * (edge + x1)))
    outline = rounded(rectangle(near, top, far, top + y1), 40)
    names = [f"T{index}" for index in range(1, len(centres) + 1)]
    at = ((near + far) / 2, top + y1 / 2)
    chair = TABLE_RADIUS_CM * quarter - 1
    return Block("Tables", "Tables", outline, at, rows, fixed=True, row_names=names, seat_cm=chair)


def _table_top(x: float, y: float) -> tuple[ShapeKind, str, list[Point]]:
    """The table itself, a regular twelve-sided outline, drawn as the bar is."""
    circle = Arc(x, y, TABLE_TOP_CM, 0, 2 * math.pi)
    return ("bar", "", [circle.at(part.start) for part in circle.split(12)])


def _balcony(seats: float, left: float, right: float, top: float) -> list[Block]:
    """Straight rows across the back, in one to five blocks, each row raised above the one before."""
    count = max(1, round((right - left) / 900))
    part = (right - left + BALCONY_AISLE_CM) / count
    per_row = count * int((part - BALCONY_AISLE_CM - 2 * MARGIN_CM) / SEAT_CM + 1)
    rows = max(2, min(8, round(seats / per_row)))
    depth = BALCONY_ROW_CM * (rows - 1)
    blocks = []
    for index in range(count):
        x0 = left + part * index
        x1 = x0 + part - BALCONY_AISLE_CM
        rises = [top + MARGIN_CM + BALCONY_ROW_CM * row for row in range(rows)]
        lines = [Line(x0 + MARGIN_CM, y, x1 - MARGIN_CM, y) for y in rises]
        outline = rectangle(x0, top, x1, top + depth + 2 * MARGIN_CM)
        at = ((x0 + x1) / 2, top + MARGIN_CM + depth / 2)
        name = f"Balcony {index + 1}" if count > 1 else "Balcony"
        blocks.append(Block(name, "Balcony", outline, at, lines, fixed=True, bank="Balcony"))
    return blocks


def _shapes(width: float, height: float, bar_side: int, walk: float) -> list[tuple[ShapeKind, str, list[Point]]]:
    half, depth = 0.36 * width, max(200.0, 0.24 * width)
    near = bar_side * (width / 2 + walk)
    left, right = sorted((near, near + bar_side * BAR_DEPTH_CM))
    bar = rectangle(left, walk + 0.1 * height, right, walk + 0.85 * height)
    return [
        ("stage", "Stage", rounded(rectangle(-half, -depth, half, 0), 30)),
        ("bar", "Bar", rounded(bar, 30)),
    ]

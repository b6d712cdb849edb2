"""From a drawn venue to a chart: counts the seats exactly, names the rows, and marks accessible and
restricted seats.

A kind of venue draws *blocks* with a little more room than needed; `compose` takes the surplus off evenly,
a seat from a row here and there, so that every capacity is met exactly and no edge looks cut.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onsale.catalog.chart import (
    ANGLE_UNIT_RAD,
    WIRE_VERSION,
    Chart,
    Kind,
    Row,
    Run,
    Section,
    Shape,
    ShapeKind,
    seat_points,
)
from onsale.catalog.generate.geometry import Arc, Line, Point, bounds

SEAT_CM = 50.0  # From seat to seat along a row; stadium chairs are 46 to 50 cm wide.
ROW_CM = 80.0  # From row to row; the usual least is 76 cm.
AISLE_CM = 120.0  # Clear width between the chairs of two sections.
MARGIN_CM = 42.0  # From the middle of an outer seat to its section's outline.
ACCESSIBLE_SHARE = 0.01  # About what licensing rules ask of large venues.
BOX_MARGIN_CM = 300.0

# Letters that are mistaken for digits on a ticket are left out, as real venues do.
_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ"


def row_room(row: Line | Arc, seat_cm: float = SEAT_CM) -> int:
    """How many seats a row has room for."""
    return int(row.length / seat_cm + 1e-6) + 1


@dataclass(frozen=True, slots=True)
class Block:
    """A section before its seats are counted. `rows` lead from the front to the back, `outline` encloses
    them.

    `standing` is the number of people in a standing area, 0 for rows. A `fixed` block keeps every seat it
    has room for. Blocks of one `bank` share their rows: seat numbers run on from block to block, as in a
    theatre. Rows are lettered unless named.
    """

    name: str
    zone: str
    outline: list[Point]
    at: Point
    rows: Sequence[Line | Arc] = ()
    standing: int = 0
    fixed: bool = False
    bank: str = ""
    row_names: Sequence[str] = ()
    seat_cm: float = SEAT_CM

    def rooms(self) -> list[int]:
        """How many seats each row has room for."""
        return [row_room(row, self.seat_cm) for row in self.rows]

    def room(self) -> int:
        """How many people the block has room for."""
        return self.standing + sum(self.rooms())


@dataclass(frozen=True, slots=True)
class Drawing:
    """A whole venue, drawn. Past `sight` radians off the stage's axis a view is restricted."""

    kind: Kind
    focus: Point
    zones: Sequence[str]
    shapes: Sequence[tuple[ShapeKind, str, list[Point]]]
    blocks: Sequence[Block]
    sight: float


def room(blocks: Sequence[Block]) -> int:
    """How many people the blocks have room for."""
    return sum(block.room() for block in blocks)


def fit(room_of: Callable[[float], int], wanted: int, low: float, high: float) -> float:
    """The smallest size with room for `wanted`, or `high`. `room_of` must grow with the size."""
    for _ in range(18):
        middle = (low + high) / 2
        if room_of(middle) < wanted:
            low = middle
        else:
            high = middle
    return high


def row_name(index: int) -> str:
    """A, B, ... Z without I and O, then AA, BB, ... and AAA."""
    return _LETTERS[index % len(_LETTERS)] * (index // len(_LETTERS) + 1)


def compose(drawing: Drawing, capacity: int, name: str) -> Chart:
    """The chart of exactly `capacity` places. The blocks must have room for as many."""
    kept = sum(block.room() for block in drawing.blocks if block.fixed or block.standing)
    rooms = [space for block in drawing.blocks if not block.fixed for space in block.rooms()]
    counts = iter(_thin(rooms, capacity - kept))
    zones = [zone for zone in drawing.zones if any(block.zone == zone for block in drawing.blocks)]
    sections: list[Section] = []
    first, printed = 0, dict[tuple[str, int], int]()
    for block in drawing.blocks:
        seats = block.rooms() if block.fixed else [next(counts) for _ in block.rows]
        rows = _rows(block, seats, printed)
        count = block.standing or sum(seats)
        # A block that the surplus has emptied is not built at all.
        if count:
            outline, at = _wire(block.outline), _whole(block.at)
            zone = zones.index(block.zone)
            sections.append(Section(block.name, zone, not rows, outline, at, first, count, rows))
        first += count
    return _chart(drawing, capacity, name, zones, sections)


def _chart(drawing: Drawing, capacity: int, name: str, zones: list[str], sections: list[Section]) -> Chart:
    shapes = tuple(Shape(kind, label, _wire(outline)) for kind, label, outline in drawing.shapes)
    corners = [point for _, _, outline in drawing.shapes for point in outline]
    corners += [point for block in drawing.blocks for point in block.outline]
    x0, y0, x1, y1 = bounds(corners)
    return Chart(
        v=WIRE_VERSION,
        name=name,
        kind=drawing.kind,
        seats=capacity,
        box=(
            math.floor(x0 - BOX_MARGIN_CM),
            math.floor(y0 - BOX_MARGIN_CM),
            math.ceil(x1 + BOX_MARGIN_CM),
            math.ceil(y1 + BOX_MARGIN_CM),
        ),
        focus=_whole(drawing.focus),
        zones=tuple(zones),
        shapes=shapes,
        sections=tuple(sections),
        accessible=tuple(_accessible(sections)),
        restricted=tuple(_restricted(sections, drawing.focus, drawing.sight)),
    )


def _thin(rooms: Sequence[int], wanted: int) -> list[int]:
    """Seats per row that sum to `wanted`: each row keeps the same share of its room, give or take a seat."""
    total = sum(rooms)
    if not 0 <= wanted <= total:
        raise ValueError(f"the drawing has room for {total} seats, {wanted} are wanted")
    counts, seen, given = [], 0, 0
    for space in rooms:
        seen += space
        due = seen * wanted // total
        counts.append(due - given)
        given = due
    return counts


def _rows(block: Block, seats: Sequence[int], printed: dict[tuple[str, int], int]) -> tuple[Row, ...]:
    rows = []
    for index, (line, count) in enumerate(zip(block.rows, seats, strict=True)):
        number = 1
        if block.bank:
            number = printed.get((block.bank, index), 1)
            printed[block.bank, index] = number + count
        if count:
            label = block.row_names[index] if block.row_names else row_name(index)
            rows.append(_row(label, count, number, line))
    return tuple(rows)


def _row(name: str, count: int, number: int, line: Line | Arc) -> Row:
    if isinstance(line, Line):
        ends = (round(line.x0), round(line.y0), round(line.x1), round(line.y1))
        return Row(name, count, number, 1, line=ends)
    angles = (round(line.start / ANGLE_UNIT_RAD), round(line.stop / ANGLE_UNIT_RAD))
    return Row(name, count, number, 1, arc=(round(line.cx), round(line.cy), round(line.radius), *angles))


def _accessible(sections: Sequence[Section]) -> list[Run]:
    """Short runs at the ends of back and front rows, where a wheelchair gets to, spread over all sections."""
    seats = sum(section.count for section in sections if not section.standing)
    pairs = max(1, round(seats * ACCESSIBLE_SHARE / 2))
    # A wheelchair and a companion beside it need a row that leaves the way to them free.
    able = [section for section in sections if max((row.count for row in section.rows), default=0) >= 4]
    total = sum(section.count for section in able)
    runs: list[Run] = []
    seen = given = 0
    for section in able:
        seen += section.count
        due = seen * pairs // total
        runs += sorted(_row_ends(section, 2 * (due - given)))
        given = due
    return runs


def _row_ends(section: Section, wanted: int) -> list[Run]:
    """Up to `wanted` seats of a section at row ends: the last row first, then the front row, then inwards."""
    starts, at = [], section.first
    for row in section.rows:
        starts.append(at)
        at += row.count
    forwards = range(len(starts))
    order = [index for pair in zip(forwards[::-1], forwards, strict=True) for index in pair]
    runs: list[Run] = []
    for index in dict.fromkeys(order):
        space = section.rows[index].count
        for side in (0, 1):
            length = min(4, wanted, space // 2)
            if length < 2:
                break
            runs.append((starts[index] + (space - length if side else 0), length))
            wanted -= length
    return runs


def _restricted(sections: Sequence[Section], focus: Point, sight: float) -> list[Run]:
    """Runs of seats that see the stage from further aside than `sight`, or from behind it."""
    cosine = math.cos(sight)
    hidden: list[int] = []
    for section in sections:
        points = [point for row in section.rows for point in seat_points(row)]
        for seat_no, (x, y) in enumerate(points, section.first):
            if y - focus[1] < cosine * math.hypot(x - focus[0], y - focus[1]):
                hidden.append(seat_no)
    return _runs(hidden)


def _runs(seats: Sequence[int]) -> list[Run]:
    runs: list[Run] = []
    for seat_no in seats:
        if runs and sum(runs[-1]) == seat_no:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((seat_no, 1))
    return runs


def _wire(outline: Sequence[Point]) -> tuple[int, ...]:
    """Whole centimetres, without the points that rounding has made equal to the one before."""
    flat: list[int] = []
    for point in map(_whole, outline):
        if tuple(flat[-2:]) != point:
            flat += point
    return tuple(flat)


def _whole(point: Point) -> tuple[int, int]:
    return (round(point[0]), round(point[1]))

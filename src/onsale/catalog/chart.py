"""Seating charts: the wire form that browsers draw, and fast look-ups over it.

A chart is pure data. It belongs to a venue, never changes once stored (its address is the hash of its
bytes), and gives every place a dense number, `seat_no`, from 0 in chart order. Lengths are integer
centimetres, y grows downwards, angles are in 1/10000 radian clockwise from the x axis. A *place* below is a
seat, or room for one person in a standing area.

Two halves: the structs with `encode`, `decode` and `check` are what is stored and sent; `Layout` is what
the shop asks ("what is printed on seat 51,234?") and is built once per chart and process.
"""

from __future__ import annotations  # array is not subscriptable before Python 3.12

import hashlib
import math
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import msgspec

from onsale.limits import (
    CHART_BYTES_MAX,
    CHART_EXTENT_CM_MAX,
    CHART_NAME_CHARS_MAX,
    CHART_OUTLINE_POINTS_MAX,
    CHART_ROWS_MAX,
    CHART_SEATS_MAX,
    CHART_SECTIONS_MAX,
    CHART_SHAPES_MAX,
    CHART_SPACING_CM_MIN,
    CHART_ZONES_MAX,
)

WIRE_VERSION = 1
ANGLE_UNIT_RAD = 1e-4

Kind = Literal["stadium", "arena", "theatre", "club"]
ShapeKind = Literal["stage", "pitch", "dance", "bar", "screen"]
Point = tuple[float, float]
Run = tuple[int, int]


class ChartError(ValueError):
    """The chart cannot be used; the message names the first fault found and where it is."""


class Row(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Seats standing evenly on a `line` (x0, y0, x1, y1) or an `arc` (cx, cy, radius, a0, a1)."""

    name: str
    count: int
    first_number: int = msgspec.field(name="from")
    step: int
    line: tuple[int, int, int, int] | None = None
    arc: tuple[int, int, int, int, int] | None = None


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A block of rows, or a standing area (no rows; its places are printed "1" to "count")."""

    name: str
    zone: int
    standing: bool
    outline: tuple[int, ...]
    at: tuple[int, int]
    first: int
    count: int
    rows: tuple[Row, ...]


class Shape(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something drawn that nobody sits in: the stage, a bar."""

    kind: ShapeKind
    label: str
    outline: tuple[int, ...]


class Chart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole seating chart; `zones` are price zones, best first, and `focus` is where everybody looks."""

    v: int
    name: str
    kind: Kind
    seats: int
    box: tuple[int, int, int, int]
    focus: tuple[int, int]
    zones: tuple[str, ...]
    shapes: tuple[Shape, ...]
    sections: tuple[Section, ...]
    accessible: tuple[Run, ...]
    restricted: tuple[Run, ...]


class SeatLabel(NamedTuple):
    """What is printed on the ticket. `row` is empty in a standing area."""

    section: str
    row: str
    seat: str


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(Chart)


def encode(chart: Chart) -> bytes:
    """Compact JSON, the same bytes for the same chart, so its hash can be its address."""
    return _ENCODER.encode(chart)


def decode(data: bytes) -> Chart:
    """Read and check a chart in wire form. Raises ChartError."""
    if len(data) > CHART_BYTES_MAX:
        raise ChartError(f"the chart takes {len(data)} bytes, more than {CHART_BYTES_MAX}")
    try:
        chart = _DECODER.decode(data)
    except msgspec.DecodeError as fault:
        raise ChartError(f"not a chart: {fault}") from fault
    check(chart)
    return chart


def chart_hash(data: bytes) -> str:
    """The address of a chart: SHA-256 of its bytes, in hex."""
    return hashlib.sha256(data).hexdigest()


def seat_points(row: Row) -> list[Point]:
    """Where the seats of a row stand, in cm, in seat order. A row of one seat stands at the first end."""
    gaps = max(1, row.count - 1)
    if row.arc is not None:
        cx, cy, radius, first, last = row.arc
        start, step = first * ANGLE_UNIT_RAD, (last - first) * ANGLE_UNIT_RAD / gaps
        angles = [start + step * i for i in range(row.count)]
        return [(cx + radius * math.cos(angle), cy + radius * math.sin(angle)) for angle in angles]
    if row.line is None:
        raise ChartError(f"row {row.name!r} has neither a line nor an arc")
    x0, y0, x1, y1 = row.line
    dx, dy = (x1 - x0) / gaps, (y1 - y0) / gaps
    return [(x0 + dx * i, y0 + dy * i) for i in range(row.count)]


# -- checking ------------------------------------------------------------------------------------------------


def check(chart: Chart) -> None:
    """Raise ChartError, naming the first fault, unless the chart can be stored, drawn and sold from."""
    _need(chart.v == WIRE_VERSION, f"wire version {chart.v} is not {WIRE_VERSION}")
    _check_name("the chart", chart.name)
    _need(0 < chart.seats <= CHART_SEATS_MAX, f"{chart.seats} seats are not between 1 and {CHART_SEATS_MAX}")
    _need(0 < len(chart.zones) <= CHART_ZONES_MAX, f"{len(chart.zones)} zones are not 1 to {CHART_ZONES_MAX}")
    for zone in chart.zones:
        _check_name("a zone", zone)
    _check_unique("zone", chart.zones)
    x0, y0, x1, y1 = chart.box
    _need(x0 < x1 and y0 < y1, f"the box {chart.box} is empty or turned over")
    _need(max(map(abs, chart.box)) <= CHART_EXTENT_CM_MAX, f"the box {chart.box} is larger than any venue")
    _need(max(map(abs, chart.focus)) <= CHART_EXTENT_CM_MAX, f"the focus {chart.focus} is not near the venue")
    _need(len(chart.shapes) <= CHART_SHAPES_MAX, f"there are more than {CHART_SHAPES_MAX} shapes")
    for shape in chart.shapes:
        _check_outline(f"shape {shape.label or shape.kind!r}", shape.outline, chart.box)
        _need(len(shape.label) <= CHART_NAME_CHARS_MAX, f"the label of a {shape.kind} is too long")
    _check_sections(chart)
    _check_runs("accessible", chart.accessible, chart.seats)
    _check_runs("restricted", chart.restricted, chart.seats)


def _check_sections(chart: Chart) -> None:
    many = len(chart.sections)
    _need(0 < many <= CHART_SECTIONS_MAX, f"{many} sections are not 1 to {CHART_SECTIONS_MAX}")
    _check_unique("section", [section.name for section in chart.sections])
    rows = sum(len(section.rows) for section in chart.sections)
    _need(rows <= CHART_ROWS_MAX, f"{rows} rows are more than {CHART_ROWS_MAX}")
    expected = 0
    for section in chart.sections:
        where = f"section {section.name!r}"
        _check_name("a section", section.name)
        _need(section.first == expected, f"{where} begins at seat {section.first}, expected {expected}")
        _need(section.count > 0, f"{where} has no places")
        zones = len(chart.zones)
        _need(0 <= section.zone < zones, f"{where} is in zone {section.zone} of {zones}")
        _check_outline(where, section.outline, chart.box)
        _need(_inside(section.at, chart.box), f"the label of {where} at {section.at} lies outside the box")
        _check_rows(section, where)
        expected += section.count
    _need(expected == chart.seats, f"the sections hold {expected} places, the chart says {chart.seats}")


def _check_rows(section: Section, where: str) -> None:
    if section.standing:
        _need(not section.rows, f"{where} is a standing area with rows")
        return
    seats = sum(row.count for row in section.rows)
    _need(seats == section.count, f"{where} says {section.count} seats, its rows hold {seats}")
    _check_unique(f"row in {where},", [row.name for row in section.rows])
    for row in section.rows:
        _check_row(row, f"row {row.name!r} of {where}")


def _check_row(row: Row, where: str) -> None:
    _check_name("a row", row.name)
    _need(row.count > 0, f"{where} has no seats")
    _need(row.step != 0, f"{where} prints the same number on every seat")
    last = row.first_number + row.step * (row.count - 1)
    _need(min(row.first_number, last) >= 0, f"{where} prints a number below 0")
    _need((row.line is None) != (row.arc is None), f"{where} needs a line or an arc, and not both")
    figures = row.line or (row.arc[:3] if row.arc else ())
    _need(max(map(abs, figures)) <= CHART_EXTENT_CM_MAX, f"{where} is not near the venue")
    if row.arc is not None:
        _need(row.arc[2] > 0, f"{where} has a radius of {row.arc[2]}")
    tight = row.count > 1 and _length(row) < CHART_SPACING_CM_MIN * (row.count - 1)
    _need(not tight, f"{where} has seats closer than {CHART_SPACING_CM_MIN} cm")


def _length(row: Row) -> float:
    if row.arc is not None:
        return abs(row.arc[4] - row.arc[3]) * ANGLE_UNIT_RAD * row.arc[2]
    x0, y0, x1, y1 = row.line or (0, 0, 0, 0)
    return math.hypot(x1 - x0, y1 - y0)


def _check_outline(where: str, outline: Sequence[int], box: tuple[int, int, int, int]) -> None:
    _need(len(outline) % 2 == 0 and len(outline) >= 6, f"the outline of {where} is not three points or more")
    _need(len(outline) <= 2 * CHART_OUTLINE_POINTS_MAX, f"the outline of {where} has too many points")
    points = zip(outline[::2], outline[1::2], strict=True)
    _need(all(_inside(point, box) for point in points), f"the outline of {where} leaves the box")


def _check_runs(what: str, runs: Sequence[Run], seats: int) -> None:
    end = 0
    for first, count in runs:
        _need(count > 0, f"the {what} run at seat {first} is empty")
        _need(first >= end, f"the {what} run at seat {first} overlaps or precedes the one before it")
        end = first + count
        _need(end <= seats, f"the {what} run at seat {first} goes past the last seat")


def _check_name(what: str, name: str) -> None:
    usable = 0 < len(name) <= CHART_NAME_CHARS_MAX and name.isprintable() and name == name.strip()
    _need(usable, f"{what} is called {name[:CHART_NAME_CHARS_MAX]!r}, which cannot be printed on one line")


def _check_unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        _need(name not in seen, f"two {what} names are {name!r}")
        seen.add(name)


def _inside(point: tuple[int, int], box: tuple[int, int, int, int]) -> bool:
    return box[0] <= point[0] <= box[2] and box[1] <= point[1] <= box[3]


def _need(true: bool, message: str) -> None:
    if not true:
        raise ChartError(message)


# -- look-ups ------------------------------------------------------------------------------------------------


class Layout:
    """Look-ups over a checked chart, about 10 bytes a place; build it once and share it, it never changes.

    `seats`      how many places there are.
    `row_index`  per place, its row counted through the whole chart. A standing area is one row of its own,
                 so two places are side by side exactly when their numbers follow each other and their rows
                 are equal. `row_starts` per row, its first seat_no, with `seats` appended: row r is
                 range(row_starts[r], row_starts[r + 1]).
    `quality`    per place, its distance to the focus in cm, smaller is better; a standing area is measured
                 at its label. Every method raises IndexError for a seat_no outside the chart.
    """

    __slots__ = (
        "_accessible",
        "_first_of_section",
        "_restricted",
        "_row_section",
        "_rows",
        "_section_at",
        "_sections",
        "_zones",
        "quality",
        "row_index",
        "row_starts",
        "seats",
    )

    def __init__(self, chart: Chart) -> None:
        self.seats = chart.seats
        self._sections = chart.sections
        self._section_at = {section.name: place for place, section in enumerate(chart.sections)}
        self._first_of_section = array("i", [section.first for section in chart.sections])
        self._accessible = _edges(chart.accessible)
        self._restricted = _edges(chart.restricted)
        self._rows: list[Row | None] = []
        self._row_section = array("i")
        self.row_starts = array("i")
        self.quality = array("i")
        zones = bytearray()
        for place, section in enumerate(chart.sections):
            zones += bytes([section.zone]) * section.count
            self._add_rows(place, section, chart.focus)
        self.row_starts.append(self.seats)
        self._zones = array("B", bytes(zones))
        self.row_index = array("i")
        for row, (first, end) in enumerate(pairwise(self.row_starts)):
            self.row_index.extend(array("i", [row]) * (end - first))

    def _add_rows(self, place: int, section: Section, focus: tuple[int, int]) -> None:
        rows: Sequence[Row | None] = [None] if section.standing else section.rows
        first = section.first
        for row in rows:
            self._rows.append(row)
            self._row_section.append(place)
            self.row_starts.append(first)
            if row is None:
                away = round(math.dist(section.at, focus))
                self.quality.extend(array("i", [away]) * section.count)
            else:
                self.quality.extend(_distances(row, focus))
                first += row.count

    def section_of(self, seat_no: int) -> Section:
        """The section a place belongs to."""
        return self._sections[self._row_section[self.row_index[self._known(seat_no)]]]

    def label(self, seat_no: int) -> SeatLabel:
        """What is printed for a place."""
        index = self.row_index[self._known(seat_no)]
        section = self._sections[self._row_section[index]]
        row, offset = self._rows[index], seat_no - self.row_starts[index]
        if row is None:
            return SeatLabel(section.name, "", str(offset + 1))
        return SeatLabel(section.name, row.name, str(row.first_number + row.step * offset))

    def zone_of(self, seat_no: int) -> int:
        """The price zone of a place, an index into the chart's `zones`."""
        return self._zones[self._known(seat_no)]

    def zones(self) -> array[int]:
        """The price zone of every place, one byte each; a copy that the caller may keep or change."""
        return self._zones[:]

    def section_range(self, name: str) -> range:
        """The seat numbers of a section. Raises KeyError for a name that the chart does not have."""
        section = self._sections[self._section_at[name]]
        return range(section.first, section.first + section.count)

    def is_standing(self, seat_no: int) -> bool:
        """Whether a place is in a standing area, where any two places are as good as side by side."""
        return self._rows[self.row_index[self._known(seat_no)]] is None

    def is_accessible(self, seat_no: int) -> bool:
        """Whether a seat is kept for wheelchair users and their companions."""
        return bisect_right(self._accessible, self._known(seat_no)) % 2 == 1

    def is_restricted(self, seat_no: int) -> bool:
        """Whether the view from a seat is restricted, which must be said before it is sold."""
        return bisect_right(self._restricted, self._known(seat_no)) % 2 == 1

    def _known(self, seat_no: int) -> int:
        # A negative number would count from the end and quietly answer for another seat.
        if not 0 <= seat_no < self.seats:
            raise IndexError(f"seat {seat_no} is not one of the {self.seats} seats of this chart")
        return seat_no


def _edges(runs: Sequence[Run]) -> array[int]:
    """Starts and ends of the runs in turn: a seat lies in a run when an odd number of edges precede or meet
    it.

    Two runs that touch give the same edge twice, which keeps the count right.
    """
    return array("i", [edge for first, count in runs for edge in (first, first + count)])


def _distances(row: Row, focus: tuple[int, int]) -> array[int]:
    """Each seat's distance to the focus in cm; on an arc by the cosine rule, with one cosine a seat."""
    if row.arc is None:
        return array("i", [round(math.dist(point, focus)) for point in seat_points(row)])
    cx, cy, radius, first, last = row.arc
    away, bearing = math.hypot(focus[0] - cx, focus[1] - cy), math.atan2(focus[1] - cy, focus[0] - cx)
    start = first * ANGLE_UNIT_RAD - bearing
    step = (last - first) * ANGLE_UNIT_RAD / max(1, row.count - 1)
    squares, product = radius * radius + away * away, 2 * radius * away
    cos, sqrt = math.cos, math.sqrt
    # The focus can lie on the arc itself, where rounding may leave a square a hair below zero.
    around = [squares - product * cos(start + step * i) for i in range(row.count)]
    return array("i", [round(sqrt(max(0.0, square))) for square in around])

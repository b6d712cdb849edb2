"""Sections between two rays and two arcs: what bowls and theatres are cut into."""

from collections.abc import Sequence
from dataclasses import dataclass

from onsale.catalog.generate.drawing import AISLE_CM, MARGIN_CM, ROW_CM, SEAT_CM, Block, row_room
from onsale.catalog.generate.geometry import Arc, Point, ring_sector

# From the ray between two sections to the middle of the first seat beside it.
END_CM = (AISLE_CM + SEAT_CM) / 2


@dataclass(frozen=True, slots=True)
class Wedge:
    """The ground of one section: its front row's arc, from ray to ray, and how many rows stand on it."""

    front: Arc
    rows: int
    row_cm: float = ROW_CM

    @property
    def depth(self) -> float:
        """How far the last row stands behind the first, in cm."""
        return self.row_cm * (self.rows - 1)

    def lines(self) -> list[Arc]:
        """The rows, front to back."""
        return [self.front.outwards(self.row_cm * index).narrowed(END_CM) for index in range(self.rows)]

    def room(self) -> int:
        """How many seats the section has room for."""
        return sum(map(row_room, self.lines()))

    def block(self, name: str, zone: str, bank: str = "", row_names: Sequence[str] = (), fixed: bool = False) -> Block:
        """The section, drawn; see Block for what the rest means."""
        inner = self.front.outwards(-MARGIN_CM).narrowed(END_CM - MARGIN_CM)
        outer = self.front.outwards(self.depth + MARGIN_CM).narrowed(END_CM - MARGIN_CM)
        outline = ring_sector(inner, outer)
        return Block(name, zone, outline, self.middle(), self.lines(), bank=bank, row_names=row_names, fixed=fixed)

    def middle(self) -> Point:
        """Where the section's name is written."""
        middle = (self.front.start + self.front.stop) / 2
        return self.front.at(middle, self.front.radius + self.depth / 2)

"""Arcs, ovals made of arcs, and outlines. Lengths in centimetres, y downwards, angles in radians clockwise."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Point = tuple[float, float]

# A polygon may cut this much off a true curve: far below the margin that outlines keep around their seats,
# and less on small circles, which belong to small venues and are looked at closely.
SAG_CM = 10.0
SAG_SHARE = 1 / 900


@dataclass(frozen=True, slots=True)
class Line:
    """A straight row of seats from one end to the other."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def length(self) -> float:
        return math.hypot(self.x1 - self.x0, self.y1 - self.y0)


@dataclass(frozen=True, slots=True)
class Arc:
    """A part of a circle from angle `start` to angle `stop`, clockwise when start < stop."""

    cx: float
    cy: float
    radius: float
    start: float
    stop: float

    @property
    def length(self) -> float:
        return abs(self.stop - self.start) * self.radius

    def at(self, angle: float, radius: float | None = None) -> Point:
        """The point at an angle on this circle, or on the circle of another radius around the same centre."""
        away = self.radius if radius is None else radius
        return (self.cx + away * math.cos(angle), self.cy + away * math.sin(angle))

    def outwards(self, distance: float) -> "Arc":
        """The arc a distance further from the centre, over the same angles."""
        return Arc(self.cx, self.cy, self.radius + distance, self.start, self.stop)

    def narrowed(self, by: float) -> "Arc":
        """The arc whose ends lie `by` inside the rays through this arc's ends.

        Measured square to the ray, so that the ends of all rows of a section lie on one straight line and
        an aisle is as wide at the back as at the front.
        """
        angle = math.copysign(math.asin(max(-1.0, min(1.0, by / self.radius))), self.stop - self.start)
        return Arc(self.cx, self.cy, self.radius, self.start + angle, self.stop - angle)

    def split(self, parts: int) -> list["Arc"]:
        """The arc in equal parts, in order."""
        step = (self.stop - self.start) / parts
        cuts = [self.start + step * i for i in range(parts)]
        return [Arc(self.cx, self.cy, self.radius, cut, cut + step) for cut in cuts]

    def points(self) -> list[Point]:
        """Points along the arc, as few as keep the polygon close to it."""
        chord = math.sqrt(8 * self.radius * min(SAG_CM, self.radius * SAG_SHARE))
        steps = max(1, math.ceil(self.length / chord))
        return [self.at(self.start + (self.stop - self.start) * i / steps) for i in range(steps + 1)]


def ring_sector(inner: Arc, outer: Arc) -> list[Point]:
    """The outline between two arcs around one centre."""
    return inner.points() + outer.points()[::-1]


def oval(half_width: float, half_length: float, corner: float, side_bend: float, end_bend: float) -> list[Arc]:
    """A closed smooth curve of eight arcs around (0, 0), clockwise from the left end of the top arc.

    The long sides are left and right. `corner` is the radius of the corners; `side_bend` and `end_bend` are
    half the angles of the arcs of the sides and ends. Neighbouring arcs share a tangent, so every curve at
    a distance from this one is smooth too, and rows can follow it outwards. The corner centres (cx, cy)
    solve two linear equations that say how far sides and ends reach.
    """
    side, end = math.tan(side_bend / 2), math.tan(end_bend / 2)
    cy = ((half_length - corner) - end * (half_width - corner)) / (1 - side * end)
    cx = (half_width - corner) - side * cy
    side_radius, end_radius = corner + cy / math.sin(side_bend), corner + cx / math.sin(end_bend)
    side_x, end_y = half_width - side_radius, half_length - end_radius
    quarter, half = math.pi / 2, math.pi
    return [
        Arc(0, -end_y, end_radius, -quarter - end_bend, -quarter + end_bend),
        Arc(cx, -cy, corner, -quarter + end_bend, -side_bend),
        Arc(side_x, 0, side_radius, -side_bend, side_bend),
        Arc(cx, cy, corner, side_bend, quarter - end_bend),
        Arc(0, end_y, end_radius, quarter - end_bend, quarter + end_bend),
        Arc(-cx, cy, corner, quarter + end_bend, half - side_bend),
        Arc(-side_x, 0, side_radius, half - side_bend, half + side_bend),
        Arc(-cx, -cy, corner, half + side_bend, half + quarter - end_bend),
    ]


def rectangle(x0: float, y0: float, x1: float, y1: float) -> list[Point]:
    """The corners of an upright rectangle, clockwise from the top left."""
    return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]


def rounded(corners: Sequence[Point], radius: float, steps: int = 6) -> list[Point]:
    """A polygon with soft corners: each becomes a quadratic curve that begins `radius` before the corner."""
    outline: list[Point] = []
    for i, corner in enumerate(corners):
        before, after = corners[i - 1], corners[(i + 1) % len(corners)]
        start, stop = _towards(corner, before, radius), _towards(corner, after, radius)
        for step in range(steps + 1):
            t = step / steps
            a, b, c = (1 - t) * (1 - t), 2 * t * (1 - t), t * t
            x, y = (a * start[axis] + b * corner[axis] + c * stop[axis] for axis in (0, 1))
            outline.append((x, y))
    return outline


def _towards(origin: Point, target: Point, distance: float) -> Point:
    length = math.dist(origin, target)
    # Never past the middle of an edge, where the next corner's curve begins.
    share = min(distance / length, 0.5) if length else 0.0
    return (origin[0] + (target[0] - origin[0]) * share, origin[1] + (target[1] - origin[1]) * share)


def off_axis(point: Point, focus: Point) -> float:
    """The angle between a place's direction from the focus and straight ahead (downwards), 0 to pi."""
    return abs(math.atan2(point[0] - focus[0], point[1] - focus[1]))


def bounds(points: Iterable[Point]) -> tuple[float, float, float, float]:
    """The smallest upright box around the points."""
    xs, ys = zip(*points, strict=True)
    return (min(xs), min(ys), max(xs), max(ys))

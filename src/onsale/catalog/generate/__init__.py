"""Believable venues of any size, made from a few figures: for demonstrations, tests and benchmarks.

`generate` draws a stadium, an arena, a theatre or a club of exactly the capacity asked for, the same for
the same seed. Each kind has a file that says what it is made of; `drawing` counts and numbers the seats,
`geometry` knows arcs and ovals.
"""

from onsale.catalog.chart import Chart, Kind
from onsale.catalog.generate.arena import arena
from onsale.catalog.generate.club import club
from onsale.catalog.generate.dice import Dice
from onsale.catalog.generate.drawing import compose
from onsale.catalog.generate.stadium import stadium
from onsale.catalog.generate.theatre import theatre

KINDS = {"stadium": stadium, "arena": arena, "theatre": theatre, "club": club}
# The smallest and largest house of each kind; past the largest, rows would be further from the stage than
# any real ones.
CAPACITIES: dict[Kind, tuple[int, int]] = {
    "stadium": (50, 150_000),
    "arena": (50, 40_000),
    "theatre": (20, 6_000),
    "club": (20, 10_000),
}


def generate(kind: Kind, capacity: int, name: str, seed: int = 1) -> Chart:
    """A venue of exactly `capacity` places, standing included. Raises ValueError outside CAPACITIES."""
    least, most = CAPACITIES[kind]
    if not least <= capacity <= most:
        raise ValueError(f"a {kind} has {least} to {most} places, not {capacity}")
    return compose(KINDS[kind](capacity, Dice(seed)), capacity, name)


__all__ = ["CAPACITIES", "generate"]

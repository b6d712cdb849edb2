"""The best seats together: pure. Side by side in one row, near the focus, leaving no single seat where avoidable.

Rows are looked at best first (price zone, then distance); among the first few that have room, each possible place is
scored by the mean distance of its seats in centimetres plus a price for every single seat it would leave alone.
"""

import re
from collections.abc import Iterator, Set
from itertools import islice

from onsale.catalog import Layout

# Leaving one seat alone costs as much as sitting this much further away: about five rows.
ORPHAN_COST_CM = 400
# Rows compared before one is chosen. Rows come in order of distance, so the best place is among the first few.
ROWS_COMPARED = 6

_FREE = re.compile(rb"0+")


class Finder:
    """Finds places on one layout. `states` has one ASCII digit a seat; only "0" is free to take."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        starts = layout.row_starts
        rows = [(starts[row], starts[row + 1]) for row in range(len(starts) - 1)]
        self._rows = sorted(rows, key=lambda row: (layout.zone_of(row[0]), min(layout.quality[row[0] : row[1]])))
        self.kept_back = [seat_no for seat_no in range(layout.seats) if layout.is_accessible(seat_no)]
        """Seats for wheelchair users and their companions: chosen by hand, never by "best"."""

    def choosable(self, states: bytes) -> bytearray:
        """A copy of `states` in which the seats kept back are not free."""
        choices = bytearray(states)
        for seat_no in self.kept_back:
            choices[seat_no] = ord("3")
        return choices

    def find(
        self, states: bytearray, quantity: int, zones: Set[int] | None = None, within: range | None = None
    ) -> tuple[int, ...] | None:
        """Seat numbers, ascending, or None. `zones` and `within` narrow the search to price zones and a section."""
        found: list[tuple[float, tuple[int, ...]]] = []
        zone_found = None
        for first, end in self._rows:
            zone = self._layout.zone_of(first)
            if zone_found is not None and (zone != zone_found or len(found) >= ROWS_COMPARED):
                break
            if (zones is not None and zone not in zones) or (within is not None and first not in within):
                continue
            if place := self._best_in_row(states, first, end, quantity):
                found.append(place)
                zone_found = zone
        return min(found)[1] if found else None

    def _best_in_row(
        self, states: bytearray, first: int, end: int, quantity: int
    ) -> tuple[float, tuple[int, ...]] | None:
        if self._layout.is_standing(first):
            places = tuple(islice(_each_free(states, first, end), quantity))
            return (float(self._layout.quality[first]), places) if len(places) == quantity else None
        if states.find(b"0" * quantity, first, end) == -1:
            return None
        return min(
            (self._score(begin, quantity, run.start(), run.end()), tuple(range(begin, begin + quantity)))
            for run in _FREE.finditer(states, first, end)
            for begin in range(run.start(), run.end() - quantity + 1)
        )

    def _score(self, begin: int, quantity: int, run_start: int, run_end: int) -> float:
        orphans = (begin - run_start == 1) + (run_end - begin - quantity == 1)
        return sum(self._layout.quality[begin : begin + quantity]) / quantity + orphans * ORPHAN_COST_CM


def _each_free(states: bytearray, first: int, end: int) -> Iterator[int]:
    for run in _FREE.finditer(states, first, end):
        yield from range(run.start(), run.end())

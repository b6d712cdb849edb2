"""The best seats together: pure. Side by side in one row, near the focus, leaving no single seat where avoidable.

Rows are looked at best first (price zone, then distance); among the first few that have room, each possible place is
scored by the mean distance of its seats in centimetres plus a price for every single seat it would leave alone.

Many ask of one picture, and of one picture seats only ever go. So what was found of a row holds until a seat of it
goes, and a row once without room is never looked at again: an ask costs as much as the few rows it compares.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Set
from itertools import accumulate, pairwise

from onsale.catalog import Layout

# Leaving one seat alone costs as much as sitting this much further away: about five rows.
ORPHAN_COST_CM = 400
# Rows compared before one is chosen. Rows come in order of distance, so the best place is among the first few.
ROWS_COMPARED = 6

Place = tuple[float, tuple[int, ...]]
"""Its score, smaller is better, and its seat numbers, ascending."""

_FREE = re.compile(rb"0+")


class Choices:
    """The seats of one picture that are still to choose from, and what asks have found out about their rows.

    `states` has one ASCII digit a seat; only "0" is free to take. Rows are counted best first, as the Finder does.
    """

    __slots__ = ("places", "rows_left", "states")

    def __init__(self, states: bytearray) -> None:
        self.states = states
        self.rows_left: dict[tuple[int, range | None], list[int]] = {}
        """Rows that may have room for so many seats, in a section or anywhere; those without fall out."""
        self.places: dict[int, dict[int, Place | None]] = {}
        """Per quantity, the best place of a row as it is now."""


class Finder:
    """Finds places on one layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._starts = starts = layout.row_starts
        quality = layout.quality
        rows = sorted((layout.zone_of(first), min(quality[first:end]), first, end) for first, end in pairwise(starts))
        self._rows = [(first, end) for _, _, first, end in rows]
        self._zones = [zone for zone, *_ in rows]
        self._standing = [layout.is_standing(first) for first, _ in self._rows]
        self._number = {first: number for number, (first, _) in enumerate(self._rows)}
        self.kept_back = [seat_no for seat_no in range(layout.seats) if layout.is_accessible(seat_no)]
        """Seats for wheelchair users and their companions: chosen by hand, never by "best"."""

    def choosable(self, states: bytes) -> Choices:
        """What there is to choose from: all that is free but the seats kept back."""
        choices = bytearray(states)
        for seat_no in self.kept_back:
            choices[seat_no] = ord("3")
        return Choices(choices)

    def take(self, choices: Choices, seats: Iterable[int]) -> None:
        """They are somebody's now: whoever asks next looks elsewhere."""
        for seat_no in seats:
            choices.states[seat_no] = ord("1")
            row = self._number[self._starts[bisect_right(self._starts, seat_no) - 1]]
            for places in choices.places.values():
                places.pop(row, None)

    def find(
        self, choices: Choices, quantity: int, zones: Set[int] | None = None, within: range | None = None
    ) -> tuple[int, ...] | None:
        """Seat numbers, ascending, or None. `zones` and `within` narrow the search to price zones and a section."""
        rows = choices.rows_left.get((quantity, within))
        if rows is None:
            rows = choices.rows_left[quantity, within] = self._rows_of(within)
        at = 0
        while at < len(rows):  # A zone at a time: a better one with room is never passed over.
            zone = self._zones[rows[at]]
            wanted = zones is None or zone in zones
            if wanted and (found := self._first_with_room(choices, quantity, rows, at, zone)):
                return min(found)[1]
            at = bisect_right(rows, zone, key=self._zones.__getitem__)
        return None

    def _rows_of(self, within: range | None) -> list[int]:
        if within is None:
            return list(range(len(self._rows)))
        first, end = bisect_left(self._starts, within.start), bisect_left(self._starts, within.stop)
        return sorted(self._number[start] for start in self._starts[first:end])

    def _first_with_room(self, choices: Choices, quantity: int, rows: list[int], begin: int, zone: int) -> list[Place]:
        """The best place of each of the zone's first rows, from `begin` on. Rows without room fall out of `rows`."""
        found: list[Place] = []
        kept: list[int] = []
        at = begin
        while at < len(rows) and self._zones[rows[at]] == zone and len(found) < ROWS_COMPARED:
            if place := self._known_place(choices, quantity, rows[at]):
                found.append(place)
                kept.append(rows[at])
            at += 1
        rows[begin:at] = kept
        return found

    def _known_place(self, choices: Choices, quantity: int, row: int) -> Place | None:
        places = choices.places.setdefault(quantity, {})
        if row not in places:
            places[row] = self._best_in_row(choices.states, row, quantity)
        return places[row]

    def _best_in_row(self, states: bytearray, row: int, quantity: int) -> Place | None:
        first, end = self._rows[row]
        if self._standing[row]:
            seats = _first_free(states, first, end, quantity)
            return (float(self._layout.quality[first]), seats) if len(seats) == quantity else None
        if states.find(b"0" * quantity, first, end) == -1:
            return None
        score, begin = min(
            self._best_in_run(run.start(), run.end(), quantity)
            for run in _FREE.finditer(states, first, end)
            if run.end() - run.start() >= quantity
        )
        return score, tuple(range(begin, begin + quantity))

    def _best_in_run(self, first: int, end: int, quantity: int) -> tuple[float, int]:
        """Score and first seat of the best place among free seats side by side."""
        # Distances added up from the run's first seat: the sum of some side by side is one difference.
        sums = list(accumulate(self._layout.quality[first:end], initial=0))
        last = end - first - quantity
        return min(
            ((sums[at + quantity] - sums[at]) / quantity + ORPHAN_COST_CM * ((at == 1) + (at == last - 1)), first + at)
            for at in range(last + 1)
        )


def _first_free(states: bytearray, first: int, end: int, quantity: int) -> tuple[int, ...]:
    """The first free places of a standing area, at most so many."""
    found: list[int] = []
    at = states.find(b"0", first, end)
    while at != -1 and len(found) < quantity:
        found.append(at)
        at = states.find(b"0", at + 1, end)
    return tuple(found)

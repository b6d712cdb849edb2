"""Places in a line, and how many people stand ahead. Pure: no I/O, no clock."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from msgspec import Struct

from onsale.kit.ids import PersonKey, ShardId
from onsale.limits import POLL_MAX_S, POLL_MIN_S, POLL_S_PER_PERSON

PROVISIONAL = 0
"""The epoch of places given while Redis was away: earlier than any, so whoever comes back with one is taken in."""


class Place(Struct, frozen=True):
    """A person's spot in the line of an event. Of two places of one person the lower number is theirs."""

    shard_id: ShardId
    person: PersonKey
    number: int
    epoch: int


class Ask(Struct, frozen=True):
    """One person at the line. `shown` is a place they say to have; `may_join`: without one they get a new one."""

    person: PersonKey
    shown: Place | None = None
    may_join: bool = True


@dataclass(frozen=True, slots=True)
class Handed:
    """What PostgreSQL has committed to: in this epoch Redis gives the numbers above `after`, up to `ceiling`."""

    epoch: int
    after: int
    ceiling: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers above `after`, up to `until`, that stand for nobody."""

    after: int
    until: int


class Board(Struct, frozen=True):
    """What is the same for everybody: whose turn it is, the last number given, and where nobody stands.

    `left` counts those who gave up their places, by blocks of LEFT_BLOCK numbers.
    """

    epoch: int
    serving: int
    given: int
    gaps: Sequence[Gap] = ()
    left: Sequence[tuple[int, int]] = ()

    @property
    def waiting(self) -> int:
        """People who have a number that has not been called."""
        return self.ahead_of(self.given + 1)

    def ahead_of(self, number: int) -> int:
        """People who stand before a number: exact but for those who left its own block, or the one at the front."""
        first, last = self.serving + 1, number - 1
        ahead = last - first + 1
        ahead -= sum(_common(gap.after + 1, gap.until, first, last) for gap in self.gaps)
        blocks = range(first // LEFT_BLOCK + 1, number // LEFT_BLOCK)
        ahead -= sum(count for block, count in self.left if block in blocks)
        return max(0, ahead)


LEFT_BLOCK = 4_096
"""As in lua/leave.lua."""


def _common(first: int, last: int, other_first: int, other_last: int) -> int:
    """How many numbers lie in both ranges."""
    return max(0, min(last, other_last) - max(first, other_first) + 1)


def poll_after_s(ahead: int) -> float:
    """When to look again: a few seconds near the front, a minute far back, where nothing can happen sooner."""
    return min(POLL_MAX_S, POLL_MIN_S + ahead * POLL_S_PER_PERSON)


def merged(gaps: Iterable[Gap]) -> tuple[Gap, ...]:
    """The same numbers in as few gaps as there can be, in order."""
    found: list[Gap] = []
    for gap in sorted(gaps, key=lambda gap: gap.after):
        if found and gap.after <= found[-1].until:
            found[-1] = Gap(found[-1].after, max(found[-1].until, gap.until))
        else:
            found.append(gap)
    return tuple(found)

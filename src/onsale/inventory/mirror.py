"""One process' copy of the map of a shard, kept in step by what Redis publishes. Pure: no I/O, no clock.

Redis puts all changes into one order, so the states at an (epoch, version) are the same in every process: that is what
lets a viewer resume anywhere. A mirror therefore takes even its own process' changes only when they come back.

The wire forms are those of the scripts in `lua/`: little-endian; a seat's `word` has its state in the lowest two bits
and above them the whole second in which a hold ends, counted from 2020.
"""

import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from struct import Struct

from onsale import limits
from onsale.inventory.model import SeatState
from onsale.kit.ids import PersonKey

HEAD = Struct("<8sQI")
STEP = Struct("<8sQQ")
CHANGE = Struct("<4I")
SECONDS_FROM = datetime(2020, 1, 1, tzinfo=UTC)
"""Thirty bits of seconds from here end in 2054."""

_SECONDS_FROM_UNIX_S = int(SECONDS_FROM.timestamp())

_DIGIT_OF_BYTE = bytes(ord("0") + (byte & 3) for byte in range(256))
_DIGITS = b"0123"


@dataclass(frozen=True, slots=True)
class Delta:
    """One step of a map. `seats` are (seat_no, state) of those that look different now, none after an extension."""

    before: int
    version: int
    seats: tuple[tuple[int, int], ...]


Hear = Callable[[Delta | None], None]
"""Told each step in order; None: the steps do not go on from here, take a fresh picture."""


def seconds(moment: datetime) -> int:
    """The map's whole second, rounded down."""
    return int((moment - SECONDS_FROM).total_seconds())


def second_at(unix_s: float) -> int:
    """The same of a time in seconds since 1970: what the clock says is not made a datetime for every ask."""
    return int(unix_s) - _SECONDS_FROM_UNIX_S


def word_of(state: SeatState, until: datetime | None) -> int:
    """`until` counts for held seats only."""
    return int(state) | (seconds(until) << 2 if until is not None and state is SeatState.HELD else 0)


def tag_of(person: PersonKey) -> int:
    """The low 32 bits of the person's key. Two persons may share one: the map then asks PostgreSQL once more."""
    return person.int & 0xFFFFFFFF


class Mirror:
    """In step or not; `hear` and `load` say to `say` what a viewer has to know."""

    def __init__(self, say: Hear) -> None:
        self.epoch = b""
        self.version = 0
        self.states = bytearray()
        self.in_step = False
        self._say = say
        self._words = _ints(b"")
        self._tags = _ints(b"")
        self._steps: deque[Delta] = deque()
        self._seats_in_steps = 0
        self._held_back: list[bytes] | None = None
        self._freed: dict[int, int] = {}

    def begin(self) -> None:
        """A load begins: what is heard from now on waits for it. What was heard before is in what will be loaded."""
        self.in_step = False
        self._held_back = []

    def lose(self) -> None:
        """Messages may have been missed."""
        self.in_step = False
        self._held_back = None

    def load(self, body: bytes) -> bool:
        """Take over the whole map, then what was heard meanwhile. False when that leaves a gap: load again."""
        if self._held_back is None:
            return False
        epoch, version, seats = HEAD.unpack_from(body)
        fields = _ints(body[HEAD.size :])
        assert len(fields) == 3 * seats
        words = fields[1::3]
        states = bytearray(_bytes_of(words)[::4].translate(_DIGIT_OF_BYTE))
        self._words, self._tags = words, fields[2::3]
        self._freed = {
            seat: number for seat, number in self._freed.items() if seat < seats and fields[3 * seat] < number
        }
        known, self.states = self.states, states
        if epoch == self.epoch and version >= self.version and len(known) == seats:
            # What was missed, as one step: who watches goes on.
            if version > self.version:
                self._step(version, differing(known, states))
        else:
            self.epoch, self.version = epoch, version
            self._steps.clear()
            self._seats_in_steps = 0
            self._say(None)
        heard, self._held_back = self._held_back, None
        self.in_step = True
        for message in heard:
            self.hear(message)
        return self.in_step

    def hear(self, message: bytes) -> None:
        """One message of the map's channel; an empty one says that the map is gone."""
        if self._held_back is not None:
            self._held_back.append(message)
            if len(self._held_back) > limits.MAP_HELD_BACK_MAX:
                self.lose()
            return
        if not self.in_step:
            return
        if len(message) < STEP.size:
            self.lose()
            return
        epoch, before, after = STEP.unpack_from(message)
        if epoch == self.epoch and after <= self.version:
            return
        if epoch != self.epoch or before != self.version:
            self.lose()
            return
        self._apply(after, message)

    def _apply(self, version: int, message: bytes) -> None:
        words, tags, states, freed = self._words, self._tags, self.states, self._freed
        seen = []
        for seat_no, change_no, word, tag in CHANGE.iter_unpack(memoryview(message)[STEP.size :]):
            words[seat_no] = word
            tags[seat_no] = tag
            if freed and freed.get(seat_no, change_no + 1) <= change_no:
                del freed[seat_no]
            digit = _DIGITS[word & 3]
            if states[seat_no] != digit:
                states[seat_no] = digit
                seen.append((seat_no, word & 3))
        self._step(version, tuple(seen))

    def _step(self, version: int, seats: tuple[tuple[int, int], ...]) -> None:
        delta = Delta(self.version, version, seats)
        self.version = version
        self._steps.append(delta)
        self._seats_in_steps += len(seats)
        while len(self._steps) > limits.MAP_STEPS_MAX or self._seats_in_steps > limits.MAP_STEPS_SEATS_MAX:
            self._seats_in_steps -= len(self._steps.popleft().seats)
        self._say(delta)

    def free(self, seat_no: int, change_no: int) -> None:
        """This process has just freed the seat: whoever wants it is not refused until that has come back."""
        self._freed[seat_no] = max(change_no, self._freed.get(seat_no, 0))

    def since(self, epoch: bytes, version: int) -> list[Delta] | None:
        """The steps from a version on; None when they are not kept, or it is not a version of this epoch."""
        if epoch != self.epoch:
            return None
        if version == self.version:
            return []
        steps: list[Delta] = []
        for step in reversed(self._steps):
            steps.append(step)
            if step.before == version:
                return steps[::-1]
        return None

    def taken(self, seats: Iterable[int], mine: int, later_than: int) -> tuple[int, ...]:
        """Which of the seats are taken for sure; none where PostgreSQL has to be asked.

        `mine` is the asker's tag: one of these seats may be theirs, and the request one repeated. Holds that end no
        later than the second `later_than` are in doubt.
        """
        words, tags, freed = self._words, self._tags, self._freed
        count = len(words)
        found = []
        for seat_no in seats:
            if seat_no >= count:
                return ()
            word = words[seat_no]
            state = word & 3
            if state and seat_no not in freed:
                if tags[seat_no] == mine:
                    return ()
                if state != SeatState.HELD or word >> 2 > later_than:
                    found.append(seat_no)
        return tuple(found)


def differing(before: Sequence[int], now: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """(seat_no, state) of the seats that look different now, in two pictures of one digit a seat."""
    pairs = enumerate(zip(before, now, strict=True))
    return tuple((seat_no, digit & 3) for seat_no, (old, digit) in pairs if digit != old)


def pack_changes(changes: Iterable[tuple[int, int, int, int]]) -> bytes:
    """(seat_no, change_no, word, tag) of each, as `tell.lua` takes them."""
    return b"".join(CHANGE.pack(*change) for change in changes)


def pack_map(epoch: bytes, seats: bytes, version: int) -> bytes:
    """A new map. `seats` as PostgreSQL sends them: change_no, word and tag of each seat, big-endian."""
    fields = array("I", seats)
    if sys.byteorder == "little":
        fields.byteswap()
    return HEAD.pack(epoch, version, len(fields) // 3) + _bytes_of(fields)


def _ints(body: bytes) -> "array[int]":
    """An array of 32-bit numbers from their little-endian form."""
    found = array("I")
    assert found.itemsize == 4
    found.frombytes(body)
    if sys.byteorder != "little":
        found.byteswap()
    return found


def _bytes_of(numbers: "array[int]") -> bytes:
    """The little-endian form."""
    if sys.byteorder == "little":
        return numbers.tobytes()
    swapped = array("I", numbers)
    swapped.byteswap()
    return swapped.tobytes()

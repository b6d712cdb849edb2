"""What a soak's clients were told, held against the tables: no seat twice, nothing lost, nobody refused falsely.

Pure, and made for ten million answers: what is kept of each lies in arrays.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

import msgspec

# A refusal may rest on what another process knew a moment ago (decision 11): so late while all live, and after a fault.
LATE_S = 0.1
LATE_AFTER_FAULT_S = 2.0
# How long after a fault the house may still be finding its feet.
FAULT_ECHO_S = 15.0
EXAMPLES_MAX = 10


class HoldRow(msgspec.Struct, frozen=True):
    """A hold as the table has it: from when until when its seats were kept, in seconds since 1970."""

    hold_id: int
    event: int
    seats: tuple[int, ...]
    begins_s: float
    ends_s: float


class Answers:
    """What clients heard: holds they were given, and refusals that named taken seats."""

    def __init__(self) -> None:
        self.held_ids = array("q")
        self.held_first, self.held_count = array("i"), array("b")
        self.refused_event = array("i")
        self.refused_seat = array("i")
        self.refused_sent_s, self.refused_answered_s = array("d"), array("d")

    def held(self, hold_id: int, seats: Sequence[int]) -> None:
        """A 201: neighbouring seats, from the first on."""
        self.held_ids.append(hold_id)
        self.held_first.append(seats[0])
        self.held_count.append(len(seats))

    def refused(self, event: int, seat: int, sent_s: float, answered_s: float) -> None:
        """A 409: this seat was named as taken."""
        self.refused_event.append(event)
        self.refused_seat.append(seat)
        self.refused_sent_s.append(sent_s)
        self.refused_answered_s.append(answered_s)


class Evidence(msgspec.Struct, frozen=True):
    """Counts of what was looked at and what was wrong; a few examples of the latter."""

    holds: int
    answered_holds: int
    refusals: int
    double: int
    lost: int
    falsely_refused: int
    examples: list[str]

    @property
    def good(self) -> bool:
        return not (self.double or self.lost or self.falsely_refused)


class _Seats:
    """Per seat: when it was kept, in order."""

    def __init__(self) -> None:
        self.begins: dict[tuple[int, int], list[float]] = {}
        self.ends: dict[tuple[int, int], list[float]] = {}
        self.double: list[str] = []

    def keep(self, row: HoldRow) -> None:
        """Rows come in the order in which they begin; one that begins before the last has ended holds a seat twice."""
        for seat in row.seats:
            key = row.event, seat
            begins, ends = self.begins.setdefault(key, []), self.ends.setdefault(key, [])
            if ends and row.begins_s < ends[-1]:
                self.double.append(
                    f"event {row.event} seat {seat}: hold {row.hold_id} began {ends[-1] - row.begins_s:.3f} s early"
                )
            begins.append(row.begins_s)
            ends.append(row.ends_s)

    def was_kept(self, event: int, seat: int, from_s: float, until_s: float) -> bool:
        """Whether somebody had it at any moment between."""
        begins, ends = self.begins.get((event, seat)), self.ends.get((event, seat))
        if begins is None or ends is None:
            return False
        # The last one that began by `until_s` ends latest of all that did.
        last = bisect_right(begins, until_s) - 1
        return last >= 0 and ends[last] >= from_s


def judge(answers: Answers, rows: Iterable[HoldRow], faults_s: Sequence[float]) -> Evidence:
    """`rows` are all holds of the run in the order in which they began; `faults_s` when faults struck, ascending."""
    seats, known = _Seats(), {}
    count = 0
    for row in rows:
        count += 1
        seats.keep(row)
        known[row.hold_id] = (row.seats[0], len(row.seats))
    lost = [
        f"hold {hold_id} was answered and is not in the table as it was answered"
        for hold_id, first, size in zip(answers.held_ids, answers.held_first, answers.held_count, strict=True)
        if known.get(hold_id) != (first, size)
    ]
    false = [
        f"event {event} seat {seat} was refused at {answered_s:.3f}, and nobody had it"
        for event, seat, sent_s, answered_s in zip(
            answers.refused_event, answers.refused_seat, answers.refused_sent_s, answers.refused_answered_s, strict=True
        )
        if not seats.was_kept(event, seat, sent_s - _late_s(sent_s, faults_s), answered_s)
    ]
    return Evidence(
        holds=count,
        answered_holds=len(answers.held_ids),
        refusals=len(answers.refused_seat),
        double=len(seats.double),
        lost=len(lost),
        falsely_refused=len(false),
        examples=[*seats.double[:EXAMPLES_MAX], *lost[:EXAMPLES_MAX], *false[:EXAMPLES_MAX]],
    )


def _late_s(at_s: float, faults_s: Sequence[float]) -> float:
    """How long before it a refusal may have been true for the last time."""
    last = bisect_left(faults_s, at_s) - 1
    return LATE_AFTER_FAULT_S if last >= 0 and at_s - faults_s[last] < FAULT_ECHO_S else LATE_S

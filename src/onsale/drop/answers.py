"""What clients were answered, packed: ten million rows of an on-sale fit beside the sale itself.

A row is 22 bytes, 4 for each seat, and 16 more where a hold is named. Times are microseconds since 1970 on the clock of
the machine that the database runs on, too: what a client heard is held against deadlines and facts.
"""

import uuid
from array import array
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path

from msgspec import Struct

# 63 of a person's bits, so that one fits in a machine word; a million persons share them with probability 5e-8.
_PERSON_BITS = (1 << 63) - 1


class Verb(IntEnum):
    HOLD = 0
    EXTEND = 1
    CONFIRM = 2
    RELEASE = 3
    RETURN = 4  # Seats that were sold come back on sale.
    TEND = 5  # What no fan asks for: block, unblock, sweep.


class Heard(IntEnum):
    DONE = 0
    TAKEN = 1  # The refusal `seats_taken`: somebody else has one of them.
    REFUSED = 2  # Any other refusal: nothing was changed.
    UNKNOWN = 3  # No answer, or one after which it may have been done all the same: the client cannot know.


class Answer(Struct, frozen=True):
    """One row. `seats` are those wanted or held; `until_us` the deadline that was promised, 0 for none."""

    sent_us: int
    answered_us: int
    person: int
    verb: Verb
    heard: Heard
    seats: tuple[int, ...] = ()
    hold_id: int = 0
    until_us: int = 0


def person_word(person: uuid.UUID) -> int:
    """A person as the log names them."""
    return person.int & _PERSON_BITS


class AnswerLog:
    """Rows in the order they were added; which that is does not matter."""

    def __init__(self) -> None:
        self._sent = array("q")
        self._took = array("I")
        self._persons = array("q")
        self._kinds = array("B")
        self._counts = array("B")
        self._seats = array("i")
        self._holds = array("q")
        self._untils = array("q")

    @property
    def _columns(self) -> "tuple[array[int], ...]":
        return (
            self._sent,
            self._took,
            self._persons,
            self._kinds,
            self._counts,
            self._seats,
            self._holds,
            self._untils,
        )

    def __len__(self) -> int:
        return len(self._sent)

    def add(
        self,
        sent_us: int,
        answered_us: int,
        person: uuid.UUID,
        verb: Verb,
        heard: Heard,
        *,
        seats: Sequence[int] = (),
        hold_id: int = 0,
        until_us: int = 0,
    ) -> None:
        """Write down what a client heard. Of an ask for the best seats that was refused, `seats` stay empty."""
        self._sent.append(sent_us)
        self._took.append(max(0, answered_us - sent_us))
        self._persons.append(person_word(person))
        self._kinds.append(verb * len(Heard) * 2 + heard * 2 + bool(hold_id))
        self._counts.append(len(seats))
        self._seats.extend(seats)
        if hold_id:
            self._holds.append(hold_id)
            self._untils.append(until_us)

    def extend(self, other: "AnswerLog") -> None:
        """Take in the rows of another log, as of another process."""
        for mine, theirs in zip(self._columns, other._columns, strict=True):
            mine.extend(theirs)

    def __iter__(self) -> Iterator[Answer]:
        seats_at = holds_at = 0
        for sent_us, took_us, person, kind, count in zip(
            self._sent, self._took, self._persons, self._kinds, self._counts, strict=True
        ):
            verb, heard = divmod(kind >> 1, len(Heard))
            seats = tuple(self._seats[seats_at : seats_at + count])
            seats_at += count
            hold_id = until_us = 0
            if kind & 1:
                hold_id, until_us = self._holds[holds_at], self._untils[holds_at]
                holds_at += 1
            yield Answer(sent_us, sent_us + took_us, person, Verb(verb), Heard(heard), seats, hold_id, until_us)

    def save(self, path: Path) -> None:
        """Write it to a file that `load` reads on a machine of the same kind."""
        with path.open("wb") as file:
            array("q", map(len, self._columns)).tofile(file)
            for column in self._columns:
                column.tofile(file)

    @classmethod
    def load(cls, path: Path) -> "AnswerLog":
        made = cls()
        with path.open("rb") as file:
            lengths = array("q")
            lengths.fromfile(file, len(made._columns))
            for column, length in zip(made._columns, lengths, strict=True):
                column.fromfile(file, length)
        return made

"""What happens in a simulation, drawn from one seed: which faults when, and what each fan does next.

The same seed gives the same plan. How the processes interleave is theirs to decide, so a fault that was found once may
need several runs of its seed to be seen again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from tests.simulation.process import AFTER_COMMIT, BEFORE_COMMIT

FIRST_FAULT_S = 1.0
BETWEEN_FAULTS_S = (0.7, 1.7)
QUIET_AT_THE_END_S = 1.5
STILL_S = (0.3, 2.0)
SEATS = 20
"""The first so many seats of the hall: few, so that everybody wants what somebody has."""


class Kind(StrEnum):
    DIES_BEFORE_COMMIT = BEFORE_COMMIT
    DIES_AFTER_COMMIT = AFTER_COMMIT
    KILLED = "killed"
    STANDS_STILL = "stands still"
    POSTGRES_RESTARTS = "PostgreSQL restarts"
    REDIS_FORGETS = "Redis forgets"


@dataclass(frozen=True)
class Fault:
    """`at_s` after the start; `who` is a process by its number, `lasts_s` how long one stands still."""

    at_s: float
    kind: Kind
    who: int
    lasts_s: float


def faults(dice: Random, seconds: float, processes: int) -> Iterator[Fault]:
    """Every kind before any a second time."""
    at_s, left = FIRST_FAULT_S, list[Kind]()
    while at_s < seconds - QUIET_AT_THE_END_S:
        if not left:
            left = dice.sample(list(Kind), len(Kind))
        yield Fault(at_s, left.pop(), dice.randrange(processes), dice.uniform(*STILL_S))
        at_s += dice.uniform(*BETWEEN_FAULTS_S)


def wish(dice: Random) -> dict[str, object]:
    """Some seats, mostly beside each other as people want them, or the best together."""
    count = dice.choice((1, 1, 2, 2, 3, 4))
    if dice.random() < 0.1:
        return {"best": count}
    first = dice.randrange(SEATS - count + 1)
    seats = range(first, first + count) if dice.random() < 0.7 else dice.sample(range(SEATS), count)
    return {"seats": list(seats)}

"""Chance for generated venues: the same seed and question always give the same answer, whatever else was
asked before.

Named draws instead of a stream of random numbers, so that adding a question to one kind of venue changes no
other venue.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dice:
    """Answers drawn from a seed."""

    seed: int

    def between(self, what: str, low: float, high: float) -> float:
        """A number in [low, high) for the question `what`."""
        digest = hashlib.blake2b(f"{self.seed}/{what}".encode(), digest_size=7).digest()
        return low + (high - low) * int.from_bytes(digest, "big") / 2**56

    def choice(self, what: str, options: Sequence[T]) -> T:
        """One of the options for the question `what`."""
        return options[int(self.between(what, 0, len(options)))]

"""The queue of a coalescer: who waits, lane by lane. Nothing in it costs more the longer it is."""

import asyncio
from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")


@dataclass(slots=True)
class Waiting(Generic[Ask, Answer]):
    """An ask that came at `since`, in monotonic seconds. Its future is done once it is answered or its client gone."""

    ask: Ask
    lane: Hashable
    since: float
    future: asyncio.Future[Answer]


class Queue(Generic[Ask, Answer]):
    """Who waits. One of each lane stands in front; the others of its lane stand behind it, out of everybody's way."""

    def __init__(self, lane_max: int | None) -> None:
        """`lane_max` None: there are no lanes."""
        self._lane_max = lane_max
        self._size = 0
        self._front: deque[Waiting[Ask, Answer]] = deque()
        # A lane is in here while one of it stands in front. Most have nobody behind it, and need no queue for that.
        self._behind: dict[Hashable, deque[Waiting[Ask, Answer]] | None] = {}

    def __len__(self) -> int:
        return self._size

    def lane_is_full(self, lane: Hashable) -> bool:
        if self._lane_max is None or lane not in self._behind:
            return False
        behind = self._behind[lane] or deque()
        if len(behind) + 1 >= self._lane_max:  # Only now is it worth while to see who of them has gone.
            staying = deque(waiting for waiting in behind if not waiting.future.done())
            self._size -= len(behind) - len(staying)
            self._behind[lane] = behind = staying
        return len(behind) + 1 >= self._lane_max

    def add(self, waiting: Waiting[Ask, Answer]) -> None:
        self._size += 1
        if self._lane_max is None:
            self._front.append(waiting)
        elif waiting.lane not in self._behind:
            self._behind[waiting.lane] = None
            self._front.append(waiting)
        elif behind := self._behind[waiting.lane]:
            behind.append(waiting)
        else:
            self._behind[waiting.lane] = deque([waiting])

    def pop(self) -> Waiting[Ask, Answer] | None:
        """The first of all. Its lane stands still until `let_next_up`."""
        if not self._front:
            return None
        self._size -= 1
        return self._front.popleft()

    def let_next_up(self, lane: Hashable) -> None:
        """The next of the lane comes to the front, behind those who are there: they have asked for less."""
        if self._lane_max is None:
            return
        if behind := self._behind[lane]:
            self._front.append(behind.popleft())
        else:
            del self._behind[lane]

    def __iter__(self) -> Iterator[Waiting[Ask, Answer]]:
        yield from self._front
        for behind in self._behind.values():
            yield from behind or ()

    def empty(self) -> list[Waiting[Ask, Answer]]:
        """Everybody who stood in it; now nobody does."""
        left = list(self)
        self._front.clear()
        self._behind.clear()
        self._size = 0
        return left

"""Requests that arrive while a round trip is under way wait for the next one and travel together.

An idle system adds no delay; a busy one pays for one commit per batch. Used by every hot verb.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from copy import copy
from typing import Generic, TypeVar

from onsale.kit import tasks, telemetry
from onsale.kit.problems import InternalError, Overloaded

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

batch_size = telemetry.histogram(
    "onsale_batch_size", "Requests that travelled in one round trip.", ["batch"], telemetry.BATCH_BUCKETS
)
batch_shed = telemetry.counter(
    "onsale_batch_shed_total", "Requests refused because the queue of a batch was full.", ["batch"]
)


class Coalescer(Generic[Ask, Answer]):
    """Collects asks and answers them batch by batch, one batch under way at a time.

    `run` answers a whole batch, in order: an Answer, or an exception for that one ask. If `run` itself raises, every
    ask of the batch gets what it raised.
    Asks of one lane (`lane_of`) travel one at a time in the order they came, and stand in nobody else's way; `lane_max`
    of them may wait. An exception in `hopeless` is heard by all who wait, not by its batch alone: the next batch could
    only find the same, later.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer | Exception]]],
        *,
        name: str,
        batch_max: int,
        queue_max: int,
        lane_of: Callable[[Ask], Hashable] | None = None,
        lane_max: int = 1,
        hopeless: tuple[type[Exception], ...] = (),
    ) -> None:
        self._run = run
        self._name = name
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._lane_of = lane_of
        self._lane_max = lane_max
        self._hopeless = hopeless
        self._waiting: deque[tuple[Ask, asyncio.Future[Answer]]] = deque()
        self._lanes: Counter[Hashable] = Counter()
        self._runner: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self._runner is None

    async def ask(self, ask: Ask) -> Answer:
        """The answer to one ask. Raises Overloaded at once when the queue, or the ask's lane, is full."""
        lane = self._lane_of(ask) if self._lane_of else None
        if len(self._waiting) >= self._queue_max or (self._lane_of and self._lanes[lane] >= self._lane_max):
            batch_shed.labels(self._name).inc()
            raise Overloaded
        self._lanes[lane] += 1
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((ask, future))
        if self._runner is None:
            self._runner = tasks.spawn(self._drain(), name=f"coalesce {self._name}")
        return await future

    async def _drain(self) -> None:
        try:
            while batch := self._next_batch():
                batch_size.labels(self._name).observe(len(batch))
                await self._answer(batch)
        finally:
            self._runner = None
            self._lanes.clear()
            for _, future in self._waiting:  # Only if we were cancelled: nobody may wait for ever.
                future.cancel()
            self._waiting.clear()

    def _next_batch(self) -> list[tuple[Ask, asyncio.Future[Answer]]]:
        """Take the asks that travel now. A client that has gone is skipped: its work would be for nobody."""
        batch: list[tuple[Ask, asyncio.Future[Answer]]] = []
        rest: deque[tuple[Ask, asyncio.Future[Answer]]] = deque()
        travelling: set[Hashable] = set()
        self._lanes.clear()
        for ask, future in self._waiting:
            if future.done():
                continue
            lane = self._lane_of(ask) if self._lane_of else future
            if len(batch) < self._batch_max and lane not in travelling:
                batch.append((ask, future))
                travelling.add(lane)
            else:
                rest.append((ask, future))
                self._lanes[lane] += 1
        self._waiting = rest
        return batch

    async def _answer(self, batch: list[tuple[Ask, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._run([ask for ask, _ in batch])
            assert len(answers) == len(batch), "a batch answers each of its asks"
        except Exception as error:  # noqa: BLE001 - whatever it was, each of them must hear of it
            heard_by = batch
            if isinstance(error, self._hopeless):
                heard_by = [*batch, *self._waiting]
                self._waiting.clear()
            for _, future in heard_by:
                if not future.done():
                    future.set_exception(_own_copy(error))
            return
        except BaseException:  # Cancelled: the process is going down, and nobody may wait for ever.
            for _, future in batch:
                future.cancel()
            raise
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


def _own_copy(error: Exception) -> Exception:
    """One exception object raised in many tasks would pile up their tracebacks. What it carries goes along."""
    try:
        own = copy(error)
    except Exception:  # noqa: BLE001 - an exception that cannot be copied is a bug's, and may raise anything
        own = InternalError()
    own.__cause__ = error
    return own

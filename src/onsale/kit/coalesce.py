"""Requests that arrive while a round trip is under way wait for the next one and travel together.

An idle system adds no delay; a busy one pays for one commit per batch. Used by every hot verb.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
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
    `choose` says, for a list of waiting asks, which of them may travel together now (indices, ascending, never empty);
    the others wait for the next batch in the order they came. Without it, all do.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer | Exception]]],
        *,
        name: str,
        batch_max: int,
        queue_max: int,
        choose: Callable[[Sequence[Ask]], Sequence[int]] | None = None,
    ) -> None:
        self._run = run
        self._name = name
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._choose = choose
        self._waiting: deque[tuple[Ask, asyncio.Future[Answer]]] = deque()
        self._runner: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        return self._runner is None

    async def ask(self, ask: Ask) -> Answer:
        """The answer to one ask. Raises Overloaded at once when the queue is full."""
        if len(self._waiting) >= self._queue_max:
            batch_shed.labels(self._name).inc()
            raise Overloaded
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
        except Exception as error:  # A bug in `choose`: who waits must hear of it, and the task's death is logged.
            for _, future in self._waiting:
                if not future.done():
                    future.set_exception(_own_copy(error))
            raise
        finally:
            self._runner = None
            for _, future in self._waiting:  # Only if we were cancelled: nobody may wait for ever.
                future.cancel()
            self._waiting.clear()

    def _next_batch(self) -> list[tuple[Ask, asyncio.Future[Answer]]]:
        """Take the asks that travel now. A client that has gone is skipped: its work would be for nobody."""
        alive = deque(entry for entry in self._waiting if not entry[1].done())
        head = [alive.popleft() for _ in range(min(self._batch_max, len(alive)))]
        if head and self._choose is not None:
            chosen = set(self._choose([ask for ask, _ in head]))
            assert chosen, "choose must let somebody travel, or the queue stands still"
            alive.extendleft(entry for index, entry in reversed(list(enumerate(head))) if index not in chosen)
            head = [entry for index, entry in enumerate(head) if index in chosen]
        self._waiting = alive
        return head

    async def _answer(self, batch: list[tuple[Ask, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._run([ask for ask, _ in batch])
            assert len(answers) == len(batch), "a batch answers each of its asks"
        except Exception as error:  # noqa: BLE001 - whatever it was, each of them must hear of it
            for _, future in batch:
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

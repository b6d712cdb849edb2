"""Requests that arrive while a round trip is under way wait for the next one and travel together.

An idle system adds no delay; a busy one pays for one commit per batch, and may be paced: few large batches cost less
than many small ones. Used by every hot verb.
"""

import asyncio
import math
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from typing import Generic, TypeVar

from onsale import limits
from onsale.kit import chance, clock, tasks, telemetry
from onsale.kit.problems import InternalError, Overloaded, Unavailable
from onsale.kit.queue import Queue, Waiting

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")

batch_size = telemetry.histogram(
    "onsale_batch_size", "Requests that travelled in one round trip.", ["batch"], telemetry.BATCH_BUCKETS
)
batch_shed = telemetry.counter(
    "onsale_batch_shed_total", "Requests refused because the queue of a batch was full or too slow.", ["batch"]
)
batch_split = telemetry.counter(
    "onsale_batch_split_total", "Batches run in halves to find the request that made them fail.", ["batch"]
)

# How much the latest batch says about the next: a slow one is noticed at once and forgotten within a dozen.
_LATEST_SHARE = 0.2
# While a batch hangs, it is looked that often who behind it has waited too long: a quarter of what they may wait.
_LOOK_SHARE = 0.25


@dataclass(slots=True)
class _Tries:
    """How often a batch may still be run as it was, and until when."""

    left: int
    until: float


class Coalescer(Generic[Ask, Answer]):
    """Collects asks and answers them batch by batch, one batch under way at a time.

    `run` answers a whole batch, in order: an Answer, or an exception for that one ask. It is a transaction: when it
    raises, nothing has happened, or repeating it is harmless. Hence what is done when it raises:
    - One of `again`: the batch runs again after a short pause, `tries_max` times in all; no try begins later than
      `again_within_s` after the first. Then each ask gets what was raised.
    - Another Unavailable is no ask's doing: each gets it.
    - Anything else may be one ask's doing (a bug, a constraint, a value the driver cannot send): the batch is run in
      halves, and those again, in order, until the ask that fails alone gets what it raised, and its neighbours their
      answers. Past BATCH_POISONED_MAX of those it is nobody's doing either, and the rest gets Unavailable.
    An exception in `hopeless` is heard by all who wait, not by its batch alone: the next batch could only find the
    same, later.

    Asks of one lane (`lane_of`) travel one at a time in the order they came, and stand in nobody else's way: the next
    of them queues up when the one before it travels. `lane_max` of them may wait.
    `refuse` looks at each ask just before it travels; an exception it returns is the answer.
    Nobody waits longer than `wait_max_s` to travel (a quarter more while a batch hangs): who would is refused on
    arrival, who did where they stand.
    A client that has gone is skipped wherever it stands.
    After a batch of `busy_from` asks or more, the next leaves `pace_s` after it at the earliest, unless it is full.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Ask]], Awaitable[Sequence[Answer | Exception]]],
        *,
        name: str,
        batch_max: int,
        queue_max: int,
        wait_max_s: float = math.inf,
        lane_of: Callable[[Ask], Hashable] | None = None,
        lane_max: int = 1,
        refuse: Callable[[Ask], Exception | None] | None = None,
        again: tuple[type[Exception], ...] = (),
        tries_max: int = 1,
        again_within_s: float = math.inf,
        hopeless: tuple[type[Exception], ...] = (),
        pace_s: float = 0.0,
        busy_from: int = 1,
    ) -> None:
        self._run = run
        self._name = name
        self._batch_max = batch_max
        self._queue_max = queue_max
        self._wait_max_s = wait_max_s
        self._lane_of = lane_of
        self._refuse = refuse
        self._again = again
        self._tries_max = tries_max
        self._again_within_s = again_within_s
        self._hopeless = hopeless
        self._pace_s = pace_s
        self._busy_from = busy_from
        self._not_an_asks_doing = (*again, *hopeless, Unavailable)
        self._queue: Queue[Ask, Answer] = Queue(lane_max if lane_of else None)
        self._travelling: list[Waiting[Ask, Answer]] = []
        self._batch_took_s: float | None = None
        self._runner: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._shed = batch_shed.labels(name)
        self._sizes = batch_size.labels(name)

    @property
    def idle(self) -> bool:
        return self._runner is None

    async def ask(self, ask: Ask) -> Answer:
        """The answer to one ask. Raises Overloaded at once when the queue, or the ask's lane, is full or too slow."""
        lane = self._lane_of(ask) if self._lane_of else None
        if len(self._queue) >= self._queue_max or self._would_be_late() or self._queue.lane_is_full(lane):
            self._shed.inc()
            raise Overloaded
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.add(Waiting(ask, lane, clock.monotonic(), future))
        if self._runner is None:
            self._runner = tasks.spawn(self._drain(), name=f"coalesce {self._name}")
        try:
            return await future
        finally:
            # What it raises keeps this frame, and this frame the future that keeps what it raises: a circle for each
            # refusal, which only the collector of garbage could take away.
            del future

    def _would_be_late(self) -> bool:
        """Whether the batches ahead would take too long, by the time that batches took lately.

        By batches and not by answers a second: measured while it was quiet, those would turn away the start of a rush.
        Who fits into the next batch is always let in, so that there is always something to measure.
        """
        batches_ahead = len(self._queue) // self._batch_max
        return self._batch_took_s is not None and batches_ahead * self._batch_took_s > self._wait_max_s

    async def _drain(self) -> None:
        try:
            self._look_again()
            while batch := self._next_batch():
                self._travelling = batch
                self._sizes.observe(len(batch))
                began_at = clock.monotonic()
                await self._answer(batch)
                early_s = began_at + self._pace_s - clock.monotonic()
                if early_s > 0 and len(batch) >= self._busy_from and len(self._queue) < self._batch_max:
                    await clock.sleep(early_s)
                self._measure(clock.monotonic() - began_at)
        finally:
            self._runner = None
            self._batch_took_s = None  # What was slow before a pause says nothing about the rush after it.
            if self._watch:
                self._watch.cancel()
            for waiting in (*self._travelling, *self._queue.empty()):
                waiting.future.cancel()  # Only if we were cancelled is anybody left: nobody may wait for ever.
            self._travelling = []

    def _measure(self, took_s: float) -> None:
        before_s = took_s if self._batch_took_s is None else self._batch_took_s
        self._batch_took_s = before_s + _LATEST_SHARE * (took_s - before_s)

    def _next_batch(self) -> list[Waiting[Ask, Answer]]:
        """Take the asks that travel now, at the cost of those, however many wait."""
        batch: list[Waiting[Ask, Answer]] = []
        since_min = clock.monotonic() - self._wait_max_s
        while len(batch) < self._batch_max and (waiting := self._queue.pop()):
            if self._stays_behind(waiting, since_min):
                self._queue.let_next_up(waiting.lane)
            else:
                batch.append(waiting)
        for waiting in batch:
            self._queue.let_next_up(waiting.lane)
        return batch

    def _look_again(self) -> None:
        if self._wait_max_s < math.inf:
            self._watch = asyncio.get_running_loop().call_later(self._wait_max_s * _LOOK_SHARE, self._look_who_is_late)

    def _look_who_is_late(self) -> None:
        since_min = clock.monotonic() - self._wait_max_s
        for waiting in self._queue:
            if waiting.since < since_min and not waiting.future.done():
                self._turn_away(waiting)
        self._look_again()

    def _turn_away(self, waiting: Waiting[Ask, Answer]) -> None:
        self._shed.inc()
        waiting.future.set_exception(Overloaded())

    def _stays_behind(self, waiting: Waiting[Ask, Answer], since_min: float) -> bool:
        """Whether an ask does not travel: its client has gone, or it is refused here."""
        if waiting.future.done():
            return True
        if waiting.since < since_min:
            self._turn_away(waiting)
        elif self._refuse:
            try:
                refusal = self._refuse(waiting.ask)
            except Exception as error:  # noqa: BLE001 - what one ask brings out in there is not its neighbours' affair
                refusal = error
            if refusal is not None:
                waiting.future.set_exception(refusal)
        return waiting.future.done()

    async def _answer(self, batch: list[Waiting[Ask, Answer]]) -> None:
        tries = _Tries(self._tries_max, clock.monotonic() + self._again_within_s)
        error = await self._try(batch, tries)
        if error and len(batch) > 1 and not isinstance(error, self._not_an_asks_doing):
            error = await self._split(batch, error, tries)
        if error:
            heard_by = [*batch, *self._queue.empty()] if isinstance(error, self._hopeless) else batch
            _hear(error, heard_by)

    async def _try(self, part: list[Waiting[Ask, Answer]], tries: _Tries) -> Exception | None:
        """Run those who have not gone, again where that helps. What it raised in the end; None: they have answers."""
        while travelling := [waiting for waiting in part if not waiting.future.done()]:
            try:
                answers = await self._run([waiting.ask for waiting in travelling])
                assert len(answers) == len(travelling), "a batch answers each of its asks"
            except self._again as error:
                tries.left -= 1
                if tries.left < 1 or clock.monotonic() > tries.until:
                    return error
            except Exception as error:  # noqa: BLE001 - whatever it was, somebody must hear of it
                return error
            else:
                _hand_out(travelling, answers)
                return None
            # Rivals that met in a deadlock, or in the dark, shall not come back in step.
            await clock.sleep(chance.jitter(limits.BATCH_PAUSE_S, 1.0))
        return None

    async def _split(self, batch: list[Waiting[Ask, Answer]], error: Exception, tries: _Tries) -> Exception | None:
        """Run the batch in halves, and those again, so that only the asks that fail alone fail.

        What ended the search for those who have no answer yet; None: everybody has one. Finding one ask takes two runs
        for each halving.
        """
        batch_split.labels(self._name).inc()
        telemetry.log.error("batch_split", batch=self._name, asks=len(batch), error=repr(error))
        parts = deque(_halves(batch))
        poisoned = 0
        while parts:
            part = parts.popleft()
            fault = await self._try(part, tries)
            if fault is None:
                continue
            if isinstance(fault, self._not_an_asks_doing):
                return fault
            if len(part) > 1:
                parts.extendleft(reversed(_halves(part)))
                continue
            _hear(fault, part)
            poisoned += 1
            if poisoned == limits.BATCH_POISONED_MAX:
                return _caused(Unavailable(), fault)
        return None


def _halves(part: list[Waiting[Ask, Answer]]) -> tuple[list[Waiting[Ask, Answer]], list[Waiting[Ask, Answer]]]:
    middle = len(part) // 2
    return part[:middle], part[middle:]


def _hand_out(travelled: list[Waiting[Ask, Answer]], answers: Sequence[Answer | Exception]) -> None:
    for waiting, answer in zip(travelled, answers, strict=True):
        if waiting.future.done():
            continue
        if isinstance(answer, Exception):
            waiting.future.set_exception(answer)
        else:
            waiting.future.set_result(answer)


def _hear(error: Exception, heard_by: Iterable[Waiting[Ask, Answer]]) -> None:
    """Tell those who have no answer yet."""
    for waiting in heard_by:
        if not waiting.future.done():
            waiting.future.set_exception(own_copy(error))


def own_copy(error: Exception) -> Exception:
    """One exception object raised in many tasks would pile up their tracebacks. What it carries goes along."""
    try:
        return _caused(copy(error), error)
    except Exception:  # noqa: BLE001 - an exception that cannot be copied is a bug's, and may raise anything
        return _caused(InternalError(), error)


def _caused(error: Exception, by: Exception) -> Exception:
    error.__cause__ = by
    return error

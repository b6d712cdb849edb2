"""Batches of several shards that are ready at the same time travel in one transaction.

Where thousands of events are on sale, each has one or two requests at a time, and a transaction for each of them costs
more than what is done in it. `kit/coalesce` collects the requests of one shard; here its batches wait for the next
transaction. Shards share nothing else: each keeps its own queue, bounds and second tries, and one in trouble is parted
from the rest.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from onsale import limits
from onsale.kit import clock, tasks, telemetry
from onsale.kit.coalesce import own_copy
from onsale.kit.db import DatabaseAway
from onsale.kit.ids import ShardId
from onsale.kit.lru import Lru
from onsale.kit.problems import Overloaded

Ask = TypeVar("Ask")
Answer = TypeVar("Answer")
Answers = Sequence[Answer | Exception]

convoy_size = telemetry.histogram(
    "onsale_convoy_shards", "Shards whose batches travelled in one transaction.", ["batch"], telemetry.BATCH_BUCKETS
)
convoy_parted = telemetry.counter(
    "onsale_convoy_parted_total", "Transactions of several shards that failed and were run for each alone.", ["batch"]
)

_NOBODYS_DOING = (DatabaseAway, Overloaded)


@dataclass(slots=True)
class _Part(Generic[Ask, Answer]):
    """One shard's batch. Its future is done once it is answered or nobody waits for it any more."""

    shard_id: ShardId
    asks: Sequence[Ask]
    future: asyncio.Future[Answers[Answer]]


class Convoy(Generic[Ask, Answer]):
    """Lets batches wait for the next transaction, and answers each as if it had one of its own.

    `run` is one transaction for all it is given; when it raises, nothing has happened, or repeating it is harmless.
    What it raises for several shards is passed on only where the database is away or crowded; else each of them runs
    again, alone. A shard that fails alone goes alone for CONVOY_APART_S, so that nobody waits for its locks again.
    One transaction is under way at a time, but the next waits CONVOY_LATE_S for it at the most.
    At most `asks_max` asks travel together. After CONVOY_BUSY_SHARDS_MIN shards, the next leaves `pace_s` later.
    """

    def __init__(
        self,
        run: Callable[[Mapping[ShardId, Sequence[Ask]]], Awaitable[Mapping[ShardId, Answers[Answer]]]],
        *,
        name: str,
        asks_max: int,
        pace_s: float,
    ) -> None:
        self._run = run
        self._name = name
        self._asks_max = asks_max
        self._pace_s = pace_s
        self._waiting: deque[_Part[Ask, Answer]] = deque()
        self._asks_waiting = 0
        self._leaving: asyncio.Task[None] | None = None
        self._one_alone = False
        self._apart_until: Lru[ShardId, float] = Lru(limits.SHARDS_IN_MIND_MAX)
        self._sizes = convoy_size.labels(name)

    async def ride(self, shard_id: ShardId, asks: Sequence[Ask]) -> Answers[Answer]:
        """The answers to a batch, one batch of a shard at a time. Raises what its transaction raised."""
        if clock.monotonic() < (self._apart_until.get(shard_id) or 0.0):
            return await self._alone(shard_id, asks)
        if self._leaving is None and not self._one_alone:
            return await self._first(shard_id, asks)
        part = _Part[Ask, Answer](shard_id, asks, asyncio.get_running_loop().create_future())
        self._waiting.append(part)
        self._asks_waiting += len(asks)
        try:
            return await part.future
        finally:
            del part  # As in `Coalescer.ask`: what it raises must not keep itself.

    async def _first(self, shard_id: ShardId, asks: Sequence[Ask]) -> Answers[Answer]:
        """Who finds the road empty drives at once and by itself: a turn of a busy loop takes milliseconds."""
        self._one_alone = True
        late = asyncio.get_running_loop().call_later(limits.CONVOY_LATE_S, self._let_others_go)
        try:
            return await self._alone(shard_id, asks)
        finally:
            late.cancel()
            self._let_others_go()

    def _let_others_go(self) -> None:
        self._one_alone = False
        if self._waiting and self._leaving is None:
            self._leaving = tasks.spawn(self._leave(), name=f"convoys {self._name}")

    async def _alone(self, shard_id: ShardId, asks: Sequence[Ask]) -> Answers[Answer]:
        try:
            return (await self._run({shard_id: asks}))[shard_id]
        except Exception as error:
            if not isinstance(error, _NOBODYS_DOING):
                self._apart_until.put(shard_id, clock.monotonic() + limits.CONVOY_APART_S)
            raise

    async def _leave(self) -> None:
        try:
            while parts := self._next():
                self._sizes.observe(len(parts))
                began_s = clock.monotonic()
                journey = tasks.spawn(self._travel(parts), name=f"convoy {self._name}")
                await asyncio.wait({journey}, timeout=limits.CONVOY_LATE_S)
                early_s = began_s + self._pace_s - clock.monotonic()
                if early_s > 0 and len(parts) >= limits.CONVOY_BUSY_SHARDS_MIN and self._asks_waiting < self._asks_max:
                    await clock.sleep(early_s)
        finally:
            self._leaving = None
            for part in self._waiting:
                part.future.cancel()  # Only if we were cancelled is anybody left: nobody may wait for ever.
            self._waiting.clear()
            self._asks_waiting = 0

    def _next(self) -> list[_Part[Ask, Answer]]:
        """The parts that leave now, in the order they came."""
        parts: list[_Part[Ask, Answer]] = []
        asks = 0
        while self._waiting and (not parts or asks + len(self._waiting[0].asks) <= self._asks_max):
            part = self._waiting.popleft()
            self._asks_waiting -= len(part.asks)
            if not part.future.done():
                parts.append(part)
                asks += len(part.asks)
        return parts

    async def _travel(self, parts: Sequence[_Part[Ask, Answer]]) -> None:
        """Answer them, come what may."""
        try:
            answers = await self._run({part.shard_id: part.asks for part in parts})
            for part in parts:
                _answer(part, answers[part.shard_id])
        except _NOBODYS_DOING as error:
            for part in parts:
                _answer(part, own_copy(error))
        except Exception:  # noqa: BLE001 - one of them brought it out, and hears it when it is alone
            convoy_parted.labels(self._name).inc()
            await asyncio.gather(*map(self._travel_alone, parts))
        finally:
            for part in parts:
                part.future.cancel()  # Only if we were cancelled is anybody left.

    async def _travel_alone(self, part: _Part[Ask, Answer]) -> None:
        try:
            _answer(part, await self._alone(part.shard_id, part.asks))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is for who waits
            _answer(part, error)


def _answer(part: _Part[Ask, Answer], answer: Answers[Answer] | Exception) -> None:
    if part.future.done():
        return
    if isinstance(answer, Exception):
        part.future.set_exception(answer)
    else:
        part.future.set_result(answer)

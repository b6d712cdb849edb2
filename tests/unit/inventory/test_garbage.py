"""A refusal leaves nothing for the collector of garbage: at ten thousand a second it would do nothing else."""

import asyncio
import gc
from contextlib import suppress
from typing import Any

import pytest

from onsale.inventory.errors import SeatsTaken
from onsale.inventory.model import Ask
from onsale.inventory.take import Taker
from onsale.kit.coalesce import Coalescer
from onsale.kit.ids import ShardId, new_id, new_person

pytestmark = pytest.mark.anyio
COUNT = 200


async def circles(refused) -> int:
    """Objects that only the collector could free, after so many refusals."""

    async def one():
        with suppress(SeatsTaken):
            await refused()

    await one()
    gc.collect()
    gc.disable()
    try:
        await asyncio.gather(*(one() for _ in range(COUNT)))
        return gc.collect()
    finally:
        gc.enable()


async def test_a_refusal_by_the_map_leaves_no_circle():
    nobody: Any = None
    taker = Taker(nobody, nobody, lambda shard_id, ask: SeatsTaken(taken=[1]))
    assert await circles(lambda: taker.take(ShardId(64), Ask(new_person(), (1,), new_id()))) < COUNT / 10


async def test_a_refusal_by_a_batch_leaves_no_circle():
    async def run(asks):
        return [SeatsTaken(taken=[1]) for _ in asks]

    batches = Coalescer(run, name="garbage", batch_max=64, queue_max=1_000)
    assert await circles(lambda: batches.ask(1)) < COUNT / 10


async def test_a_kept_exception_would_leave_one_each_time():
    """Negative control: the way it is written when nobody thinks of it."""

    async def refused():
        refusal: SeatsTaken | None = SeatsTaken(taken=[1])
        if refusal is not None:
            raise refusal

    assert await circles(refused) > COUNT

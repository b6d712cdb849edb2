"""Collectors by shard: each shard has its own, and their number has an end that costs nobody an answer."""

import asyncio

import pytest

from onsale.kit.coalesce import Coalescer
from onsale.kit.collectors import Collectors
from onsale.kit.ids import ShardId

pytestmark = pytest.mark.anyio


class Shards:
    """What was made and asked; the trips of `busy` shards end when `open` is set."""

    def __init__(self, *busy):
        self.made = []
        self.busy = busy
        self.open = asyncio.Event()
        self.collectors = Collectors(self._make, shards_max=2)

    def _make(self, shard_id):
        async def run(asks):
            if shard_id in self.busy:
                await self.open.wait()
            return [(shard_id, ask) for ask in asks]

        self.made.append(shard_id)
        return Coalescer(run, name="test", batch_max=10, queue_max=10)

    async def ask(self, shard_id, ask="?"):
        answer = await asyncio.wait_for(self.collectors.ask(ShardId(shard_id), ask), 5)
        for _ in range(3):  # The collector that has answered notices that nobody else asks.
            await asyncio.sleep(0)
        return answer


async def test_each_shard_answers_for_itself_and_is_made_once():
    shards = Shards()
    assert [await shards.ask(1, "a"), await shards.ask(2, "b"), await shards.ask(1, "c")] == [
        (1, "a"),
        (2, "b"),
        (1, "c"),
    ]
    assert shards.made == [1, 2]


async def test_the_one_that_was_quiet_longest_makes_room():
    shards = Shards()
    for shard_id in (1, 2, 1, 3, 1, 2):
        await shards.ask(shard_id)
    assert shards.made == [1, 2, 3, 2] and len(shards.collectors) == 2


async def test_busy_ones_stay_past_the_bound_and_all_are_answered():
    """Even when nobody is idle, and the one that has just been made is the only one that could go."""
    shards = Shards(1, 2, 3)
    asked = [asyncio.create_task(shards.ask(shard_id)) for shard_id in (1, 2, 3)]
    await asyncio.sleep(0.01)
    assert await shards.ask(4) == (4, "?") and len(shards.collectors) == 4
    shards.open.set()
    assert await asyncio.gather(*asked) == [(1, "?"), (2, "?"), (3, "?")]
    await shards.ask(5)
    assert len(shards.collectors) == 2

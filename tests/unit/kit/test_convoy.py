"""Convoys: which shards travel together, and that none pays for another's trouble."""

import asyncio

import pytest

from onsale import limits
from onsale.kit.convoy import Convoy
from onsale.kit.db import Contended, DatabaseAway
from onsale.kit.ids import ShardId

pytestmark = pytest.mark.anyio


class Road:
    """What left together. Journeys with a shard of `broken` raise; those with one of `stuck` end when `open` is set."""

    def __init__(self, *, asks_max=10, pace_s=0.0):
        self.left = []
        self.broken = {}
        self.stuck = set()
        self.open = asyncio.Event()
        self.convoy = Convoy(self._run, name="test", asks_max=asks_max, pace_s=pace_s)

    async def _run(self, asks):
        self.left.append(sorted(asks))
        await asyncio.sleep(0)
        if self.stuck & asks.keys():
            await self.open.wait()
        for shard_id in self.broken.keys() & asks.keys():
            raise self.broken[shard_id]
        return {shard_id: [(shard_id, ask) for ask in part] for shard_id, part in asks.items()}

    def ride(self, shard_id, *asks):
        return asyncio.ensure_future(self.convoy.ride(ShardId(shard_id), asks or ["?"]))


async def together(road, *shards):
    """Rides that leave in one journey: somebody is on the road while they come."""
    road.open.clear()
    road.stuck.add(99)
    first = road.ride(99)
    await asyncio.sleep(0.01)
    rides = [road.ride(shard_id) for shard_id in shards]
    await asyncio.sleep(0)
    road.open.set()
    await settled(first)
    road.left.remove([99])
    return await settled(*rides)


async def settled(*rides):
    return await asyncio.wait_for(asyncio.gather(*rides, return_exceptions=True), 5)


async def test_those_that_are_ready_travel_together_and_each_hears_its_own():
    road = Road()
    rides = road.ride(1, "a"), road.ride(2, "b", "c"), road.ride(3, "d")
    assert await settled(*rides) == [[(1, "a")], [(2, "b"), (2, "c")], [(3, "d")]]
    assert road.left == [[1], [2, 3]]


async def test_one_is_under_way_at_a_time_and_none_is_larger_than_its_bound():
    road = Road(asks_max=3)
    road.stuck = {1}
    first = road.ride(1)
    await asyncio.sleep(0.01)
    rest = [road.ride(2, "a", "b"), road.ride(3, "a", "b"), road.ride(4), road.ride(5, *"abcd")]
    await asyncio.sleep(0.01)
    assert road.left == [[1]]
    road.open.set()
    assert len(await settled(first, *rest)) == 5
    assert road.left == [[1], [2], [3, 4], [5]]


async def test_what_fails_together_runs_alone_and_only_the_one_in_trouble_hears_of_it():
    road = Road()
    road.broken = {2: Contended()}
    answers = await together(road, 1, 2, 3)
    assert answers == [[(1, "?")], road.broken[2], [(3, "?")]]
    assert road.left == [[1, 2, 3], [1], [2], [3]]


async def test_who_was_in_trouble_goes_alone_for_a_while(monkeypatch):
    road = Road()
    road.broken = {2: ValueError()}
    await together(road, 1, 2)
    road.left.clear()
    road.broken = {}
    await together(road, 1, 2, 3)
    assert sorted(road.left) == [[1, 3], [2]]
    monkeypatch.setattr(limits, "CONVOY_APART_S", 0.0)
    road.broken = {3: ValueError()}
    await settled(road.ride(3))
    road.broken = {}
    road.left.clear()
    await together(road, 1, 3)
    assert road.left == [[1, 3]]


async def test_an_outage_is_heard_by_all_at_once_and_parts_nobody():
    road = Road()
    road.broken = {2: DatabaseAway()}
    answers = await together(road, 1, 2)
    assert [type(answer) for answer in answers] == [DatabaseAway] * 2 and answers[0] is not answers[1]
    road.broken = {}
    await together(road, 1, 2)
    assert road.left == [[1, 2], [1, 2]]


async def test_nobody_waits_long_for_one_that_is_stuck():
    road = Road()
    road.stuck = {1}
    stuck = road.ride(1)
    await asyncio.sleep(0)
    assert await settled(road.ride(2)) == [[(2, "?")]]
    assert not stuck.done()
    road.open.set()
    assert await settled(stuck) == [[(1, "?")]]


async def test_a_busy_road_is_paced_and_a_quiet_one_is_not():
    road, now_s = Road(pace_s=0.05), asyncio.get_running_loop().time
    began_s = now_s()
    await settled(road.ride(1))
    await settled(road.ride(1))
    assert now_s() - began_s < 0.05
    await settled(*(road.ride(shard_id) for shard_id in range(limits.CONVOY_BUSY_SHARDS_MIN + 1)))
    began_s = now_s()
    await settled(road.ride(1))
    assert now_s() - began_s > 0.03


async def test_who_has_gone_does_not_travel():
    road = Road()
    road.stuck = {1}
    first = road.ride(1)
    await asyncio.sleep(0.01)
    gone, there = road.ride(2), road.ride(3)
    await asyncio.sleep(0)
    gone.cancel()
    road.open.set()
    await settled(first, gone, there)
    assert road.left == [[1], [3]]


async def test_an_answer_that_is_missing_is_heard_and_leaves_nobody_waiting():
    async def forgetful(asks):
        return {}

    convoy = Convoy(forgetful, name="test", asks_max=10, pace_s=0.0)
    with pytest.raises(KeyError):
        await asyncio.wait_for(convoy.ride(ShardId(1), ["?"]), 1)

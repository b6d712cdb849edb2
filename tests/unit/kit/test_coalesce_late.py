"""The coalescer under load: it sheds by time, and a long queue costs no more than a short one."""

import asyncio
import re

import pytest
from tests.unit.kit.trips import Clock, Trips, asking, blocked, coalescer, settled

from onsale.kit import telemetry
from onsale.kit.problems import Overloaded

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


def shed():
    text = telemetry.exposition()[0].decode()
    found = re.search(r'^onsale_batch_shed_total\{batch="test"\} (\S+)', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


async def turned(trips, clock, count, took_s):
    """Let the trip under way end after `took_s`, and wait for the next one to start, which will not end."""
    clock.now_s += took_s
    trips.open.set()
    trips.open.clear()
    await trips.started(count)


async def test_nothing_is_predicted_until_something_was_measured(clock):
    trips, batch, first = await blocked(batch_max=2, queue_max=1_000, wait_max_s=1.0)
    rest = await asking(batch, *range(1, 500))
    assert not any(task.done() for task in rest)
    trips.open.set()
    assert await settled([*first, *rest]) == [ask * 10 for ask in range(500)]


async def test_who_would_wait_too_long_is_refused_on_arrival(clock):
    before = shed()
    trips, batch, first = await blocked(batch_max=2, wait_max_s=1.0)
    rest = await asking(batch, 1, 2)
    await turned(trips, clock, 2, took_s=0.4)  # [0] took 0.4 s; [1, 2] are under way.
    rest += await asking(batch, *range(3, 9))  # 2 batches ahead of the last are 0.8 s: they may wait.
    with pytest.raises(Overloaded) as caught:  # 3 batches would be 1.2 s.
        await asyncio.wait_for(batch.ask(9), 1)
    assert caught.value.retry_after_s
    assert shed() == before + 1
    trips.open.set()
    assert await settled([*first, *rest]) == [ask * 10 for ask in range(9)]


async def test_who_fits_into_the_next_batch_is_let_in_however_slow_the_last_was(clock):
    trips, batch, first = await blocked(batch_max=2, wait_max_s=1.0)
    rest = await asking(batch, 1)
    await turned(trips, clock, 2, took_s=0.9)
    clock.now_s += 50
    rest += await asking(batch, 2)
    trips.open.set()
    assert await settled([*first, *rest]) == [0, 10, 20]


async def test_a_slow_batch_is_forgotten_when_others_were_fast(clock):
    trips, batch, first = await blocked(batch_max=1, wait_max_s=1.0)
    await asking(batch, 1)
    await turned(trips, clock, 2, took_s=0.9)
    rest = await asking(batch, 2)
    with pytest.raises(Overloaded):
        await (await asking(batch, 3, 4))[-1]
    for count in range(3, 15):
        rest += await asking(batch, count)
        await turned(trips, clock, count, took_s=0.01)
    rest += await asking(batch, 100, 101, 102)
    assert not any(task.done() for task in rest[-3:])
    trips.open.set()
    await settled([*first, *rest])


async def test_what_was_slow_before_a_pause_says_nothing_about_the_rush_after_it(clock):
    trips, batch, first = await blocked(batch_max=1, wait_max_s=1.0)
    clock.now_s += 30
    trips.open.set()
    await settled(first)
    assert batch.idle
    assert await settled(await asking(batch, 1, 2, 3)) == [10, 20, 30]


async def test_who_has_waited_too_long_is_refused_instead_of_travelling(clock):
    before = shed()
    trips, batch, first = await blocked(wait_max_s=1.0)
    late = await asking(batch, 1, 2)
    clock.now_s += 0.5
    young = await asking(batch, 3)
    clock.now_s += 0.6
    trips.open.set()
    assert [type(answer) for answer in await settled(late)] == [Overloaded] * 2
    assert await settled([*first, *young]) == [0, 30]
    assert trips.batches == [[0], [3]]
    assert shed() == before + 2


async def test_who_travels_is_not_refused_however_long_it_takes(clock):
    trips, _, first = await blocked(wait_max_s=1.0)
    clock.now_s += 50
    trips.open.set()
    assert await settled(first) == [0]


async def test_without_a_bound_nobody_is_too_late(clock):
    trips, batch, first = await blocked(batch_max=1)
    rest = await asking(batch, *range(1, 50))
    clock.now_s += 1_000
    trips.open.set()
    assert await settled([*first, *rest]) == [ask * 10 for ask in range(50)]


async def test_while_a_batch_hangs_who_waits_behind_it_is_told_in_time():
    trips, batch, first = await blocked(wait_max_s=0.05, lane_of=lambda ask: ask // 10, lane_max=4)
    rest = await asking(batch, 11, 12, 21)
    assert [type(answer) for answer in await settled(rest)] == [Overloaded] * 3
    assert len(trips.batches) == 1
    assert not first[0].done()
    trips.open.set()
    assert await settled(first) == [0]
    assert batch.idle


async def test_an_idle_one_watches_nothing():
    batch = coalescer(Trips(), wait_max_s=0.01)
    assert await batch.ask(1) == 10
    assert batch._watch.cancelled()


async def test_who_left_a_full_lane_makes_room_at_once():
    trips, batch, first = await blocked(lane_of=lambda ask: ask // 10, lane_max=4)
    rest = await asking(batch, 11, 12, 13, 14)
    rest[2].cancel()
    await asyncio.sleep(0)
    rest += await asking(batch, 15)
    with pytest.raises(Overloaded):
        await batch.ask(16)
    trips.open.set()
    await settled([*first, *rest])
    assert trips.batches == [[0], [11], [12], [14], [15]]


async def test_who_left_a_full_lane_makes_room_in_the_queue_too():
    trips, batch, first = await blocked(queue_max=5, lane_of=lambda ask: ask // 10, lane_max=4)
    rest = await asking(batch, 11, 12, 13, 14)
    for task in rest[1:3]:
        task.cancel()
    await asyncio.sleep(0)
    rest += await asking(batch, 15, 21, 31)
    assert not any(task.done() for task in rest[4:])
    with pytest.raises(Overloaded):
        await batch.ask(41)
    trips.open.set()
    await settled([*first, *rest])
    assert trips.batches == [[0], [11, 21, 31], [14], [15]]


async def test_the_next_of_a_lane_stands_behind_those_who_ask_for_the_first_time():
    trips, batch, first = await blocked(batch_max=2, lane_of=lambda ask: ask // 10, lane_max=4)
    rest = await asking(batch, 11, 12, 21, 31, 41)
    trips.open.set()
    await settled([*first, *rest])
    assert trips.batches == [[0], [11, 21], [31, 41], [12]]


class Counted:
    """A lane that counts how often it is looked at."""

    looks = 0

    def __init__(self, lane):
        self.lane = lane

    def __eq__(self, other):
        return self.lane == other.lane

    def __hash__(self):
        Counted.looks += 1
        return hash(self.lane)


async def test_forming_a_batch_costs_as_much_as_the_batch_however_many_wait():
    """Looked at in looks, not in seconds: a queue that is walked for every batch costs 100 times as much."""
    trips, batch, first = await blocked(
        batch_max=10, queue_max=10_000, lane_of=lambda ask: Counted(ask // 2), lane_max=2
    )
    rest = await asking(batch, *range(2, 4_002))
    Counted.looks = 0
    trips.open.set()
    await settled([*first, *rest])
    assert [len(trip) for trip in trips.batches[1:]] == [10] * 400
    assert Counted.looks < 10 * 4_000

"""The coalescer: who travels with whom, and that nobody is ever left waiting."""

import asyncio

import pytest
from tests.unit.kit.trips import Clock, Trips, asking, blocked, coalescer, settled, tenfold

from onsale.kit.problems import InternalError, Overloaded, Problem

pytestmark = pytest.mark.anyio


async def test_an_idle_one_adds_no_delay_and_a_busy_one_lets_all_travel_together():
    trips, batch, first = await blocked()
    rest = await asking(batch, 1, 2, 3)
    trips.open.set()
    assert await settled([*first, *rest]) == [0, 10, 20, 30]
    assert trips.batches == [[0], [1, 2, 3]]
    assert batch.idle


async def test_one_batch_is_under_way_at_a_time_and_none_is_larger_than_its_bound():
    trips, batch, first = await blocked(batch_max=2)
    rest = await asking(batch, *range(1, 6))
    assert len(trips.batches) == 1
    trips.open.set()
    await settled([*first, *rest])
    assert trips.batches == [[0], [1, 2], [3, 4], [5]]


async def test_a_full_queue_refuses_at_once_and_serves_who_was_there():
    trips, batch, first = await blocked(queue_max=2)
    rest = await asking(batch, 1, 2)
    with pytest.raises(Overloaded):
        await asyncio.wait_for(batch.ask(3), 1)
    trips.open.set()
    assert await settled([*first, *rest]) == [0, 10, 20]
    assert await batch.ask(4) == 40


async def test_a_client_that_has_gone_is_not_worked_for():
    trips, batch, first = await blocked()
    rest = await asking(batch, 1, 2, 3)
    rest[1].cancel()
    await asyncio.sleep(0)
    trips.open.set()
    assert await settled([first[0], rest[0], rest[2]]) == [0, 10, 30]
    assert trips.batches == [[0], [1, 3]]


async def test_a_client_that_goes_during_its_trip_takes_no_other_answer_along():
    trips, batch, first = await blocked()
    rest = await asking(batch, 1)
    first[0].cancel()
    await asyncio.sleep(0)
    trips.open.set()
    assert await settled(rest) == [10]
    assert trips.batches == [[0], [1]]


async def test_when_all_who_wait_have_gone_it_is_idle_and_works_again():
    trips, batch, first = await blocked()
    rest = await asking(batch, 1, 2)
    for task in [*first, *rest]:
        task.cancel()
    trips.open.set()
    await settled([*first, *rest])
    assert await batch.ask(5) == 50
    assert trips.batches == [[0], [5]]
    assert batch.idle


def kind(ask):
    """A lane for each tens digit."""
    return ask // 10


LANES = {"lane_of": kind, "lane_max": 4}


async def test_asks_of_one_lane_travel_one_at_a_time_in_the_order_they_came():
    trips, batch, first = await blocked(**LANES)
    rest = await asking(batch, 11, 12, 21, 13, 22)
    trips.open.set()
    await asyncio.sleep(0)
    await settled([*first, *rest])
    assert trips.batches == [[0], [11, 21], [12, 22], [13]]


async def test_who_came_while_others_of_the_lane_waited_stands_behind_them():
    trips, batch, first = await blocked(**LANES)
    rest = await asking(batch, 11, 12)
    trips.open.set()
    await settled(first)
    trips.open.clear()
    await trips.started(2)
    rest += await asking(batch, 13)
    trips.open.set()
    await settled(rest)
    assert trips.batches == [[0], [11], [12], [13]]


async def test_a_crowded_lane_stands_in_nobody_elses_way():
    trips, batch, first = await blocked(batch_max=3, lane_of=kind, lane_max=100)
    rest = await asking(batch, 11, 12, 13, 14, 15, 21, 31)
    trips.open.set()
    await settled([*first, *rest])
    assert trips.batches == [[0], [11, 21, 31], [12], [13], [14], [15]]


async def test_a_full_lane_refuses_and_others_do_not():
    trips, batch, first = await blocked(**LANES)
    rest = await asking(batch, 11, 12, 13, 14)
    with pytest.raises(Overloaded):
        await batch.ask(15)
    rest += await asking(batch, 21)
    trips.open.set()
    await settled([*first, *rest])
    assert await batch.ask(15) == 150


async def test_a_hopeless_fault_is_heard_by_all_who_wait_at_once():
    def fail(asks):
        raise OSError("away")

    trips = Trips(fail)
    trips.open.clear()
    batch = coalescer(trips, batch_max=2, hopeless=(OSError,))
    tasks = await asking(batch, 1, 2, 3, 4, 5)
    trips.open.set()
    assert all(isinstance(error, OSError) for error in await settled(tasks))
    assert len(trips.batches) == 1


async def test_any_other_fault_is_heard_by_its_own_batch_alone():
    def fail_once(asks):
        if 1 in asks:
            raise OSError("odd")
        return asks

    trips = Trips(fail_once)
    trips.open.clear()
    batch = coalescer(trips, batch_max=2)
    tasks = await asking(batch, 1, 2, 3)
    trips.open.set()
    answers = await settled(tasks)
    assert isinstance(answers[-1], int)


async def test_an_exception_for_one_ask_reaches_that_one_only():
    trips = Trips(lambda asks: [ValueError("odd") if ask % 2 else ask for ask in asks])
    trips.open.clear()
    batch = coalescer(trips)
    tasks = await asking(batch, 0, 1, 2)
    trips.open.set()
    zero, one, two = await settled(tasks)
    assert (zero, two) == (0, 2)
    assert isinstance(one, ValueError)


class Busy(Problem):
    code = "busy"
    status = 503


async def test_when_the_whole_trip_fails_each_hears_of_it_by_an_exception_of_its_own():
    def fail(asks):
        raise Busy("later", retry_after_s=7, seats=[1])

    trips = Trips(fail)
    trips.open.clear()
    batch = coalescer(trips)
    tasks = await asking(batch, 1, 2)
    trips.open.set()
    one, two = await settled(tasks)
    assert one is not two
    for error in (one, two):
        assert isinstance(error, Busy)
        assert (error.detail, error.retry_after_s, error.extra) == ("later", 7, {"seats": [1]})
        assert isinstance(error.__cause__, Busy)


async def test_it_works_again_after_a_trip_that_failed():
    def fail_once(asks):
        if asks == [1]:
            raise OSError("away")
        return asks

    batch = coalescer(Trips(fail_once))
    with pytest.raises(OSError, match="away"):
        await batch.ask(1)
    assert await batch.ask(2) == 2


class Uncopyable(Exception):
    def __init__(self, one, two):
        super().__init__(one)


async def test_a_fault_that_cannot_be_copied_is_still_heard():
    def fail(asks):
        raise Uncopyable(1, 2)

    with pytest.raises(InternalError) as caught:
        await asyncio.wait_for(coalescer(Trips(fail)).ask(1), 5)
    assert isinstance(caught.value.__cause__, Uncopyable)


async def test_answering_fewer_than_asked_is_a_bug_and_everybody_hears_of_it():
    trips = Trips(lambda asks: asks[:-1])
    trips.open.clear()
    batch = coalescer(trips)
    tasks = await asking(batch, 1, 2)
    trips.open.set()
    assert all(isinstance(error, AssertionError) for error in await settled(tasks))


async def test_when_the_process_goes_down_nobody_waits_for_ever():
    trips, batch, first = await blocked()
    rest = await asking(batch, 1, 2)
    runner = next(task for task in asyncio.all_tasks() if task.get_name() == "coalesce test")
    runner.cancel()
    assert all(isinstance(error, asyncio.CancelledError) for error in await settled([*first, *rest]))
    trips.open.set()
    assert await batch.ask(3) == 30


async def test_a_storm_of_asks_and_departures_answers_each_who_stayed():
    trips = Trips()
    batch = coalescer(trips, batch_max=7, queue_max=1_000, lane_of=kind, lane_max=10)
    tasks = await asking(batch, *range(500))
    for task in tasks[::3]:
        task.cancel()
    answers = await settled(tasks)
    for ask, answer in enumerate(answers):
        if ask % 3:
            assert answer == ask * 10
    travelled = [ask for trip in trips.batches for ask in trip]
    assert len(travelled) == len(set(travelled))
    assert batch.idle


async def test_after_a_busy_batch_the_next_leaves_at_its_pace_and_takes_along_who_came_meanwhile(monkeypatch):
    clock = Clock(monkeypatch)
    trips, batch, first = await blocked(pace_s=0.5, busy_from=2)
    rest = await asking(batch, 1, 2)
    trips.open.set()
    assert await settled([*first, *rest]) == [0, 10, 20]
    latecomers = await asking(batch, 3)
    assert await settled(latecomers) == [30]
    assert (trips.batches, clock.pauses) == ([[0], [1, 2], [3]], [0.5]), "one ask alone is no rush"


async def test_a_busy_batch_that_took_longer_than_its_pace_is_followed_at_once(monkeypatch):
    clock = Clock(monkeypatch)

    def slowly(asks):
        clock.now_s += 0.7
        return tenfold(asks)

    trips, batch, first = await blocked(answer=slowly, pace_s=0.5, busy_from=1)
    rest = await asking(batch, 1)
    trips.open.set()
    assert await settled([*first, *rest]) == [0, 10]
    assert clock.pauses == []


async def test_a_full_batch_that_waits_is_not_held_back(monkeypatch):
    clock = Clock(monkeypatch)
    trips, batch, first = await blocked(pace_s=0.5, busy_from=2, batch_max=2)
    rest = await asking(batch, 1, 2, 3, 4, 5)
    trips.open.set()
    assert await settled([*first, *rest]) == [0, 10, 20, 30, 40, 50]
    assert (trips.batches, clock.pauses) == ([[0], [1, 2], [3, 4], [5]], [0.5])

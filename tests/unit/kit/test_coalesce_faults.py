"""The coalescer when a batch fails: who is run again, who is found out, and what everybody hears."""

import asyncio
import math
import re

import pytest
from tests.unit.kit.trips import Clock, Trips, asking, coalescer, settled

from onsale import limits
from onsale.kit import telemetry
from onsale.kit.problems import Overloaded, Unavailable

pytestmark = pytest.mark.anyio


class Rivals(Unavailable):
    """A deadlock, say."""


class Gone(Unavailable):
    """A lost connection, say."""


AGAIN = {"again": (Rivals, Gone), "tries_max": 3}


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    return Clock(monkeypatch)


def failing(*errors):
    """Trips of which the first ones raise these, and the others answer."""
    left = list(errors)

    def answer(asks):
        if left and (error := left.pop(0)):
            raise error
        return [ask * 10 for ask in asks]

    return Trips(answer)


def poisoned_by(*poison):
    def answer(asks):
        for ask in asks:
            if ask in poison:
                raise ValueError(ask)
        return [ask * 10 for ask in asks]

    return Trips(answer)


async def together(trips, *asks, **how):
    """The answers to asks that travel in one batch."""
    return await settled(await asking(coalescer(trips, **how), *asks))


# -- again -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("errors", [[Rivals()], [Gone()], [Rivals(), Gone()]])
async def test_a_batch_that_may_succeed_later_is_run_again_as_it_was(clock, errors):
    trips = failing(*errors)
    assert await together(trips, 1, 2, 3, **AGAIN) == [10, 20, 30]
    assert trips.batches == [[1, 2, 3]] * (1 + len(errors))
    assert len(clock.pauses) == len(errors)
    assert all(0 <= pause <= 2 * limits.BATCH_PAUSE_S for pause in clock.pauses)


async def test_it_is_run_so_many_times_in_all_then_each_hears_it():
    trips = failing(*[Rivals()] * 10)
    answers = await together(trips, 1, 2, **AGAIN)
    assert [type(answer) for answer in answers] == [Rivals, Rivals]
    assert answers[0] is not answers[1]
    assert answers[0].retry_after_s
    assert trips.batches == [[1, 2]] * 3


async def test_what_failed_for_good_takes_nobody_who_waits_along():
    trips = failing(*[Rivals()] * 3)
    answers = await together(trips, 1, 2, 3, 4, batch_max=2, **AGAIN)
    assert [type(answer) for answer in answers] == [Rivals, Rivals, int, int]


async def test_without_leave_nothing_is_run_again(clock):
    trips = failing(Rivals())
    answers = await together(trips, 1, 2)
    assert [type(answer) for answer in answers] == [Rivals, Rivals]
    assert (trips.batches, clock.pauses) == ([[1, 2]], [])


async def test_no_try_begins_later_than_allowed(clock):
    """Who waited long for a lock in vain shall not wait again while others wait behind."""

    def slow(asks):
        clock.now_s += 2
        raise Rivals

    trips = Trips(slow)
    answers = await together(trips, 1, again_within_s=2.5, again=(Rivals,), tries_max=10)
    assert type(answers[0]) is Rivals
    assert len(trips.batches) == 2


async def test_a_hopeless_fault_is_tried_again_before_all_who_wait_hear_it():
    trips = failing(*[Gone()] * 3)
    answers = await together(trips, 1, 2, 3, batch_max=2, hopeless=(Gone,), **AGAIN)
    assert [type(answer) for answer in answers] == [Gone] * 3
    assert trips.batches == [[1, 2]] * 3
    trips = failing(Gone(), Gone())
    assert await together(trips, 1, 2, 3, batch_max=2, hopeless=(Gone,), **AGAIN) == [10, 20, 30]


async def test_a_client_that_goes_between_two_tries_does_not_travel_again():
    trips = failing(Rivals())
    trips.open.clear()
    tasks = await asking(coalescer(trips, **AGAIN), 1, 2, 3)
    await trips.started(1)
    tasks[1].cancel()
    trips.open.set()
    one, two, three = await settled(tasks)
    assert (one, three) == (10, 30)
    assert isinstance(two, asyncio.CancelledError)
    assert trips.batches == [[1, 2, 3], [1, 3]]


async def test_when_all_have_gone_there_is_no_other_try():
    trips = failing(Rivals())
    trips.open.clear()
    batch = coalescer(trips, **AGAIN)
    tasks = await asking(batch, 1, 2)
    await trips.started(1)
    for task in tasks:
        task.cancel()
    trips.open.set()
    await settled(tasks)
    assert await batch.ask(3) == 30
    assert trips.batches == [[1, 2], [3]]


async def test_when_the_process_goes_down_during_a_pause_nobody_waits_for_ever(monkeypatch):
    pausing = asyncio.Event()

    async def pause(seconds):
        pausing.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("onsale.kit.clock.sleep", pause)
    tasks = await asking(coalescer(failing(Rivals()), batch_max=2, **AGAIN), 1, 2, 3)
    await asyncio.wait_for(pausing.wait(), 5)
    next(task for task in asyncio.all_tasks() if task.get_name() == "coalesce test").cancel()
    assert [type(answer) for answer in await settled(tasks)] == [asyncio.CancelledError] * 3


# -- poison ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("poison", range(7))
async def test_the_ask_that_makes_its_batch_fail_fails_alone(poison):
    trips = poisoned_by(poison)
    answers = await together(trips, *range(7))
    assert [answer for answer in answers if isinstance(answer, int)] == [n * 10 for n in range(7) if n != poison]
    assert isinstance(answers[poison], ValueError)
    assert answers[poison].args == (poison,)
    assert len(trips.batches) <= 1 + 2 * math.ceil(math.log2(7))


async def test_halves_are_run_in_the_order_of_the_asks():
    trips = poisoned_by(2, 5)
    await together(trips, *range(8))
    run = [batch for batch in trips.batches if not {2, 5} & set(batch) or len(batch) == 1]
    assert [ask for batch in run for ask in batch] == list(range(8))


async def test_a_poisoned_ask_alone_is_run_once():
    trips = poisoned_by(1)
    assert isinstance((await together(trips, 1))[0], ValueError)
    assert trips.batches == [[1]]


async def test_a_fault_that_no_ask_brings_out_alone_leaves_everybody_their_answer():
    trips = failing(ValueError("odd"))
    assert await together(trips, 1, 2, 3) == [10, 20, 30]
    assert trips.batches == [[1, 2, 3], [1], [2, 3]]


async def test_who_waits_behind_a_poisoned_batch_is_answered():
    trips = poisoned_by(2)
    answers = await together(trips, 1, 2, 3, 4, batch_max=2)
    assert [answer for answer in answers if isinstance(answer, int)] == [10, 30, 40]


async def test_a_bug_that_every_ask_meets_ends_the_search():
    """Else each ask of a full batch would cost two transactions, and each batch behind it as much again."""
    trips = poisoned_by(*range(64))
    answers = await together(trips, *range(64))
    kinds = [type(answer) for answer in answers]
    found = limits.BATCH_POISONED_MAX
    assert kinds == [ValueError] * found + [Unavailable] * (64 - found)
    assert answers[-1].retry_after_s
    assert len(trips.batches) <= 1 + 2 * (6 + found)


async def test_what_is_no_asks_doing_is_not_looked_for():
    trips = failing(Overloaded())
    answers = await together(trips, 1, 2, 3)
    assert [type(answer) for answer in answers] == [Overloaded] * 3
    assert trips.batches == [[1, 2, 3]]


async def test_a_half_is_run_again_too_and_the_tries_are_counted_for_the_whole_batch():
    trips = failing(Rivals(), ValueError("odd"), Rivals())
    assert await together(trips, 1, 2, **AGAIN) == [10, 20]
    assert trips.batches == [[1, 2], [1, 2], [1], [1], [2]]
    trips = failing(Rivals(), ValueError("odd"), None, Rivals(), Rivals())
    answers = await together(trips, 1, 2, **AGAIN)
    assert answers[0] == 10
    assert isinstance(answers[1], Rivals)
    assert trips.batches == [[1, 2], [1, 2], [1], [2], [2]]


async def test_a_fault_of_the_database_ends_the_search_for_those_who_have_no_answer():
    trips = failing(ValueError("odd"), None, Overloaded())
    answers = await together(trips, 1, 2, 3, 4)
    assert answers[:2] == [10, 20]
    assert [type(answer) for answer in answers[2:]] == [Overloaded] * 2
    assert trips.batches == [[1, 2, 3, 4], [1, 2], [3, 4]]


async def test_a_client_that_has_gone_is_skipped_in_halves():
    trips = failing(ValueError("odd"))
    trips.open.clear()
    tasks = await asking(coalescer(trips), 1, 2, 3, 4)
    await trips.started(1)
    for task in (tasks[1], tasks[2], tasks[3]):
        task.cancel()
    trips.open.set()
    assert (await settled(tasks))[0] == 10
    assert trips.batches == [[1, 2, 3, 4], [1]]


async def test_a_batch_that_is_split_is_told_to_whoever_watches():
    before = splits()
    await together(poisoned_by(2), 1, 2, 3)
    await together(failing(Rivals()), 1, 2, **AGAIN)
    assert splits() == before + 1


def splits():
    text = telemetry.exposition()[0].decode()
    found = re.search(r'^onsale_batch_split_total\{batch="test"\} (\S+)', text, re.MULTILINE)
    return float(found[1]) if found else 0.0


# -- a last look -------------------------------------------------------------------------------------------------------


async def test_an_ask_refused_at_the_last_look_does_not_travel():
    trips = Trips()
    answers = await together(trips, 1, 2, 3, refuse=lambda ask: KeyError(ask) if ask == 2 else None)
    assert (answers[0], answers[2]) == (10, 30)
    assert isinstance(answers[1], KeyError)
    assert trips.batches == [[1, 3]]


async def test_the_last_look_is_when_the_batch_is_formed_and_refused_ones_leave_their_room_to_others():
    taken: set[int] = set()
    trips = Trips()
    trips.open.clear()
    batch = coalescer(trips, batch_max=2, refuse=lambda ask: KeyError(ask) if ask in taken else None)
    tasks = await asking(batch, 0)
    await trips.started(1)
    tasks += await asking(batch, 1, 2, 3, 4)
    taken.update((0, 1, 2))
    trips.open.set()
    answers = await settled(tasks)
    assert [answer for answer in answers if isinstance(answer, int)] == [0, 30, 40]
    assert trips.batches == [[0], [3, 4]]


async def test_when_all_are_refused_nothing_travels_and_it_is_idle():
    trips = Trips()
    batch = coalescer(trips, refuse=KeyError)
    assert [type(answer) for answer in await settled(await asking(batch, 1, 2))] == [KeyError] * 2
    assert trips.batches == []
    assert batch.idle


async def test_a_refused_one_lets_the_next_of_its_lane_travel():
    trips = Trips()
    refuse = {"refuse": lambda ask: KeyError(ask) if ask == 1 else None}
    answers = await together(trips, 1, 2, lane_of=lambda ask: "one", lane_max=4, **refuse)
    assert answers[1] == 20
    assert trips.batches == [[2]]


async def test_a_last_look_that_fails_fails_its_own_ask_only():
    def look(ask):
        if ask == 2:
            raise ZeroDivisionError

    answers = await together(Trips(), 1, 2, 3, refuse=look)
    assert (answers[0], type(answers[1]), answers[2]) == (10, ZeroDivisionError, 30)

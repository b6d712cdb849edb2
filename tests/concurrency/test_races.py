"""Races of real processes for the same seats, and their negative control: without the locks, seats are sold twice.

Each process has its own pools and its own collectors of batches; they start on the same word.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

import pytest
from tests.integration.inventory.opening import open_shop

from onsale.kit.ids import new_person

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 3
UNPROTECTED_ROUNDS_MAX = 20


@pytest.fixture(scope="module")
def workers():
    """Processes that wait for a race; starting one costs more than any race."""
    paths = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    environment = os.environ | {"PYTHONPATH": paths, "PYTHONWARNINGS": "error"}
    command = (sys.executable, "-m", "tests.concurrency.worker")
    with ExitStack() as stack:
        processes = []
        for _ in range(PROCESSES):
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            assert process.stdin and process.stdout
            stack.callback(process.wait)
            stack.callback(process.stdout.close)
            stack.callback(process.stdin.close)
            processes.append(process)
        yield processes


@pytest.fixture
def race(workers, database_url):
    """`race(shop, play, tasks)`: a process for each task, all let go at once. What each answered, in their order.

    A task may name a play of its own, and say {"locks": false}.
    """

    def race(shop, play, tasks):
        racers = workers[: len(tasks)]
        for process, task in zip(racers, tasks, strict=True):
            _say(process, json.dumps({"play": play, "url": database_url, "event": shop.event_id} | task))
        assert [process.stdout.readline() for process in racers] == ["ready\n"] * len(tasks)
        started_s = time.monotonic()
        for process in racers:
            _say(process, "go")
        answers = [json.loads(process.stdout.readline()) for process in racers]
        print(f"{play}: {len(tasks)} processes, {time.monotonic() - started_s:.2f} s")
        return answers

    return race


def _say(process, line):
    process.stdin.write(line + "\n")
    process.stdin.flush()


def wishes(*groups):
    """Everybody wants one of the groups, each a person of their own."""
    return [(str(new_person()), list(group)) for group in groups]


def split(answers):
    everything = list(chain(*answers))
    return [a for a in everything if isinstance(a, list)], [a for a in everything if not isinstance(a, list)]


# First seats of blocks of five: no block in one half meets a block of the other, so that only a limit can refuse.
HALVES = (range(0, 30, 5), range(30, 60, 5))
PAIRS = [(first, first + 1) for first in range(0, 60, 2)]


async def test_each_seat_is_won_once_and_nobody_else_hears_anything_but_taken(database, database_url, race):
    """Every pair is wanted by nine; they overlap in nothing else, so each pair must go to somebody."""
    shop = await open_shop(database, database_url)
    answers = race(shop, "rush", [{"wishes": wishes(*PAIRS * 3)} for _ in range(PROCESSES)])
    held, refused = split(answers)
    assert sorted(map(tuple, held)) == PAIRS
    assert len(refused) == len(PAIRS) * (3 * PROCESSES - 1)
    assert {answer["code"] for answer in refused} == {"seats_taken"}
    assert await shop.seats() == "h" * 60
    assert set((await shop.change_nos()).values()) == {1}


async def test_without_the_locks_the_same_race_sells_seats_twice(database, database_url, race):
    """Negative control: else the test above would prove nothing. Chance decides in which round, so there are some."""
    shop = await open_shop(database, database_url)
    for number in range(UNPROTECTED_ROUNDS_MAX):
        tasks = [{"wishes": wishes(*PAIRS * 3)} for _ in range(PROCESSES)]
        held, _ = split(race(shop, "rush_unprotected", tasks))
        twice = len(held) - len(set(map(tuple, held)))
        print(f"round {number}: {twice} times a pair was sold that was sold already")
        if twice:
            return
        await shop.rows("UPDATE seat SET state = 0, hold_id = NULL, held_until = NULL RETURNING 1")
    pytest.fail("these processes do not race")


async def test_nobody_is_told_taken_of_a_seat_that_nobody_has(database, database_url, race):
    """Wishes overlap in every way: all or nothing, no seat twice, and each seat refused by name is somebody's."""
    shop = await open_shop(database, database_url)
    seed = random.randrange(2**32)
    print("seed", seed)
    dice = random.Random(seed)
    groups = [sorted(dice.sample(range(60), dice.randint(1, 5))) for _ in range(120 * PROCESSES)]
    tasks = [{"wishes": wishes(*groups[number::PROCESSES])} for number in range(PROCESSES)]
    held, refused = split(race(shop, "rush", tasks))
    won = list(chain(*held))
    assert len(won) == len(set(won)) and {answer["code"] for answer in refused} == {"seats_taken"}
    assert set(chain(*(answer["taken"] for answer in refused))) <= set(won)
    assert {seat for seat, letter in enumerate(await shop.seats()) if letter == "h"} == set(won)
    unheld = set(range(60)) - set(won)
    assert not any(set(group) <= unheld for group in groups), "who wanted only free seats got them"


async def until_it_happens(play):
    """Negative control: without the locks, what must not happen does. Chance decides in which round."""
    for number in range(UNPROTECTED_ROUNDS_MAX):
        happened = await play(False)
        print(f"round {number}: {happened}")
        if happened:
            return
    pytest.fail("these processes do not race")


async def test_two_processes_of_one_person_cannot_pass_the_limit_together(database, database_url, race):
    shop = await open_shop(database, database_url, several_holds=True, seats_per_person=8)

    async def play(locks):
        """Persons with more than eight seats. They are buyers already: a new one is kept single by its key alone."""
        persons = [new_person() for _ in range(6)]
        for person in persons:
            await shop.inventory.let_go(shop.shard_id, (await shop.hold(person, 59)).hold.hold_id, person)
        halves = [[(str(p), list(range(s, s + 5))) for p, s in zip(persons, half, strict=True)] for half in HALVES]
        held, refused = split(race(shop, "rush", [{"wishes": half, "locks": locks} for half in halves]))
        totals = await shop.rows("SELECT person, sum(cardinality(seats)) FROM hold WHERE state = 1 GROUP BY person")
        if locks:
            assert len(held) == 6 and [answer["code"] for answer in refused] == ["person_limit"] * 6
            assert sorted(total for _, total in totals) == [5] * 6
        await start_anew(shop)
        return [total for _, total in totals if total > 8]

    assert not await play(True)
    await until_it_happens(play)


async def test_a_seat_is_held_or_blocked_and_never_both(database, database_url, race):
    shop = await open_shop(database, database_url)

    async def play(locks):
        """Seats of which a fan heard that they are held, and the organiser that they are blocked."""
        seats = range(48)
        tasks = [{"wishes": wishes(*([seat] for seat in seats))}, {"play": "block", "seats": list(seats)}]
        held, blocked = race(shop, "rush", [task | {"locks": locks} for task in tasks])
        held = [answer[0] for answer in held if isinstance(answer, list)]
        blocked = [answer for answer in blocked if isinstance(answer, int)]
        if locks:
            assert sorted(held + blocked) == list(seats)
            letters = await shop.seats()
            assert letters.count("h") == len(held) and letters.count("n") == len(blocked)
        await start_anew(shop)
        return sorted({*held} & {*blocked})

    assert not await play(True)
    await until_it_happens(play)


async def run_out(shop):
    """Every pair is in a hold that has run out, each of a person of their own: {hold: pair}."""
    holds = {(await shop.hold(new_person(), *pair)).hold.hold_id: pair for pair in PAIRS}
    await shop.grow_older(400)
    return holds


async def test_seats_of_a_run_out_hold_go_to_its_owner_or_to_another_and_never_to_both(database, database_url, race):
    shop = await open_shop(database, database_url)

    async def play(locks):
        """Pairs that were sold to the owner of the hold that had run out, and held for somebody else as well."""
        holds = await run_out(shop)
        tasks = [{"wishes": wishes(*PAIRS)}, {"play": "confirm", "holds": list(holds)}]
        held, sold = race(shop, "rush", [task | {"locks": locks} for task in tasks])
        held = [tuple(answer) for answer in held if isinstance(answer, list)]
        sold = [holds[answer] for answer in sold if isinstance(answer, int)]
        if locks:
            assert sorted(held + sold) == PAIRS
            letters = await shop.seats()
            assert letters.count("h") == 2 * len(held) and letters.count("s") == 2 * len(sold)
        await start_anew(shop)
        return sorted({*held} & {*sold})

    assert not await play(True)
    await until_it_happens(play)


async def test_the_sweep_takes_no_seat_from_who_has_just_taken_it(database, database_url, race):
    shop = await open_shop(database, database_url)

    async def play(locks):
        """How many seats were held by answer and are free: swept with the hold that had run out before."""
        await run_out(shop)
        held, _ = race(shop, "rush", [{"wishes": wishes(*PAIRS), "locks": locks}, {"play": "sweep", "locks": locks}])
        free = (await shop.seats()).count("f")
        assert not locks or sorted(map(tuple, held)) == PAIRS
        await start_anew(shop)
        return free

    assert not await play(True)
    await until_it_happens(play)


async def start_anew(shop):
    """Nobody has anything."""
    for statement in (
        "UPDATE seat SET state = 0, hold_id = NULL, held_until = NULL, order_id = NULL RETURNING true",
        "DELETE FROM hold RETURNING true",
        "DELETE FROM buyer RETURNING true",
    ):
        await shop.rows(statement)


async def test_a_person_in_three_browsers_ends_with_one_hold_where_the_event_allows_one(database, database_url, race):
    shop = await open_shop(database, database_url)
    persons = [str(new_person()) for _ in range(10)]
    tasks = [{"wishes": [(p, [6 * n + 2 * k]) for n, p in enumerate(persons)]} for k in range(PROCESSES)]
    held, refused = split(race(shop, "rush", tasks))
    assert len(held) == 10 * PROCESSES and not refused
    assert (await shop.seats()).count("h") == 10
    assert await shop.rows("SELECT cardinality(holds), count(*) FROM buyer GROUP BY 1") == [(1, 10)]


async def test_the_best_seats_go_to_all_who_ask_as_long_as_there_are_any(database, database_url, race):
    """Processes choose from pictures of their own and lose races for what others chose; nobody may go away for that."""
    shop = await open_shop(database, database_url)
    tasks = [{"quantity": 1, "persons": [str(new_person()) for _ in range(25)]} for _ in range(PROCESSES)]
    held, refused = split(race(shop, "best", tasks))
    print("held", len(held), "refused", Counter(answer["code"] for answer in refused))
    won = list(chain(*held))
    assert len(won) == len(set(won))
    told = Counter(answer["code"] for answer in refused)
    assert set(told) <= {"no_seats_together", "overloaded"}
    left = (await shop.seats()).count("f") - 2  # Two are kept back for wheelchair users.
    assert left <= told["overloaded"], "with a free seat left, nobody was told that there is none"


async def test_all_verbs_at_once_wait_for_each_other_and_never_in_a_circle(database, database_url, race):
    """Hold, extend, prolong, confirm, release, return, block, sweep, forget over few seats: locks in one order."""
    shop = await open_shop(database, database_url, several_holds=True, seats_per_person=30)
    seed = random.randrange(2**32)
    print("seed", seed)
    persons = [str(new_person()) for _ in range(8)]
    task = {"persons": persons, "seats": 24, "rounds": 60, "fans": 10}
    answers = race(shop, "mixed", [task | {"seed": seed + number} for number in range(PROCESSES)])
    counted = sum((Counter(answer) for answer in answers), Counter())
    print(dict(counted))
    assert sum(counted.values()) == 60 * 10 * PROCESSES
    refusals = {key.split()[1] for key in counted} - {"done"}
    assert refusals <= {"seats_taken", "person_limit", "hold_not_found", "hold_expired", "overloaded"}
    for verb in ("hold", "extend", "prolong", "confirm", "release", "take_back", "sweep", "block", "unblock"):
        assert counted[f"{verb} done"] > 3
    await _all_is_in_order(shop)


async def _all_is_in_order(shop):
    """What the referee would ask: owners, limits, and that the facts replayed give the tables."""
    active = "SELECT hold_id, seats FROM hold WHERE state = 1 AND expires_at > now()"
    for hold_id, seats in await shop.rows(active):
        carried = await shop.rows("SELECT seat_no FROM seat WHERE hold_id = %(hold)s AND state = 1", hold=hold_id)
        assert {row[0] for row in carried} == set(seats), "a hold is all or nothing"
    held = await shop.rows("SELECT hold_id FROM seat WHERE state = 1 AND held_until > now()")
    assert {row[0] for row in held} == {hold_id for hold_id, _ in await shop.rows(active)}
    [(bought,)] = await shop.rows("SELECT sum(bought) FROM buyer")
    assert (await shop.seats()).count("s") == bought
    numbers, letters = dict.fromkeys(range(60), 0), {}
    for kind, body in (await shop.told())[1:]:
        for seat_no, change_no in body["seats"]:
            if change_no > numbers[seat_no]:
                numbers[seat_no] = change_no
                letters[seat_no] = {"SeatsHeld": "h", "SeatsReleased": "f", "SeatsSold": "s", "SeatsBlocked": "n"}[kind]
    assert numbers == await shop.change_nos()
    assert "".join(letters.get(seat_no, "f") for seat_no in range(60)) == await shop.seats()

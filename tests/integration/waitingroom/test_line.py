"""The line over real PostgreSQL and Redis: numbers, places, and what is left of them when Redis is lost."""

import asyncio
import random
from contextlib import asynccontextmanager

import pytest

from onsale import limits
from onsale.kit import db, ids, redis
from onsale.kit.ids import new_person
from onsale.kit.problems import Unavailable
from onsale.kit.redis import RedisAway
from onsale.waitingroom import Line, LineCache, NoLine, NoPlace
from onsale.waitingroom.model import PROVISIONAL, Gap, Handed

pytestmark = pytest.mark.anyio

SHARD = ids.shard_of(7)
KEY = "{e7}:0:line"


class Crowd:
    """Processes at one line, and the truth about it."""

    def __init__(self, database, clients):
        self.database = database
        self.redis = clients[0]
        self.processes = [Line(database, LineCache(client)) for client in clients]

    async def join(self, *persons, process=0):
        return await asyncio.gather(*(self.processes[process].join(SHARD, person) for person in persons))

    async def rows(self, query, **named):
        async with self.database.transaction() as tx:
            return await (await tx.execute(query, {"shard_id": SHARD, **named})).fetchall()

    async def lose(self):
        """Redis begins empty."""
        await self.redis.flushall()


@asynccontextmanager
async def crowd(database, redis_url, processes=2):
    clients = [redis.connect(redis_url) for _ in range(processes)]
    async with database.transaction() as tx:
        made = Crowd(database, clients)
        await made.processes[0].open(tx, SHARD)
    try:
        yield made
    finally:
        for _ in range(500):  # What looks ahead would open a connection again.
            if not any(process._raising for process in made.processes):
                break
            await asyncio.sleep(0.01)
        for client in clients:
            await client.aclose()


@pytest.fixture
async def line(database, redis_url, redis_client):
    async with crowd(database, redis_url) as made:
        yield made


def persons(count):
    return [new_person() for _ in range(count)]


# -- numbers -----------------------------------------------------------------------------------------------------------


async def test_a_thousand_at_once_through_two_processes_get_the_numbers_from_one_to_a_thousand(line):
    one, two = persons(500), persons(500)
    places = await asyncio.gather(line.join(*one), line.join(*two, process=1))
    assert sorted(place.number for half in places for place in half) == list(range(1, 1_001))
    assert {place.epoch for half in places for place in half} == {1}


async def test_who_comes_later_stands_behind(line):
    numbers = [(await line.join(new_person(), process=turn % 2))[0].number for turn in range(20)]
    assert numbers == sorted(numbers)


async def test_ten_devices_of_one_person_share_one_place(line):
    ann = new_person()
    places = await asyncio.gather(*(line.processes[turn % 2].join(SHARD, ann) for turn in range(10)))
    assert len({place.number for place in places}) == 1
    [bob] = await line.join(new_person())
    assert bob.number == places[0].number + 1


async def test_no_number_is_given_that_postgresql_has_not_committed_to(line, monkeypatch):
    """And none is left out between two blocks while nothing fails, though both processes raise the ceiling."""
    monkeypatch.setattr(limits, "NUMBERS_AHEAD_MAX", 40)
    numbers = []
    for _ in range(10):
        places = await asyncio.gather(line.join(*persons(15)), line.join(*persons(15), process=1))
        numbers += [place.number for half in places for place in half]
        [[ceiling]] = await line.rows("SELECT ceiling FROM line WHERE shard_id = %(shard_id)s")
        assert max(numbers) <= ceiling
    assert sorted(numbers) == list(range(1, 301))
    assert await line.rows("SELECT * FROM line_gap") == []


async def test_an_event_without_a_line_has_none(line):
    with pytest.raises(NoLine):
        await line.processes[0].join(ids.shard_of(8), new_person())
    with pytest.raises(NoLine):
        await line.processes[0].board(ids.shard_of(8))


# -- leaving -----------------------------------------------------------------------------------------------------------


async def test_who_leaves_has_no_place_and_joins_again_at_the_end(line):
    ann, bob, cat = await line.join(*persons(3))
    await line.processes[0].leave(SHARD, ann.person)
    await line.processes[1].leave(SHARD, ann.person)
    with pytest.raises(NoPlace):
        await line.processes[0].find(SHARD, ann)
    [again] = await line.join(ann.person)
    assert again.number == cat.number + 1
    assert (await line.processes[0].find(SHARD, bob)).number == bob.number
    assert (await line.processes[1].board(SHARD)).left == ((0, 1),)


# -- Redis is lost -----------------------------------------------------------------------------------------------------


async def test_after_redis_is_lost_no_number_is_given_twice_and_old_places_come_back(line):
    before = await line.join(*persons(50))
    await line.lose()
    # Some come back with their places, others join for the first time, in any order and through both processes.
    shown, new = before[:30], persons(30)
    asks = [(place.person, place) for place in shown] + [(person, None) for person in new]
    seed = random.randrange(2**32)
    print("seed", seed)
    random.Random(seed).shuffle(asks)
    after = await asyncio.gather(
        *(line.processes[turn % 2].join(SHARD, person, place) for turn, (person, place) in enumerate(asks))
    )
    numbers = {place.person: place.number for place in after}
    assert all(numbers[place.person] == place.number for place in shown), "nobody loses their place"
    given = [numbers[person] for person in new]
    assert len(set(given)) == len(new)
    assert min(given) > max(place.number for place in before), "and nobody gets anybody's"
    assert {place.epoch for place in after} == {2}, "two processes that find it lost begin one epoch"


async def test_without_the_ceiling_it_would_be_given_twice(line):
    """Negative control: a line that begins again where an empty Redis would."""
    before = await line.join(*persons(10))
    await line.lose()
    await LineCache(line.redis).begin(SHARD, Handed(1, 0, 100))
    after = await line.join(*persons(10))
    assert {place.number for place in after} == {place.number for place in before}


async def test_of_two_places_of_one_person_the_lower_stays(line):
    [first] = await line.join(new_person())
    await line.lose()
    [second] = await line.join(first.person)
    assert second.number > first.number
    found = await line.processes[1].find(SHARD, first)
    assert found.number == first.number
    assert (await line.processes[0].find(SHARD, second)).number == first.number


async def test_who_left_cannot_come_back_with_the_old_token_while_nothing_was_lost(line):
    ann, _ = await line.join(*persons(2))
    await line.processes[0].leave(SHARD, ann.person)
    again = await line.processes[0].join(SHARD, ann.person, ann)
    assert again.number == 3


async def lagging(line, *, another_server):
    """Redis as it was before the last twenty joined: what a copy that lagged knows when it takes over."""
    kept = {key: await line.redis.dump(key) for key in await line.redis.keys(f"{KEY}*")}
    lost = await line.join(*persons(20))
    await line.lose()
    for key, body in kept.items():
        await line.redis.restore(key, 0, body)
    if another_server:
        await line.redis.hset(KEY, "run", "another")
    return lost


async def test_a_copy_that_lagged_gives_none_of_the_numbers_it_has_not_heard_of(line):
    await line.join(*persons(20))
    lost = await lagging(line, another_server=True)
    after = await line.join(*persons(20))
    assert min(place.number for place in after) > max(place.number for place in lost)
    assert [place.number for place in await asyncio.gather(*(line.processes[1].find(SHARD, p) for p in lost))] == [
        place.number for place in lost
    ]


async def test_a_copy_that_passed_for_the_server_itself_would_give_them_twice(line):
    """Negative control: it is the server's own name that tells."""
    await line.join(*persons(20))
    lost = await lagging(line, another_server=False)
    after = await line.join(*persons(20))
    assert {place.number for place in after} == {place.number for place in lost}


async def test_numbers_that_nobody_has_are_not_people_ahead(line):
    await line.join(*persons(10))
    await line.processes[0].board(SHARD)  # It notes that ten were given.
    await line.lose()
    [last] = await line.join(new_person())
    board = await line.processes[1].board(SHARD)
    assert board.gaps == (Gap(10, limits.NUMBERS_AHEAD_MAX),)
    assert last.number == limits.NUMBERS_AHEAD_MAX + 1
    assert board.ahead_of(last.number) == 10
    assert board.waiting == 11


# -- Redis is away -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def cut_off(line):
    """A process of the same line that cannot reach Redis."""
    client = redis.connect("redis://127.0.0.1:9/0")
    yield Line(line.database, LineCache(client))
    await client.aclose()


async def test_a_process_cut_off_from_redis_gives_numbers_of_its_own_block(line):
    early = await line.join(*persons(5))
    async with cut_off(line) as alone:
        ann, bob = persons(2)
        provisional = [await alone.join(SHARD, person) for person in (ann, bob, ann)]
        assert [place.epoch for place in provisional] == [PROVISIONAL] * 3
        assert provisional[0] == provisional[2] != provisional[1]
        assert await alone.join(SHARD, early[0].person, early[0]) == early[0], "who has a place keeps it"
        assert await alone.find(SHARD, early[1]) == early[1]
    others = await line.join(*persons(2 * limits.NUMBERS_AHEAD_MAX // limits.JOIN_BATCH_MAX))
    taken = {place.number for place in (*early, *others)}
    assert not taken & {place.number for place in provisional}
    assert (await line.processes[0].find(SHARD, provisional[0])).number == provisional[0].number
    assert (await line.processes[1].join(SHARD, ann)).number == provisional[0].number


async def test_numbers_reserved_for_one_process_are_jumped_over_by_redis(line, monkeypatch):
    monkeypatch.setattr(limits, "NUMBERS_AHEAD_MAX", 20)
    early = await line.join(*persons(5))
    async with cut_off(line) as alone:
        reserved = await asyncio.gather(*(alone.join(SHARD, person) for person in persons(10)))
    later = [place for _ in range(6) for place in await line.join(*persons(10))]
    numbers = [place.number for place in (*early, *reserved, *later)]
    assert len(set(numbers)) == len(numbers)
    assert {place.number for place in reserved} == set(range(21, 31))
    assert max(place.number for place in later) > 20 + limits.NUMBERS_RESERVED_MAX


async def test_what_is_left_of_a_block_stands_for_nobody(line, database):
    client = redis.connect("redis://127.0.0.1:9/0")
    process = Line(database, LineCache(client))
    first = await process.join(SHARD, new_person())
    process._cache = LineCache(line.redis)  # Redis is there again.
    await process.join(SHARD, new_person())
    for _ in range(500):
        if not process._provisional.reserved(SHARD):
            break
        await asyncio.sleep(0.01)
    assert await line.rows("SELECT after, until FROM line_gap") == [(first.number, limits.NUMBERS_RESERVED_MAX)]
    await client.aclose()


async def test_the_board_goes_on_without_redis_as_it_was_noted(line):
    await line.join(*persons(30))
    await line.processes[0].board(SHARD)
    async with cut_off(line) as alone:
        board = await alone.board(SHARD)
        assert (board.given, board.waiting) == (30, 30)
        with pytest.raises(RedisAway):
            await alone.leave(SHARD, new_person())


# -- PostgreSQL is away ------------------------------------------------------------------------------------------------


async def test_without_postgresql_people_join_up_to_the_ceiling_and_the_board_goes_on(line, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTION_WAIT_S", 0.2)
    await line.join(*persons(10))
    nowhere = db.Database("host=127.0.0.1 port=9")
    await nowhere.open()
    process = Line(nowhere, LineCache(line.redis))
    process._boards = line.processes[0]._boards
    await line.processes[0].board(SHARD)
    place = await process.join(SHARD, new_person())
    assert place.number == 11
    monkeypatch.setattr(limits, "BOARD_AGE_MAX_S", 0.0)
    assert (await process.board(SHARD)).given == 11
    await nowhere.close()


async def test_who_has_a_place_hears_it_though_the_numbers_are_used_up_and_postgresql_is_away(line, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTION_WAIT_S", 0.2)
    [ann] = await line.join(new_person())
    await line.redis.hset(KEY, "ceiling", 1)
    nowhere = db.Database("host=127.0.0.1 port=9")
    await nowhere.open()
    process = Line(nowhere, LineCache(line.redis))
    again, new = await asyncio.gather(
        process.join(SHARD, ann.person), process.join(SHARD, new_person()), return_exceptions=True
    )
    assert again == ann
    assert isinstance(new, db.DatabaseAway)
    await nowhere.close()


async def test_while_nobody_can_say_nobody_hears_that_they_are_not_in_line(line, monkeypatch):
    """A line that is lost as often as it is begun: come again, and never `no_place`."""
    [ann] = await line.join(new_person())

    async def lost(shard_id, asks):
        return None

    monkeypatch.setattr(line.processes[0]._cache, "join", lost)
    with pytest.raises(Unavailable):
        await line.processes[0].find(SHARD, ann)


# -- size --------------------------------------------------------------------------------------------------------------


async def test_a_person_takes_less_than_two_hundred_bytes_of_redis(line):
    async def used():
        return (await line.redis.info("memory"))["used_memory_dataset"]

    await line.join(new_person())
    before, count = await used(), 60_000
    cache = LineCache(line.redis)
    handed = Handed(1, 0, 10**9)
    await line.redis.hset(KEY, "ceiling", handed.ceiling)
    from onsale.waitingroom.model import Ask  # noqa: PLC0415 - only this test speaks to the cache itself

    for _ in range(count // 500):
        await cache.join(SHARD, [Ask(person) for person in persons(500)])
    each = (await used() - before) / count
    print(f"{each:.0f} bytes a person")
    assert each < 200

"""Facts: exactly when the change is true, in the order of commits, and heard once a commit."""

import asyncio
from contextlib import suppress

import psycopg
import pytest

from onsale import limits
from onsale.kit import clock, db, facts
from onsale.kit.facts import Fact, Facts
from onsale.kit.jobs import Jobs

pytestmark = pytest.mark.anyio


class LampLit(Fact, frozen=True):
    lamp: int


class LampBroken(Fact, frozen=True):
    lamp: int


class Rollback(Exception):
    """Makes a transaction end without its effect."""


@pytest.fixture
def jobs(database_url):
    return Jobs(database_url)


@pytest.fixture
def plain(jobs):
    """Facts that nobody hears."""
    return Facts(jobs)


async def record(recorder, database, *lamps):
    async with database.transaction() as tx:
        for lamp in lamps:
            await recorder.record(tx, LampLit(shard_id=64, lamp=lamp))


async def record_and_fail(recorder, database, lamp):
    with suppress(Rollback):
        async with database.transaction() as tx:
            await recorder.record(tx, LampLit(shard_id=64, lamp=lamp))
            raise Rollback


class Follower:
    """Follows in a task of its own, as a process does; `lamps` is what it has seen."""

    def __init__(self, database, *kinds):
        self.lamps = []
        self.batches = []
        self._database = database
        self._kinds = kinds or (LampLit,)

    async def __aenter__(self):
        self._task = asyncio.create_task(self._run())
        await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self):
        async for batch in facts.follow(self._database, self._kinds, every_s=0.01):
            self.batches.append(batch)
            self.lamps += [fact.lamp for fact in batch if isinstance(fact, LampLit)]

    async def sees(self, *lamps, before=()):
        """Exactly these, after some of `before`: what committed while an older transaction still ran may come again."""
        async with asyncio.timeout(20):
            while not self.lamps or self.lamps[-1] != lamps[-1]:
                await clock.sleep(0.01)
        await asyncio.sleep(0.05)
        assert [lamp for lamp in self.lamps if lamp not in before] == list(lamps)


async def test_a_follower_sees_what_commits_from_now_on_in_order(database, plain):
    await record(plain, database, 1)
    async with Follower(database) as follower:
        await record(plain, database, 2, 3)
        await record(plain, database, 4)
        await follower.sees(2, 3, 4, before=[1])


async def test_what_was_rolled_back_is_seen_and_heard_by_nobody(database, jobs):
    heard = []

    async def hear(fact):
        heard.append(fact.lamp)

    told = Facts(jobs)
    told.tell({LampLit: (hear,)})
    async with Follower(database) as follower:
        await record_and_fail(told, database, 1)
        await record(told, database, 2)
        await follower.sees(2)
    await jobs.run(concurrency=1, until_empty=True)
    assert heard == [2]


async def test_a_fact_whose_transaction_is_older_and_commits_later_is_not_lost(database, plain):
    async with Follower(database) as follower:
        async with database.transaction() as slow:
            await plain.record(slow, LampLit(shard_id=64, lamp=1))
            await record(plain, database, 2)
            await asyncio.sleep(0.1)
            assert follower.lamps == [], "a younger fact waits for the older transaction, or the order would break"
        await follower.sees(1, 2)


async def test_reading_on_by_id_greater_than_the_last_loses_it(database, plain):
    """Negative control: the reader everybody writes first."""
    seen, last = [], 0

    async def read_on():
        nonlocal last
        async with database.transaction() as tx:
            cursor = await tx.execute("SELECT fact_id, (body->>'lamp')::int FROM fact WHERE fact_id > %s", [last])
            for fact_id, lamp in await cursor.fetchall():
                last = max(last, fact_id)
                seen.append(lamp)

    async with database.transaction() as slow:
        await plain.record(slow, LampLit(shard_id=64, lamp=1))
        await record(plain, database, 2)
        await read_on()
    await read_on()
    assert seen == [2]


async def test_a_transaction_that_began_before_the_follower_and_commits_after_is_seen(database, plain):
    """Its effect is in no snapshot that the follower could have started from."""
    follower = Follower(database)
    try:
        async with database.transaction() as slow:
            await plain.record(slow, LampLit(shard_id=64, lamp=1))
            await follower.__aenter__()
            assert follower.lamps == []
        await follower.sees(1)
    finally:
        await follower.__aexit__()


async def test_an_open_transaction_that_records_nothing_does_not_reorder(database, plain):
    async with Follower(database) as follower:
        async with database.transaction() as idle:
            await idle.execute("SELECT pg_current_xact_id()")
            await record(plain, database, 1)
            await asyncio.sleep(0.1)
        await record(plain, database, 2)
        await follower.sees(1, 2)


async def test_facts_nobody_wants_are_passed_over_and_do_not_stop_the_rest(database, plain, monkeypatch):
    monkeypatch.setattr(limits, "FACTS_BATCH_MAX", 3)
    async with Follower(database) as follower:
        async with database.transaction() as tx:
            for lamp in range(10):
                await plain.record(tx, LampBroken(shard_id=64, lamp=lamp))
        await record(plain, database, *range(8))
        await follower.sees(*range(8))
    assert max(len(batch) for batch in follower.batches) <= 3


async def test_a_storm_of_writers_loses_nothing_and_doubles_nothing(database, plain):
    """Forty writers hold their transactions open for different times; the follower reads on all the while."""
    async with Follower(database) as follower:

        async def write(number):
            for turn in range(5):
                async with database.transaction() as tx:
                    await plain.record(tx, LampLit(shard_id=64, lamp=number * 5 + turn))
                    await asyncio.sleep((number * 7 + turn * 3) % 11 / 500)

        await asyncio.gather(*(write(number) for number in range(40)))
        async with asyncio.timeout(10):
            while len(follower.lamps) < 200:
                await clock.sleep(0.01)
        await asyncio.sleep(0.1)
    assert sorted(follower.lamps) == list(range(200))
    for number in range(40):
        own = [lamp for lamp in follower.lamps if lamp // 5 == number]
        assert own == sorted(own), "one writer's facts come in the order it committed them"


async def test_a_follower_whose_connection_is_killed_goes_on_where_it_was(database, plain, database_url):
    async with Follower(database) as follower:
        await record(plain, database, 1)
        await follower.sees(1)
        for lamp in (2, 3):
            with psycopg.connect(database_url, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
            async with asyncio.timeout(10):
                while True:
                    try:
                        await record(plain, database, lamp)
                        break
                    except db.DatabaseAway:
                        await asyncio.sleep(0.05)
            await follower.sees(*range(1, lamp + 1))


async def test_each_hearer_hears_each_fact_once_a_commit(database, jobs):
    heard = []

    async def first(fact):
        heard.append(("first", fact))

    async def second(fact):
        heard.append(("second", fact))

    told = Facts(jobs)
    told.tell({LampLit: (first, second), LampBroken: (second,)})
    await record(told, database, 1)
    async with database.transaction() as tx:
        await told.record(tx, LampBroken(shard_id=64, lamp=2))
    await jobs.run(concurrency=2, until_empty=True)
    lit, broken = LampLit(shard_id=64, lamp=1), LampBroken(shard_id=64, lamp=2)
    assert sorted(heard, key=str) == sorted([("first", lit), ("second", lit), ("second", broken)], key=str)
    await jobs.run(concurrency=1, until_empty=True)
    assert len(heard) == 3


async def test_two_workers_hear_a_fact_once_between_them(database, database_url):
    heard = []

    async def hear(fact):
        heard.append(fact.lamp)
        await asyncio.sleep(0.01)

    workers = [Jobs(database_url), Jobs(database_url)]
    told = [Facts(jobs) for jobs in workers]
    for one in told:
        one.tell({LampLit: (hear,)})
    await record(told[0], database, *range(20))
    await asyncio.gather(*(jobs.run(concurrency=3, until_empty=True) for jobs in workers))
    assert sorted(heard) == list(range(20))


async def test_a_hearer_that_fails_hears_again_and_keeps_no_other_from_hearing(database, jobs, monkeypatch):
    monkeypatch.setattr(limits, "JOB_WAIT_S", 0)
    tries, heard = [], []

    async def fails_once(fact):
        tries.append(fact.lamp)
        if len(tries) == 1:
            raise RuntimeError("not yet")

    async def hears(fact):
        heard.append(fact.lamp)

    told = Facts(jobs)
    told.tell({LampLit: (fails_once, hears)})
    await record(told, database, 1)
    async with asyncio.timeout(20):
        while len(tries) < 2:
            await jobs.run(concurrency=2, until_empty=True)
            await asyncio.sleep(0.05)
    assert (tries, heard) == ([1, 1], [1])


async def test_a_fact_recorded_on_a_pipelined_transaction_is_the_same(database, jobs):
    """The hot path records so: its statements travel without waiting for each other."""
    heard = []

    async def hear(fact):
        heard.append(fact.lamp)

    told = Facts(jobs)
    told.tell({LampLit: (hear,)})
    async with Follower(database) as follower:
        async with database.pipelined() as tx:
            await told.record(tx, LampLit(shard_id=64, lamp=1))
        await follower.sees(1)
    await jobs.run(concurrency=1, until_empty=True)
    assert heard == [1]


async def test_old_facts_are_forgotten_and_young_ones_kept(database, plain):
    await record(plain, database, 1, 2)
    async with database.transaction() as tx:
        await tx.execute("UPDATE fact SET at = at - interval '8 days' WHERE body->>'lamp' = '1'")
        await facts.forget(tx, 10)
        left = await (await tx.execute("SELECT body->>'lamp' FROM fact")).fetchall()
    assert left == [("2",)]


async def test_who_hears_is_said_once(jobs):
    async def hear(fact):
        raise AssertionError(fact)

    told = Facts(jobs)
    told.tell({LampLit: (hear,)})
    with pytest.raises(AssertionError):
        told.tell({LampBroken: (hear,)})


async def read_lamps(reader, count=1):
    """The next so many. Other databases of the server have transactions, too, and facts wait for their end."""
    lamps: list[int] = []
    while len(lamps) < count:
        lamps += [fact.lamp for fact in await reader.read()]
        await asyncio.sleep(0.01)
    return lamps


async def test_a_reader_knows_how_far_it_has_read(database, plain):
    """What had ended at one read has been read once the horizon of a later one has passed it."""
    reader = facts.Reader(database, [LampLit])
    await reader.begin()
    async with database.transaction() as early:
        await plain.record(early, LampLit(shard_id=64, lamp=1))
        await record(plain, database, 2)
        assert await reader.read() == [], "an earlier transaction may still commit"
        ahead = reader.ahead
        assert reader.horizon < ahead
    assert await read_lamps(reader, 2) == [1, 2]
    assert reader.horizon >= ahead and not reader.full


async def test_a_reader_goes_on_from_a_position_it_is_given(database, plain):
    first = facts.Reader(database, [LampLit])
    await first.begin()
    await record(plain, database, 1)
    assert await read_lamps(first) == [1]
    await record(plain, database, 2)
    second = facts.Reader(database, [LampLit])
    second.position = first.position
    assert await read_lamps(second) == [2]

"""Holds at several events in one transaction: as if each event had one of its own."""

import asyncio
import random
import time
from collections import Counter

import pytest

from onsale import limits
from onsale.inventory import HoldView
from onsale.inventory.errors import NotOnSale, SeatsTaken
from onsale.inventory.model import Ask
from onsale.inventory.take import Taker
from onsale.kit.db import Contended
from onsale.kit.ids import ShardId, new_id, new_person

pytestmark = pytest.mark.anyio

SHARDS = [ShardId(64 * number) for number in range(1_001, 1_013)]
NOWHERE = ShardId(64 * 2_000)
SEATS = 8


@pytest.fixture
async def shards(shop):
    """Twelve more events of eight seats, as the taker meets them: rows."""
    for shard_id in SHARDS:
        await shop.rows(
            "INSERT INTO sale VALUES (%(shard)s, %(seats)s, now(), now() + '1d', 300, 8, 8, false) RETURNING true",
            shard=shard_id,
            seats=SEATS,
        )
        await shop.rows(
            "INSERT INTO seat (shard_id, seat_no, tier) SELECT %(shard)s, n, n FROM generate_series(0, %(seats)s - 1) n"
            " RETURNING true",
            shard=shard_id,
            seats=SEATS,
        )
    return SHARDS


def taker(shop):
    return Taker(shop.database, shop.inventory.changes)


async def asking(taker, *asks):
    return await asyncio.gather(*(taker.take(*ask) for ask in asks), return_exceptions=True)


def kinds(answers):
    return [type(answer) for answer in answers]


async def test_each_event_decides_for_itself_in_one_transaction(shop, shards):
    one, two, three, ahead = shards[:4]
    person = new_person()
    first, *answers = await asking(
        taker(shop),
        (ahead, Ask(person, (1,), new_id())),
        (one, Ask(person, (1, 2), new_id())),
        (one, Ask(new_person(), (2, 3), new_id())),
        (NOWHERE, Ask(person, (1,), new_id())),
        (two, Ask(person, (2,), new_id())),
        (three, Ask(new_person(), (2, 7), new_id())),
    )
    assert isinstance(first, HoldView)
    assert kinds(answers) == [HoldView, SeatsTaken, NotOnSale, HoldView, HoldView]
    assert [answers[place].hold.tiers for place in (0, 3, 4)] == [(1, 2), (2,), (2, 7)]
    held = await shop.rows("SELECT shard_id, seat_no FROM seat WHERE state = 1 ORDER BY shard_id, seat_no")
    assert held == [(one, 1), (one, 2), (two, 2), (three, 2), (three, 7), (ahead, 1)]
    facts = await shop.rows("SELECT count(*) FROM fact WHERE kind = 'SeatsHeld' GROUP BY xid ORDER BY 1")
    assert facts == [(1,), (3,)]


async def test_a_person_changes_their_mind_at_each_event_apart(shop, shards):
    """What they hold at one is replaced there, and stays where the new wish is refused."""
    one, two = shards[:2]
    person, taking = new_person(), taker(shop)
    await asking(taking, (one, Ask(person, (1,), new_id())), (two, Ask(person, (1,), new_id())))
    await asking(taking, (two, Ask(new_person(), (5,), new_id())))
    again = (one, Ask(person, (2,), new_id())), (two, Ask(person, (5,), new_id()))
    assert kinds(await asking(taking, *again)) == [HoldView, SeatsTaken]
    held = await shop.rows("SELECT shard_id, seat_no FROM seat WHERE state = 1 ORDER BY shard_id, seat_no")
    assert held == [(one, 2), (two, 1), (two, 5)]


async def test_an_event_whose_seats_are_locked_keeps_the_others_waiting_for_a_moment_only(shop, shards):
    one, two, ahead = shards[:3]
    lock = "SELECT FROM seat WHERE shard_id = %s AND seat_no = 1 FOR UPDATE"
    taking = taker(shop)
    async with shop.database.transaction() as rival:
        await rival.execute(lock, [one])
        first = asyncio.ensure_future(taking.take(ahead, Ask(new_person(), (1,), new_id())))
        stuck = asyncio.ensure_future(taking.take(one, Ask(new_person(), (1,), new_id())))
        began_s = time.monotonic()
        assert isinstance(await taking.take(two, Ask(new_person(), (1,), new_id())), HoldView)
        assert time.monotonic() - began_s < limits.CONVOY_LOCK_TIMEOUT_S + 0.5
        for number in range(2, 6):
            began_s = time.monotonic()
            assert isinstance(await taking.take(two, Ask(new_person(), (number,), new_id())), HoldView)
            assert time.monotonic() - began_s < limits.CONVOY_LOCK_TIMEOUT_S
        assert not stuck.done(), "it waits for its lock as long as it would have waited alone"
    assert kinds([await first, await stuck]) == [HoldView] * 2


async def test_without_the_brief_wait_they_would_be_kept_as_long_as_the_lock(shop, shards, monkeypatch):
    """Negative control: it is that wait, and not luck, that lets them go."""
    monkeypatch.setattr(limits, "CONVOY_LOCK_TIMEOUT_S", 60.0)
    one, two, ahead = shards[:3]
    lock = "SELECT FROM seat WHERE shard_id = %s AND seat_no = 1 FOR UPDATE"
    taking = taker(shop)
    async with shop.database.transaction() as rival:
        await rival.execute(lock, [one])
        all_three = asyncio.ensure_future(
            asking(taking, *((shard_id, Ask(new_person(), (1,), new_id())) for shard_id in (ahead, one, two)))
        )
        await asyncio.sleep(1.0)
        assert not all_three.done()
    assert kinds(await all_three) == [HoldView] * 3


async def test_convoys_that_meet_never_lock_each_other_out(shop, shards):
    """Four processes, the same seats of the same events in any order: each has one taker, none is locked out."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    draw = random.Random(seed)
    won: Counter[tuple[int, int]] = Counter()

    async def process():
        asks = [(shard_id, (seat_no,)) for shard_id in shards for seat_no in range(SEATS)]
        draw.shuffle(asks)
        answers = await asking(taker(shop), *((at, Ask(new_person(), seats, new_id())) for at, seats in asks))
        for (shard_id, (seat_no,)), answer in zip(asks, answers, strict=True):
            assert isinstance(answer, HoldView | SeatsTaken), answer
            won[shard_id, seat_no] += isinstance(answer, HoldView)

    await asyncio.gather(*(process() for _ in range(4)))
    assert set(won.values()) == {1} and len(won) == SEATS * len(shards)


async def test_the_other_order_of_shards_would_be_a_deadlock(shop, shards):
    """Negative control: two that take the same seats in opposite orders do lock each other out."""
    lock = "SELECT FROM seat WHERE shard_id = %s AND seat_no = 1 FOR UPDATE"
    both = asyncio.Barrier(2)

    async def transaction(first, second):
        async with shop.database.transaction() as tx:
            await tx.execute(lock, [first])
            await both.wait()
            await tx.execute(lock, [second])

    one, two = shards[:2]
    ended = await asyncio.gather(transaction(one, two), transaction(two, one), return_exceptions=True)
    assert Contended in kinds(ended)

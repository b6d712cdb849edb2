"""What owners do with their holds travels in batches: one transaction each, and whose a hold is, is decided in it."""

import asyncio
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from tests.integration.inventory.opening import open_shop

from onsale import limits
from onsale.catalog import generate_chart
from onsale.inventory import HoldExpired, HoldNotFound, HoldView
from onsale.inventory.model import HoldState, Own
from onsale.inventory.owners import Owners
from onsale.kit import clock
from onsale.kit.ids import new_id, new_person

pytestmark = pytest.mark.anyio

ANN, BOB, CAT, EVE = (new_person() for _ in range(4))


@pytest.fixture
def owners(shop):
    return Owners(shop.database, shop.inventory.changes)


@pytest.fixture
def begun(shop, monkeypatch):
    """The transactions that are opened, by the pool they are on."""
    begun: list[str] = []
    for pool in ("transaction", "pipelined", "batch", "reading"):
        monkeypatch.setattr(shop.database, pool, _noted(getattr(shop.database, pool), pool, begun))
    return begun


def _noted(opened, pool, begun):
    @asynccontextmanager
    async def noted(*args):
        begun.append(pool)
        async with opened(*args) as tx:
            yield tx

    return noted


async def held(shop, *wishes):
    """A hold for each (person, seats)."""
    return [(await shop.hold(person, *seats)).hold for person, *seats in wishes]


def kinds(answers):
    """A refusal by its code, a hold by its seats."""
    return [answer.hold.seats if isinstance(answer, HoldView) else getattr(answer, "code", None) for answer in answers]


# -- letting go --------------------------------------------------------------------------------------------------------


async def test_somebody_elses_hold_in_the_middle_of_a_batch_stays_and_its_neighbours_are_let_go(shop, owners):
    ann, bob, cat = await held(shop, (ANN, 1, 2), (BOB, 5), (CAT, 8))
    asks = [Own(ann.hold_id, ANN), Own(bob.hold_id, EVE), Own(new_id(), EVE), Own(cat.hold_id, CAT)]
    assert kinds(await owners.release_batch(shop.shard_id, asks)) == [None, "hold_not_found", "hold_not_found", None]
    assert await shop.seats(1, 2, 5, 8) == "ffhf"
    assert (await shop.inventory.read(shop.shard_id, bob.hold_id, BOB)).hold == bob
    assert await shop.rows("SELECT person FROM buyer WHERE holds <> '{}'") == [(BOB,)]


async def test_an_owner_and_a_stranger_who_name_the_same_hold_hear_different_answers(shop, owners):
    [ann] = await held(shop, (ANN, 1))
    asks: list[Own] = []
    for persons in ((EVE, ANN), (ANN, EVE)):
        asks = [Own(ann.hold_id, person) for person in persons]
        wanted = [(1,) if person is ANN else "hold_not_found" for person in persons]
        assert kinds(await owners.prolong_batch(shop.shard_id, asks)) == wanted
    assert kinds(await owners.release_batch(shop.shard_id, asks)) == [None, "hold_not_found"]
    assert await shop.seats(1) == "f"


async def test_letting_go_twice_in_one_batch_and_once_more_frees_the_seats_once(shop, owners):
    [ann] = await held(shop, (ANN, 1, 2))
    for asks in ([Own(ann.hold_id, ANN)] * 2, [Own(ann.hold_id, ANN)]):
        assert await owners.release_batch(shop.shard_id, asks) == [None] * len(asks)
    assert {number: change_no for number, change_no in (await shop.change_nos()).items() if change_no} == {1: 2, 2: 2}
    assert [kind for kind, _ in await shop.told()] == ["SaleLaidDown", "SeatsHeld", "SeatsReleased"]


async def test_an_ended_hold_is_let_go_without_a_word_and_without_a_change(shop, owners):
    """Sold, replaced, or run out and lost: whoever let go wanted no seats, and has none by this hold."""
    sold, replaced, lost = await held(shop, (ANN, 1), (BOB, 2), (CAT, 3))
    await shop.pay(sold.hold_id)
    await held(shop, (BOB, 4))
    await shop.grow_older(301)
    await held(shop, (EVE, 3))
    asks = [Own(sold.hold_id, ANN), Own(replaced.hold_id, BOB), Own(lost.hold_id, CAT)]
    assert await owners.release_batch(shop.shard_id, asks) == [None] * 3
    assert await shop.seats(1, 2, 3) == "sfh"
    states = dict(await shop.rows("SELECT hold_id, state FROM hold"))
    assert [states[hold.hold_id] for hold in (sold, replaced, lost)] == [
        HoldState.SOLD,
        HoldState.REPLACED,
        HoldState.RELEASED,
    ]


# -- more time ---------------------------------------------------------------------------------------------------------


async def test_a_lost_hold_is_not_prolonged_and_the_good_one_beside_it_is(shop, owners):
    lost, good, ended = await held(shop, (ANN, 1, 2), (BOB, 5, 6), (CAT, 8))
    await owners.release_batch(shop.shard_id, [Own(ended.hold_id, CAT)])
    await shop.grow_older(301)
    await held(shop, (EVE, 2))
    now = clock.utcnow()
    asks = [
        Own(lost.hold_id, ANN),
        Own(good.hold_id, BOB),
        Own(good.hold_id, EVE),
        Own(ended.hold_id, CAT),
        Own(good.hold_id, BOB),
    ]
    answers = await owners.prolong_batch(shop.shard_id, asks, now)
    assert kinds(answers) == ["hold_expired", (5, 6), "hold_not_found", "hold_expired", (5, 6)]
    view = answers[1]
    assert view == answers[4] and view.whole and view.now == now
    assert view.hold.expires_at == now + timedelta(seconds=limits.PAYMENT_EXTENSION_S)
    read = await shop.inventory.read(shop.shard_id, good.hold_id, BOB)
    assert read.hold == view.hold and read.hold.state is HoldState.ACTIVE
    assert await shop.rows("SELECT DISTINCT held_until FROM seat WHERE seat_no IN (5, 6)") == [(view.hold.expires_at,)]
    assert {change_no for seat_no, change_no in (await shop.change_nos()).items() if seat_no in (5, 6)} == {2}


async def test_a_hold_at_its_bound_is_not_prolonged(shop, owners):
    [ann] = await held(shop, (ANN, 1))
    too_late = ann.max_until - timedelta(seconds=limits.PAYMENT_EXTENSION_S - 1)
    [answer] = await owners.prolong_batch(shop.shard_id, [Own(ann.hold_id, ANN)], too_late)
    assert isinstance(answer, HoldExpired)


# -- how they travel ---------------------------------------------------------------------------------------------------


async def test_each_verb_of_an_owner_is_one_transaction_and_so_is_a_batch_of_them(shop, begun):
    holds = await held(shop, *((new_person(), seat) for seat in range(40)))
    for verb in (shop.inventory.prolong, shop.inventory.let_go):
        begun.clear()
        await verb(shop.shard_id, holds[0].hold_id, holds[0].person)
        assert begun == ["batch"]
        await asyncio.gather(*(verb(shop.shard_id, hold.hold_id, hold.person) for hold in holds[1:]))
        assert begun == ["batch"] * 2
    assert await shop.seats() == "f" * 60


async def test_a_stranger_in_a_batch_hears_that_there_is_no_such_hold_and_the_others_their_answers(shop, begun):
    holds = await held(shop, *((new_person(), seat) for seat in range(6)))
    begun.clear()
    asks = [(hold.hold_id, EVE if number == 3 else hold.person) for number, hold in enumerate(holds)]
    verbs = (shop.inventory.let_go(shop.shard_id, *ask) for ask in asks)
    answers = await asyncio.gather(*verbs, return_exceptions=True)
    assert [type(answer) for answer in answers] == [type(None)] * 3 + [HoldNotFound] + [type(None)] * 2
    assert begun == ["batch"] and await shop.seats(*range(6)) == "fffhff"


async def test_a_release_and_an_extension_of_one_hold_at_once_leave_it_released(shop):
    """Two collectors, one row to wait for: whichever comes second sees what the first has made of the hold."""
    for _ in range(5):
        [ann] = await held(shop, (ANN, 1, 2))
        verbs = (verb(shop.shard_id, ann.hold_id, ANN) for verb in (shop.inventory.prolong, shop.inventory.let_go))
        prolonged, let_go = await asyncio.gather(*verbs, return_exceptions=True)
        assert let_go is None and isinstance(prolonged, HoldView | HoldExpired)
        assert await shop.seats(1, 2) == "ff"


# -- the sweep after a burst -------------------------------------------------------------------------------------------


async def test_seats_are_taken_while_thousands_of_holds_that_ran_out_together_are_swept(database, database_url):
    """In rounds of a bounded number of holds, so that nobody who takes a seat waits for more than one of them."""
    shop = await open_shop(database, database_url, generate_chart("stadium", 4_000, "The Bowl"))
    holds_count = 3_000
    rounds: list[int] = []
    await _run_out_together(shop, holds_count)
    fans = [new_person() for _ in range(100)]

    async def sweep():
        while not rounds or rounds[-1] >= limits.EXPIRY_BATCH_MAX:
            rounds.append(await shop.inventory.sweep())

    async def take():
        """Run-out seats, which the sweep is about, and free ones."""
        for number, person in enumerate(fans):
            await shop.hold(person, number * 20, holds_count + number)
            taken.append(len(rounds))

    taken: list[int] = []
    await asyncio.gather(sweep(), take())
    print("rounds", rounds, "taken after round", taken[:: len(taken) // 10])
    assert max(rounds) <= limits.EXPIRY_BATCH_MAX
    assert len(set(taken)) > 1, "seats are taken between the rounds, and not after the last"
    held_now = [seat for number in range(100) for seat in (number * 20, holds_count + number)]
    letters = await shop.seats()
    assert {letters[seat] for seat in held_now} == {"h"} and letters.count("h") == len(held_now)
    assert await shop.rows("SELECT count(*) FROM hold WHERE state = 1") == [(100,)]


async def _run_out_together(shop, holds_count):
    """One seat each, as takings write them; thousands of them the short way."""
    past = clock.utcnow() - timedelta(seconds=1)
    await shop.rows(
        "WITH gone AS (INSERT INTO hold (shard_id, hold_id, person, seats, tiers, expires_at, max_until)"
        " SELECT shard_id, seat_no + 1, gen_random_uuid(), ARRAY[seat_no], ARRAY[tier], %(past)s, %(past)s + '5m'"
        " FROM seat WHERE shard_id = %(shard_id)s AND seat_no < %(count)s RETURNING *),"
        " known AS (INSERT INTO buyer (shard_id, person, holds) SELECT shard_id, person, ARRAY[hold_id] FROM gone)"
        " UPDATE seat SET state = 1, hold_id = gone.hold_id, held_until = gone.expires_at FROM gone"
        " WHERE seat.shard_id = gone.shard_id AND seat.seat_no = gone.seats[1] RETURNING 1",
        past=past,
        count=holds_count,
    )

"""Seats and holds on a real database: every verb, what it writes, what it tells, and what happens at its edges."""

import asyncio
from datetime import timedelta

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql
from tests.integration.inventory.opening import DAY, open_shop, sales_of
from tests.integration.inventory.shop import in_one_process

from onsale import limits
from onsale.inventory import HoldExpired, HoldNotFound, HoldView, NotOnSale, settle
from onsale.inventory.errors import (
    DuplicateSeat,
    PersonLimit,
    SaleEnded,
    SaleNotOpen,
    SaleStopped,
    SeatsTaken,
    TooManySeats,
    UnknownSeat,
)
from onsale.inventory.model import Ask, HoldState
from onsale.inventory.seatmap import pack_states
from onsale.inventory.take import Taker
from onsale.kit import clock, ids
from onsale.kit.db import Contended, Database, DatabaseAway
from onsale.kit.ids import ShardId, new_id, new_person
from onsale.kit.problems import KeyReused

pytestmark = pytest.mark.anyio

ANN, BOB, CAT = new_person(), new_person(), new_person()


def key(name, body="body"):
    return name.encode().ljust(16) + body.encode().ljust(16)


# -- taking seats ------------------------------------------------------------------------------------------------------


async def test_a_hold_keeps_its_seats_for_the_time_of_the_event(shop):
    view = await shop.hold(ANN, 13, 12)
    assert (view.shard_id, view.whole, view.hold.state) == (shop.shard_id, True, HoldState.ACTIVE)
    assert (view.hold.seats, view.hold.tiers, view.hold.person) == ((12, 13), (1, 1), ANN)
    assert view.hold.expires_at - view.now == timedelta(seconds=limits.HOLD_TTL_DEFAULT_S)
    assert view.hold.max_until - view.hold.expires_at == timedelta(seconds=limits.HOLD_EXTENSION_MAX_S)
    assert await shop.seats(11, 12, 13, 14) == "fhhf"
    written = await shop.rows("SELECT seat_no, hold_id, held_until, order_id FROM seat WHERE state = 1 ORDER BY 1")
    assert written == [(n, view.hold.hold_id, view.hold.expires_at, None) for n in (12, 13)]


async def test_the_time_of_a_hold_is_the_shards_and_not_the_web_processs(shop, monkeypatch):
    """`expires_at - now` is what a browser counts down; a web process whose clock is wrong must not change it."""
    behind = clock.utcnow() - DAY
    monkeypatch.setattr("onsale.kit.clock.utcnow", lambda: behind)
    view = await shop.hold(ANN, 1)
    assert view.hold.expires_at - view.now == timedelta(seconds=limits.HOLD_TTL_DEFAULT_S)


async def test_a_taken_seat_is_refused_by_name_and_nothing_is_held(shop):
    await shop.hold(ANN, 3)
    with pytest.raises(SeatsTaken) as refused:
        await shop.hold(BOB, 2, 3, 4)
    assert refused.value.extra == {"taken": [3]}
    assert await shop.seats(2, 3, 4) == "fhf"


async def test_what_cannot_be_asked_for_is_refused_before_it_travels(shop):
    for seats, refusal in (((1, 1), DuplicateSeat), ((), TooManySeats), (range(9), TooManySeats)):
        with pytest.raises(refusal):
            await shop.hold(ANN, *seats)
    with pytest.raises(UnknownSeat) as refused:
        await shop.hold(ANN, 59, 60)
    assert refused.value.extra == {"unknown": [60]}


async def test_a_sale_that_has_not_opened_has_ended_or_is_stopped_refuses(database, database_url):
    now = clock.utcnow()
    shop = await open_shop(database, database_url, opens_at=now + DAY)
    with pytest.raises(SaleNotOpen):
        await shop.hold(ANN, 1)
    await shop.rows("UPDATE sale SET opens_at = %(now)s, closes_at = %(now)s RETURNING 1", now=now)
    with pytest.raises(SaleEnded):
        await shop.hold(ANN, 1)
    await sales_of(shop).stop(shop.event_id, True)
    with pytest.raises(SaleStopped):
        await shop.hold(ANN, 1)


async def test_an_event_that_is_not_on_sale_refuses_and_remembers_nobody(shop):
    taker, ask = Taker(shop.database, shop.inventory.changes), Ask(ANN, (1,), 1)
    with pytest.raises(NotOnSale):
        await taker.take(ids.shard_of(999), ask)
    async with shop.database.transaction() as tx:
        with pytest.raises(NotOnSale):
            await shop.inventory.stop(tx, 999, True)
    assert await shop.rows("SELECT * FROM buyer") == []


async def test_asking_for_other_seats_replaces_the_hold_and_a_refusal_keeps_it(shop):
    first = (await shop.hold(ANN, 1, 2)).hold
    second = (await shop.hold(ANN, 2, 3)).hold
    assert await shop.seats(1, 2, 3) == "fhh"
    await shop.hold(BOB, 9)
    with pytest.raises(SeatsTaken):
        await shop.hold(ANN, 3, 9)
    assert await shop.seats(1, 2, 3, 9) == "fhhh"
    assert (await shop.inventory.read(shop.shard_id, first.hold_id, ANN)).hold.state is HoldState.REPLACED
    assert [view.hold for view in await shop.inventory.mine(shop.event_id, ANN)] == [second]


async def test_a_refresh_and_a_repeated_key_give_the_same_hold(shop):
    first = await shop.hold(ANN, 1, 2, key_hash=key("k"))
    assert (await shop.hold(ANN, 2, 1)).hold == first.hold
    assert (await shop.hold(ANN, 1, 2, key_hash=key("k"))).hold == first.hold
    with pytest.raises(KeyReused):
        await shop.hold(ANN, 1, 2, key_hash=key("k", "other"))
    assert await shop.rows("SELECT count(*) FROM hold") == [(1,)]
    assert set((await shop.change_nos()).values()) == {0, 1}


async def test_a_repeated_key_tells_of_a_seat_that_was_lost_meanwhile(shop):
    await shop.hold(ANN, 1, 2, key_hash=key("k"))
    await shop.grow_older(301)
    assert (await shop.hold(ANN, 1, 2, key_hash=key("k"))).whole
    await shop.hold(BOB, 2)
    assert not (await shop.hold(ANN, 1, 2, key_hash=key("k"))).whole


async def test_a_persons_limit_counts_what_was_bought(shop):
    await shop.pay((await shop.hold(ANN, 0, 1, 2, 3, 4)).hold.hold_id)
    with pytest.raises(PersonLimit):
        await shop.hold(ANN, 10, 11, 12, 13)
    await shop.hold(ANN, 10, 11, 12)


async def test_several_holds_stand_beside_each_other_where_the_event_allows_it(database, database_url):
    shop = await open_shop(database, database_url, several_holds=True)
    one, two = await shop.hold(ANN, 1, 2), await shop.hold(ANN, 3)
    assert [view.hold for view in await shop.inventory.mine(shop.event_id, ANN)] == [one.hold, two.hold]
    with pytest.raises(PersonLimit):
        await shop.hold(ANN, 10, 11, 12, 13, 14, 15)
    assert await shop.pay(one.hold.hold_id, two.hold.hold_id) == {
        view.hold.hold_id: replace(view.hold, state=HoldState.SOLD) for view in (one, two)
    }
    assert await shop.rows("SELECT bought, holds FROM buyer") == [(3, [])]


# -- looking at a hold -------------------------------------------------------------------------------------------------


async def test_a_hold_is_read_by_its_owner_only(shop):
    hold = (await shop.hold(ANN, 1)).hold
    assert (await shop.inventory.read(shop.shard_id, hold.hold_id, ANN)).hold == hold
    verbs = (shop.inventory.read, shop.inventory.let_go, shop.inventory.prolong)
    elsewhere = ShardId(shop.shard_id + 1)
    for forged in ((shop.shard_id, hold.hold_id, BOB), (shop.shard_id, new_id(), ANN), (elsewhere, hold.hold_id, ANN)):
        for verb in verbs:
            with pytest.raises(HoldNotFound):
                await verb(*forged)
    assert await shop.seats(1) == "h"
    assert await shop.inventory.mine(shop.event_id, BOB) == []


async def test_a_hold_that_ran_out_is_no_longer_in_hand_but_can_be_looked_at(shop):
    hold = (await shop.hold(ANN, 1, 2)).hold
    await shop.grow_older(301)
    assert await shop.inventory.mine(shop.event_id, ANN) == []
    view = await shop.inventory.read(shop.shard_id, hold.hold_id, ANN)
    assert view.whole and view.hold.expires_at < view.now
    await shop.hold(BOB, 2)
    assert not (await shop.inventory.read(shop.shard_id, hold.hold_id, ANN)).whole


# -- what becomes of it ------------------------------------------------------------------------------------------------


async def test_letting_go_frees_the_seats_and_doing_it_again_changes_nothing(shop):
    hold = (await shop.hold(ANN, 1, 2)).hold
    for _ in range(2):
        await shop.inventory.let_go(shop.shard_id, hold.hold_id, ANN)
        assert await shop.seats(1, 2) == "ff"
        assert (await shop.change_nos())[1] == 2
    assert await shop.rows("SELECT bought, holds FROM buyer") == [(0, [])]


async def test_prolonging_gives_at_least_a_minute_within_the_bound(shop):
    hold = (await shop.hold(ANN, 1)).hold
    assert (await shop.inventory.prolong(shop.shard_id, hold.hold_id, ANN)).hold.expires_at == hold.expires_at
    await shop.grow_older(280)
    view = await shop.inventory.prolong(shop.shard_id, hold.hold_id, ANN)
    assert 55 < (view.hold.expires_at - view.now).total_seconds() <= limits.PAYMENT_EXTENSION_S
    assert await shop.rows("SELECT held_until FROM seat WHERE state = 1") == [(view.hold.expires_at,)]
    await shop.grow_older(290)
    with pytest.raises(HoldExpired):
        await shop.inventory.prolong(shop.shard_id, hold.hold_id, ANN)


async def test_a_hold_that_ran_out_is_swept_and_may_still_be_completed(shop):
    hold, kept = (await shop.hold(ANN, 1, 2)).hold, (await shop.hold(BOB, 5)).hold
    assert await shop.inventory.sweep() == 0
    await shop.grow_older(301)
    async with shop.database.transaction(shop.shard_id) as tx:
        assert await shop.inventory.extend(tx, shop.shard_id, [kept.hold_id], 60) != [None]
    assert (await shop.inventory.sweep(), await shop.inventory.sweep()) == (1, 0)
    assert await shop.seats(1, 2, 5) == "ffh"
    assert await shop.inventory.count_free(shop.event_id) == {1: 23, 2: 24, 3: 12}
    sold = await shop.pay(hold.hold_id)
    assert sold[hold.hold_id] is not None and await shop.seats(1, 2) == "ss"


async def test_hold_and_run_out_again_and_again(shop):
    """Each round the seats go to the other, sometimes swept before; nothing piles up on the buyers."""
    for number in range(6):
        await shop.hold((ANN, BOB)[number % 2], 1, 2, 3)
        await shop.grow_older(301)
        if number % 3:
            assert await shop.inventory.sweep() >= 1
    assert [len(row[0]) for row in await shop.rows("SELECT holds FROM buyer")] == [1, 1]
    assert (await shop.rows("SELECT count(*) FROM hold WHERE state IN (1, 2)"))[0][0] <= 2


async def test_the_sweep_takes_many_shards_and_no_more_than_its_batch(shop, database, monkeypatch):
    monkeypatch.setattr("onsale.limits.EXPIRY_BATCH_MAX", 3)
    for seat in range(5):
        await shop.hold(new_person(), seat)
    await shop.grow_older(301)
    assert [await shop.inventory.sweep() for _ in range(3)] == [3, 2, 0]


async def test_time_is_a_value_where_a_test_gives_it(shop):
    taker, later = Taker(shop.database, shop.inventory.changes), clock.utcnow() + timedelta(seconds=400)
    await shop.hold(ANN, 1)
    [taken] = (await taker.take_batches({shop.shard_id: [Ask(BOB, (1,), new_id())]}))[shop.shard_id]
    assert isinstance(taken, SeatsTaken)
    [view] = (await taker.take_batches({shop.shard_id: [Ask(BOB, (1,), new_id())]}, later))[shop.shard_id]
    assert isinstance(view, HoldView)
    assert view.now == later and view.hold.expires_at == later + timedelta(seconds=300)
    assert await settle.sweep(shop.database, shop.inventory.changes, later) == 1


async def test_a_lost_hold_is_not_sold_and_the_other_of_the_order_is_told_apart(shop):
    lost, whole = (await shop.hold(ANN, 1, 2)).hold, (await shop.hold(BOB, 5)).hold
    await shop.grow_older(301)
    await shop.hold(CAT, 2)
    answers = await shop.pay(lost.hold_id, whole.hold_id)
    assert answers[lost.hold_id] is None and answers[whole.hold_id] is not None
    assert await shop.seats(1, 2, 5) == "hhs"


async def test_sold_seats_come_back_once(shop):
    await shop.pay((await shop.hold(ANN, 1, 2)).hold.hold_id, order_id=8)
    for expected in (2, 0):
        async with shop.database.transaction(shop.shard_id) as tx:
            assert await shop.inventory.take_back(tx, shop.shard_id, ANN, 8, [1, 2]) == expected
    assert await shop.seats(1, 2) == "ff"
    assert await shop.rows("SELECT bought FROM buyer") == [(0,)]


async def test_ended_holds_are_forgotten_after_their_time_and_their_seats_stay_as_they_are(shop):
    ran_out, released = (await shop.hold(ANN, 1)).hold, (await shop.hold(BOB, 2)).hold
    await shop.inventory.let_go(shop.shard_id, released.hold_id, BOB)
    await shop.grow_older(limits.HOLD_EXTENSION_MAX_S + 301)
    await shop.inventory.sweep()
    assert await shop.inventory.forget_ended() == 0
    await shop.grow_older(limits.ENDED_HOLD_KEPT_S)
    assert await shop.inventory.forget_ended() == 2
    with pytest.raises(HoldNotFound):
        await shop.inventory.read(shop.shard_id, ran_out.hold_id, ANN)
    assert (await shop.hold(ANN, 1)).whole and (await shop.hold(BOB, 2)).whole


async def test_forgetting_waits_for_nobody(shop):
    hold = (await shop.hold(ANN, 1)).hold
    await shop.inventory.let_go(shop.shard_id, hold.hold_id, ANN)
    await shop.grow_older(limits.ENDED_HOLD_KEPT_S + 1000)
    async with shop.database.transaction() as tx:
        await tx.execute("SELECT FROM hold FOR UPDATE")
        assert await asyncio.wait_for(shop.inventory.forget_ended(), 2) == 0
    assert await shop.inventory.forget_ended() == 1


# -- what is told ------------------------------------------------------------------------------------------------------


async def test_a_snapshot_and_the_facts_after_it_give_a_fresh_snapshot(shop):
    """For every kind of change; and the version, which is the sum of the change numbers, agrees at every step."""
    states, numbers = ["f"] * 60, dict.fromkeys(range(60), 0)
    letters, heard = {"SeatsHeld": "h", "SeatsReleased": "f", "SeatsSold": "s", "SeatsBlocked": "n"}, 1

    async def agree(*kinds):
        nonlocal heard
        told = (await shop.told())[heard:]
        heard += len(told)
        assert [kind for kind, _ in told] == list(kinds)
        for kind, body in told:
            for seat_no, change_no in body["seats"]:
                assert change_no == numbers[seat_no] + 1, "no change is left out or told twice"
                numbers[seat_no], states[seat_no] = change_no, letters[kind]
        assert (await shop.seats(), await shop.change_nos()) == ("".join(states), numbers)
        picture = await shop.inventory.seat_map.picture(shop.shard_id, fresh=True)
        assert picture.version == sum(numbers.values())
        assert picture.packed == pack_states(picture.version, picture.states)

    hold = (await shop.hold(ANN, 1, 2)).hold
    await agree("SeatsHeld")
    hold = (await shop.hold(ANN, 2, 3)).hold
    await agree("SeatsHeld", "SeatsReleased")
    await shop.grow_older(290)
    await shop.inventory.prolong(shop.shard_id, hold.hold_id, ANN)
    await agree("SeatsHeld")
    await shop.grow_older(100)
    await shop.inventory.sweep()
    await agree("SeatsReleased")
    await shop.pay(hold.hold_id)
    await agree("SeatsSold")
    async with shop.database.transaction(shop.shard_id) as tx:
        await shop.inventory.take_back(tx, shop.shard_id, ANN, 7, [2, 3])
    await agree("SeatsReleased")
    hold = (await shop.hold(BOB, 9)).hold
    await agree("SeatsHeld")
    await shop.inventory.block(shop.event_id, True, [8, 9, 10])
    await agree("SeatsBlocked")
    await shop.inventory.block(shop.event_id, False, [8, 9])
    await agree("SeatsReleased")
    await shop.inventory.let_go(shop.shard_id, hold.hold_id, BOB)
    await agree("SeatsReleased")
    with pytest.raises(UnknownSeat):
        await shop.hold(BOB, 60)
    await shop.inventory.let_go(shop.shard_id, hold.hold_id, BOB)
    await agree()


async def test_an_event_goes_on_sale_once_and_says_so(shop):
    assert await shop.told() == [("SaleLaidDown", {"shard_id": shop.shard_id, "seats": 60})]
    assert await sales_of(shop).put_on_sale(shop.event_id) == 0
    assert len(await shop.told()) == 1
    assert await shop.inventory.count_free(shop.event_id) == {1: 24, 2: 24, 3: 12}


# -- batches and faults ------------------------------------------------------------------------------------------------


async def test_a_refused_ask_does_not_fail_its_neighbours_in_a_batch(shop):
    await shop.hold(CAT, 9)
    asks = [
        Ask(new_person(), (1, 2), new_id()),
        Ask(new_person(), (60,), new_id()),
        Ask(new_person(), (9, 10), new_id()),
        Ask(new_person(), tuple(range(20, 40)), new_id()),
        Ask(new_person(), (3,), new_id()),
    ]
    taker = Taker(shop.database, shop.inventory.changes)
    answers = (await taker.take_batches({shop.shard_id: asks}))[shop.shard_id]
    kinds = [getattr(answer, "code", "held") for answer in answers]
    assert kinds == ["held", "unknown_seat", "seats_taken", "too_many_seats", "held"]
    assert await shop.seats(1, 2, 3, 9, 10, 20) == "hhhhff"


async def test_rivals_in_one_process_are_answered_in_the_order_they_came(shop):
    persons = [new_person() for _ in range(40)]
    answers = await asyncio.gather(*(shop.hold(person, 7) for person in persons), return_exceptions=True)
    assert [isinstance(answer, SeatsTaken) for answer in answers] == [False] + [True] * 39


async def test_a_client_that_goes_away_while_it_waits_asks_for_nothing(shop):
    async with shop.database.transaction() as tx:  # The batch under way stands still behind this lock.
        await tx.execute("SELECT FROM seat WHERE seat_no = 1 FOR UPDATE")
        first = asyncio.create_task(shop.hold(ANN, 1))
        await _until_somebody_waits(shop)
        second, third = asyncio.create_task(shop.hold(BOB, 2)), asyncio.create_task(shop.hold(CAT, 3))
        await asyncio.sleep(0.05)
        second.cancel()
    assert (await first).whole and (await third).whole
    with pytest.raises(asyncio.CancelledError):
        await second
    assert await shop.seats(1, 2, 3) == "hfh"


async def test_a_client_that_goes_away_under_way_finds_its_hold_when_it_comes_back(shop):
    async with shop.database.transaction() as tx:
        await tx.execute("SELECT FROM seat WHERE seat_no = 1 FOR UPDATE")
        task = asyncio.create_task(shop.hold(ANN, 1))
        await _until_somebody_waits(shop)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    again = await shop.hold(ANN, 1)
    assert [view.hold for view in await shop.inventory.mine(shop.event_id, ANN)] == [again.hold]
    assert (await shop.change_nos())[1] == 1


async def test_a_lock_that_does_not_come_is_said_to_be_contended_and_the_next_batch_goes_on(
    shop, database_url, monkeypatch
):
    monkeypatch.setattr("onsale.limits.LOCK_TIMEOUT_S", 0.2)
    hasty = in_one_process(Database(database_url), database_url, shop.event_id)
    await hasty.database.open()
    async with shop.database.transaction() as tx:
        await tx.execute("SELECT FROM seat WHERE seat_no = 1 FOR UPDATE")
        with pytest.raises(Contended):
            await hasty.hold(ANN, 1)
        assert (await hasty.hold(BOB, 2)).whole
    assert (await hasty.hold(ANN, 1)).whole
    await hasty.database.close()


async def test_a_database_that_is_away_is_said_at_once_and_found_again(shop, servers):
    """Nothing that was answered is lost, and no restart is needed."""
    await shop.hold(ANN, 1)
    name = (await shop.rows("SELECT current_database()"))[0][0]
    with psycopg.connect(servers.database_url, autocommit=True) as operator:
        door = sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
        operator.execute(door.format(sql.Identifier(name), sql.SQL("false")))
        operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        for verb in (shop.hold(BOB, 2), shop.inventory.mine(shop.event_id, ANN), shop.inventory.sweep()):
            with pytest.raises(DatabaseAway):
                await asyncio.wait_for(verb, limits.CONNECTION_WAIT_S + 2)
        operator.execute(door.format(sql.Identifier(name), sql.SQL("true")))
    assert (await _found_again(lambda: shop.hold(BOB, 2))).whole
    assert await _found_again(lambda: shop.seats(1, 2)) == "hh"


async def _found_again(verb):
    """Each connection that had died says so once; then there are new ones."""
    for _ in range(50):
        try:
            return await verb()
        except DatabaseAway:
            await asyncio.sleep(0.1)
    return pytest.fail("the database was not found again")


async def _until_somebody_waits(shop):
    for _ in range(200):
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        if (await shop.rows(waiting))[0][0]:
            return
        await asyncio.sleep(0.01)
    pytest.fail("nobody waits for a lock")

"""The shortcut over Redis: who wants taken seats hears no without PostgreSQL, and nobody hears a wrong no."""

import asyncio
import statistics
from datetime import timedelta

import pytest
from tests.integration.inventory.maps import healing, process, refused, trusts, until

from onsale import limits
from onsale.inventory import settle, watch
from onsale.inventory.errors import SeatsTaken
from onsale.kit import clock
from onsale.kit.ids import new_person

pytestmark = pytest.mark.anyio

ANN, BOB, CAT = new_person(), new_person(), new_person()


async def takes(shop, person, *seats, within_s=5.0):
    """Try until it is held; how many seconds that took."""
    began_s = clock.monotonic()
    while True:
        try:
            await shop.hold(person, *seats)
        except SeatsTaken:
            assert clock.monotonic() - began_s < within_s, "refused for too long"
            await asyncio.sleep(0.002)
        else:
            return clock.monotonic() - began_s


async def test_taken_seats_are_refused_without_postgresql(pair):
    one, two = pair
    await one.hold(ANN, 1, 2)
    await until(lambda: refused(two, BOB, 2, 3) == [2])
    await two.database.close()
    with pytest.raises(SeatsTaken) as answer:
        await two.hold(BOB, 1, 2, 3)
    assert answer.value.extra == {"taken": [1, 2]}


async def test_a_sold_seat_is_refused_to_its_buyer_too(pair):
    one, two = pair
    view = await one.hold(ANN, 1)
    await one.pay(view.hold.hold_id)
    await until(lambda: refused(two, BOB, 1) == [1] and refused(two, ANN, 1) == [1])


async def test_a_request_repeated_and_seats_changed_for_others_are_postgresqls_to_answer(pair):
    one, two = pair
    first = await one.hold(ANN, 1, 2)
    await until(lambda: refused(two, BOB, 1) == [1])
    assert (await two.hold(ANN, 1, 2)).hold.hold_id == first.hold.hold_id
    assert (await two.hold(ANN, 2, 3)).hold.seats == (2, 3)


async def test_near_its_deadline_a_hold_is_in_doubt(pair, monkeypatch):
    one, two = pair
    view = await one.hold(ANN, 1)
    await until(lambda: refused(two, BOB, 1) == [1])
    now = {"s": view.hold.expires_at.timestamp() - limits.SHORTCUT_MARGIN_S - 2}
    monkeypatch.setattr("onsale.inventory.seatmap.clock.unix_s", lambda: now["s"])
    assert refused(two, BOB, 1) == [1]
    now["s"] += 2
    assert refused(two, BOB, 1) == []
    with pytest.raises(SeatsTaken):
        await two.hold(BOB, 1)


async def test_a_longer_hold_is_known_to_be_longer(pair, monkeypatch):
    one, two = pair
    view = await one.hold(ANN, 1)
    async with one.database.transaction(one.shard_id) as tx:
        await one.inventory.extend(tx, one.shard_id, [view.hold.hold_id], 500)
    later = view.hold.expires_at + timedelta(seconds=60)
    monkeypatch.setattr("onsale.inventory.seatmap.clock.utcnow", lambda: later)
    await until(lambda: refused(two, BOB, 1) == [1])


async def test_a_released_seat_is_takeable_through_another_process_at_once(pair):
    one, two = pair
    took_s = []
    for _ in range(5):
        view = await one.hold(ANN, 1)
        await until(lambda: refused(two, BOB, 1) == [1])
        await one.inventory.let_go(one.shard_id, view.hold.hold_id, ANN)
        took_s.append(await takes(two, BOB, 1))
        [bobs] = await two.inventory.mine(two.event_id, BOB)
        await two.inventory.let_go(two.shard_id, bobs.hold.hold_id, BOB)
        await until(lambda: refused(one, ANN, 1) == [])
    print("takeable after", took_s)
    assert statistics.median(took_s) < 0.1


async def test_a_process_never_refuses_what_it_has_freed_itself(pair):
    """Not even in the moment until its own change has come back from Redis."""
    one, _ = pair
    for _ in range(20):
        view = await one.hold(ANN, 1)
        await one.inventory.let_go(one.shard_id, view.hold.hold_id, ANN)
        view = await one.hold(BOB, 1)
        await one.inventory.let_go(one.shard_id, view.hold.hold_id, BOB)


async def test_a_crash_between_commit_and_redis_is_healed_within_two_seconds(pair, monkeypatch):
    one, two = pair
    view = await one.hold(ANN, 1)
    await until(lambda: refused(two, BOB, 1) == [1])
    monkeypatch.setattr(one.inventory.seat_map._outbox, "put", lambda shard_id, changes: None)
    await one.inventory.let_go(one.shard_id, view.hold.hold_id, ANN)
    assert refused(two, BOB, 1) == [1], "Redis does not know it yet"
    took_s = await takes(two, BOB, 1)
    print("takeable after", took_s)
    assert took_s < limits.HEAL_WITHIN_S


async def test_without_a_healer_trust_ends_before_a_lost_change_is_old(shop, database_url, redis_url, monkeypatch):
    async with process(shop, database_url, redis_url) as one, process(shop, database_url, redis_url) as two:
        async with healing(two):
            await until(lambda: trusts(one) and trusts(two))
            view = await one.hold(ANN, 1)
            await until(lambda: refused(two, BOB, 1) == [1])
        monkeypatch.setattr(one.inventory.seat_map._outbox, "put", lambda shard_id, changes: None)
        await one.inventory.let_go(one.shard_id, view.hold.hold_id, ANN)
        assert await takes(two, BOB, 1) < limits.HEAL_WITHIN_S


async def test_negative_control_a_mirror_trusted_blindly_refuses_a_free_seat(
    shop, database_url, redis_url, monkeypatch
):
    async with process(shop, database_url, redis_url) as one, process(shop, database_url, redis_url) as two:
        async with healing(two):
            await until(lambda: trusts(one) and trusts(two))
            view = await one.hold(ANN, 1)
            await until(lambda: refused(two, BOB, 1) == [1])
        monkeypatch.setattr(one.inventory.seat_map._outbox, "put", lambda shard_id, changes: None)
        monkeypatch.setattr(watch.Watch, "trusted", lambda self, now_s: True)
        await one.inventory.let_go(one.shard_id, view.hold.hold_id, ANN)
        await asyncio.sleep(limits.HEAL_WITHIN_S + 0.5)
        assert await one.seats(1) == "f"
        with pytest.raises(SeatsTaken):
            await two.hold(BOB, 1)


async def test_a_process_that_stood_still_refuses_nobody_until_it_has_heard_everything(pair, monkeypatch):
    one, two = pair
    await one.hold(ANN, 1)
    await until(lambda: refused(two, BOB, 1) == [1])
    ahead_s = {"by": 0.0}
    real = clock.monotonic
    monkeypatch.setattr("onsale.inventory.watch.clock.monotonic", lambda: real() + ahead_s["by"])
    assert refused(two, BOB, 1) == [1]
    ahead_s["by"] = limits.MAP_PIPE_AGE_MAX_S + limits.MAP_BEAT_AGE_MAX_S
    assert refused(two, BOB, 1) == []
    await until(lambda: refused(two, BOB, 1) == [1])


async def test_a_long_transaction_hides_facts_so_nobody_is_refused_while_it_lasts(pair):
    one, two = pair
    async with one.database.transaction() as tx:
        await tx.execute("SELECT pg_current_xact_id()")
        await asyncio.sleep(limits.HEAL_WITHIN_S)
        assert trusts(two), "nothing is hidden by it so far"
        await one.hold(ANN, 1)
        await until(lambda: not trusts(two))
    await until(lambda: trusts(two))


async def test_a_run_out_hold_that_was_swept_is_not_refused(shop, pair):
    one, two = pair
    await one.hold(ANN, 1)
    await until(lambda: refused(two, BOB, 1) == [1])
    await settle.sweep(one.database, one.inventory.changes, clock.utcnow() + timedelta(hours=1))
    await until(lambda: refused(two, BOB, 1) == [])


async def test_without_redis_the_same_code_goes_on(shop, database_url):
    async with process(shop, database_url, "redis://127.0.0.1:1/0") as one:
        await one.hold(ANN, 1)
        with pytest.raises(SeatsTaken):
            await one.hold(BOB, 1)
        assert (await one.inventory.seat_map.picture(one.shard_id, fresh=True)).states[:2] == b"01"

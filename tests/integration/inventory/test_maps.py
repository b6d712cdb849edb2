"""Maps in Redis and their mirrors: one order of steps for everybody, whatever is lost, late, doubled or restarted."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from struct import pack
from typing import Any

import pytest
from tests.integration.inventory.maps import healing, process, refused, states, trusts, until

from onsale import limits
from onsale.inventory import settle
from onsale.inventory.cache import MapCache, channel_of
from onsale.inventory.errors import SeatsTaken
from onsale.inventory.mirror import CHANGE, HEAD, STEP, Mirror, pack_changes, pack_map
from onsale.kit import chance, clock, redis
from onsale.kit.embedded import Embedded
from onsale.kit.ids import ShardId, new_person

pytestmark = pytest.mark.anyio

ANN, BOB = new_person(), new_person()
SHARD = ShardId(64)
EPOCH = b"epoch--1"


@pytest.fixture
def cache(redis_client):
    return MapCache(redis_client)


def empty_map(seats, epoch=EPOCH):
    return pack_map(epoch, pack(">3I", 0, 0, 0) * seats, 0)


async def make(cache, seats):
    found, permission = await cache.fetch(SHARD)
    assert found is None
    await cache.load(SHARD, empty_map(seats), permission)


def rows(body):
    """(change_no, word, tag) of each seat."""
    return [CHANGE.unpack(b"\0\0\0\0" + body[at : at + 12])[1:] for at in range(HEAD.size, len(body), 12)]


async def test_whatever_order_changes_come_in_the_map_moves_forward_and_its_steps_lead_to_it(cache, redis_client):
    seed = chance.fresh_seed()
    print("seed", seed)
    dice = chance.seeded(seed)
    await make(cache, 40)
    mirror = Mirror(lambda delta: None)
    mirror.begin()
    assert mirror.load((await cache.fetch(SHARD))[0])
    async with redis_client.pubsub() as hearing:
        await hearing.subscribe(channel_of(SHARD))
        await hearing.get_message(timeout=5.0)
        history = [(seat_no, change_no, change_no % 4, seat_no) for seat_no in range(40) for change_no in range(1, 12)]
        sent = [change for change in history for _ in range(dice.choice([0, 1, 1, 2]))]
        dice.shuffle(sent)
        while sent:
            batch, sent = sent[:7], sent[7:]
            await cache.tell([(SHARD, pack_changes(batch))])
            sent += batch[:1] if dice.random() < 0.2 else []
        body, _ = await cache.fetch(SHARD)
        while mirror.version < HEAD.unpack_from(body)[1]:
            message = await hearing.get_message(timeout=5.0)
            mirror.hear(message["data"])
            assert mirror.in_step
    told = {seat_no: max((c for s, c, _, _ in history if s == seat_no), default=0) for seat_no in range(40)}
    seats = rows(body)
    assert all(change_no <= told[seat_no] for seat_no, (change_no, _, _) in enumerate(seats))
    assert all(word == change_no % 4 for change_no, word, _ in seats)
    assert HEAD.unpack_from(body)[1] == sum(change_no for change_no, _, _ in seats)
    assert bytes(mirror.states) == bytes(ord("0") + word for _, word, _ in seats)
    await cache.tell([(SHARD, pack_changes(history))])
    assert [seat[0] for seat in rows((await cache.fetch(SHARD))[0])] == [11] * 40


async def test_telling_where_there_is_no_map_makes_none_and_says_so(cache, redis_client):
    async with redis_client.pubsub() as hearing:
        await hearing.subscribe(channel_of(SHARD))
        await hearing.get_message(timeout=5.0)
        await cache.tell([(SHARD, pack_changes([(0, 1, 1, 1)]))])
        assert (await hearing.get_message(timeout=5.0))["data"] == b""
    assert await redis_client.keys() == []


async def test_a_change_told_while_a_map_is_made_is_in_it(cache):
    _, permission = await cache.fetch(SHARD)
    assert (await cache.fetch(SHARD))[1] == permission, "who else makes it shares the permission"
    await cache.tell([(SHARD, pack_changes([(1, 3, 2, 0)]))])
    await cache.load(SHARD, empty_map(4), permission)
    body, _ = await cache.fetch(SHARD)
    assert rows(body)[1] == (3, 2, 0) and HEAD.unpack_from(body)[1] == 3


async def test_a_map_is_made_once_and_not_from_a_snapshot_whose_changes_were_not_kept(cache, redis_client, monkeypatch):
    _, permission = await cache.fetch(SHARD)
    await redis_client.flushall()
    await cache.load(SHARD, empty_map(4), permission)
    _, again = await cache.fetch(SHARD)
    assert again and again != permission, "no map was made"
    monkeypatch.setattr(limits, "MAP_MISSED_MAX_BYTES", 20)
    await cache.tell([(SHARD, pack_changes([(1, 3, 2, 0)]))])
    await cache.load(SHARD, empty_map(4), again)
    found, third = await cache.fetch(SHARD)
    assert found is None
    await cache.load(SHARD, empty_map(4), third)
    await cache.load(SHARD, empty_map(4, b"epoch--2"), third)
    assert (await cache.fetch(SHARD))[0] == empty_map(4)


async def test_a_step_is_published_once_with_what_was_applied(cache, redis_client):
    await make(cache, 4)
    async with redis_client.pubsub() as hearing:
        await hearing.subscribe(channel_of(SHARD))
        await hearing.get_message(timeout=5.0)
        await cache.tell([(SHARD, pack_changes([(0, 2, 1, 5), (0, 1, 0, 0), (9, 1, 1, 1)]))])
        await cache.tell([(SHARD, pack_changes([(0, 2, 1, 5)]))])
        await cache.tell([(SHARD, pack_changes([(1, 1, 2, 0)]))])
        first = (await hearing.get_message(timeout=5.0))["data"]
        second = (await hearing.get_message(timeout=5.0))["data"]
    assert first == STEP.pack(EPOCH, 0, 2) + CHANGE.pack(0, 2, 1, 5)
    assert second == STEP.pack(EPOCH, 2, 3) + CHANGE.pack(1, 1, 2, 0)


# --- mirrors of several processes ---


class Viewer:
    """A browser: takes a picture, goes on with the steps, and keeps what it saw at each version."""

    def __init__(self, shop):
        self.shop = shop
        self.seen = {}
        self.fresh_pictures = 0
        self.place: Any = None
        self.stop = shop.inventory.seat_map.listen(shop.shard_id, self.hear)

    async def look(self):
        picture = await self.shop.inventory.seat_map.picture(self.shop.shard_id, fresh=True)
        self.fresh_pictures += 1
        self.states, self.place = bytearray(picture.states), (picture.epoch, picture.version)
        self.seen[self.place] = bytes(self.states)

    def is_at(self, version):
        return self.place is not None and self.place[1] == version

    def hear(self, delta):
        if delta is None:
            self.place = None
        elif self.place is not None and delta.version > self.place[1]:
            assert delta.before == self.place[1], "a step is missing"
            self.go(delta)

    def go(self, delta):
        for seat_no, state in delta.seats:
            self.states[seat_no] = ord("0") + state
        self.place = (self.place[0], delta.version)
        self.seen[self.place] = bytes(self.states)


async def rush(shop, dice, rounds):
    """Holds, releases, sales and changes of mind."""
    for _ in range(rounds):
        person, seat_no = new_person(), dice.randrange(59)
        try:
            view = await shop.hold(person, seat_no, seat_no + 1)
        except SeatsTaken:
            continue
        if dice.random() < 0.8:
            await shop.inventory.let_go(shop.shard_id, view.hold.hold_id, person)


async def test_two_processes_that_both_commit_see_the_same_states_at_the_same_place(pair, monkeypatch):
    monkeypatch.setattr("onsale.limits.MAP_TELL_AFTER_S", 0.0)  # As many steps as there are changes.
    seed = chance.fresh_seed()
    print("seed", seed)
    dice = chance.seeded(seed)
    viewers = [Viewer(shop) for shop in pair]
    for viewer in viewers:
        await viewer.look()
    await asyncio.gather(*(rush(shop, dice, 25) for shop in pair for _ in range(4)))
    await until(lambda: viewers[0].place == viewers[1].place)
    common = viewers[0].seen.keys() & viewers[1].seen.keys()
    print("places seen by both", len(common))
    assert len(common) > 15, "a slow machine tells several changes in one step"
    assert all(viewers[0].seen[place] == viewers[1].seen[place] for place in common)
    assert [viewer.fresh_pictures for viewer in viewers] == [1, 1]


async def test_who_comes_back_to_another_process_goes_on_from_where_it_was(pair):
    one, two = pair
    viewer = Viewer(one)
    await viewer.look()
    await rush(one, chance.seeded(1), 5)
    await until(lambda: viewer.place[1] > 10)
    viewer.stop()
    await rush(one, chance.seeded(2), 5)
    version = sum((await one.change_nos()).values())
    await until(
        lambda: any(step.version >= version for step in two.inventory.seat_map.since(two.shard_id, *viewer.place))
    )
    for delta in two.inventory.seat_map.since(two.shard_id, *viewer.place):
        viewer.go(delta)
    fresh = await two.inventory.seat_map.picture(two.shard_id, fresh=True)
    assert (viewer.place, viewer.states) == ((fresh.epoch, fresh.version), fresh.states)
    assert two.inventory.seat_map.since(two.shard_id, b"elsewher", fresh.version) is None


async def held(shop):
    await shop.hold(ANN, 1, 2)


async def replaced(shop):
    await shop.hold(ANN, 1, 2)
    await shop.hold(ANN, 2, 3)


async def extended(shop):
    view = await shop.hold(ANN, 1)
    async with shop.database.pipelined(shop.shard_id) as tx:
        assert await shop.inventory.extend(tx, shop.shard_id, [view.hold.hold_id], 400) != [None]


async def sold(shop):
    view = await shop.hold(ANN, 1)
    await shop.pay(view.hold.hold_id)


async def taken_back(shop):
    await sold(shop)
    async with shop.database.transaction(shop.shard_id) as tx:
        assert await shop.inventory.take_back(tx, shop.shard_id, ANN, 7, [1]) == 1


async def released(shop):
    view = await shop.hold(ANN, 1)
    await shop.inventory.let_go(shop.shard_id, view.hold.hold_id, ANN)


async def run_out(shop):
    await shop.hold(ANN, 1)
    assert await settle.sweep(shop.database, shop.inventory.changes, clock.utcnow() + timedelta(seconds=400))


async def run_out_and_taken(shop):
    await run_out(shop)
    await shop.hold(BOB, 1)


KINDS = [held, replaced, extended, sold, taken_back, released, run_out, run_out_and_taken]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_snapshot_and_steps_are_a_fresh_snapshot(pair, kind):
    """Invariant 7, for every kind of change: through another process, and against PostgreSQL's own picture."""
    one, two = pair
    viewer = Viewer(two)
    await viewer.look()
    begun = viewer.place
    await kind(one)
    version = sum((await one.change_nos()).values())
    await until(lambda: viewer.place[1] == version)
    fresh = await one.inventory.seat_map.picture(one.shard_id, fresh=True)
    assert (fresh.epoch, fresh.version, fresh.states) == (*viewer.place, bytes(viewer.states))
    assert states(two.inventory.seat_map, two) == await one.seats()
    resumed = Viewer(one)
    resumed.states, resumed.place = bytearray(b"0" * 60), begun
    for delta in one.inventory.seat_map.since(one.shard_id, *begun):
        resumed.go(delta)
    assert resumed.states == viewer.states and begun[0] == fresh.epoch


async def test_without_a_map_pictures_are_polled_and_their_differences_heard(shop, database_url):
    async with process(shop, database_url, "redis://127.0.0.1:1/0") as one:
        viewer = Viewer(one)
        await viewer.look()
        await viewer.look()
        for kind in (held, replaced):
            await kind(one)
            target = sum((await one.change_nos()).values())
            await until(partial(viewer.is_at, target))
            fresh = await one.inventory.seat_map.picture(one.shard_id, fresh=True)
            assert (fresh.epoch, fresh.states) == (viewer.place[0], bytes(viewer.states))


async def test_a_round_of_the_healer_that_a_bug_ended_is_made_again(shop, database_url, redis_url, monkeypatch):
    async with process(shop, database_url, redis_url) as one:
        await one.inventory.heal()
        await until(lambda: one.inventory.seat_map._watch.mirror(one.shard_id).in_step)
        monkeypatch.setattr(one.inventory.seat_map._outbox, "put", lambda shard_id, changes: None)
        await one.hold(ANN, 1)
        read: dict[ShardId, bytes] = {}

        async def broken(cache, told, *round_):
            read.update(told)
            raise ZeroDivisionError

        with monkeypatch.context() as patched:
            patched.setattr(MapCache, "lagging", broken)
            while not read:  # A transaction under way hides what is newer.
                with pytest.raises(ZeroDivisionError):
                    await one.inventory.heal()
        async with healing(one):
            await until(lambda: states(one.inventory.seat_map, one)[1] == "h")


# --- troubles of Redis ---


async def agrees(one, two):
    """Both mirrors come to show what PostgreSQL has."""
    truth = await one.seats()
    await until(
        lambda: (
            trusts(one)
            and trusts(two)
            and states(one.inventory.seat_map, one) == truth == states(two.inventory.seat_map, two)
        )
    )


async def test_a_flushed_redis_gets_its_maps_anew(pair, redis_client):
    one, two = pair
    await one.hold(ANN, 1)
    await until(lambda: refused(two, BOB, 1) == [1])
    await redis_client.flushall()
    await two.hold(BOB, 2)
    await agrees(one, two)
    assert refused(one, ANN, 2) == [2] and refused(two, BOB, 1) == [1]


async def test_a_flush_together_with_a_crash_is_healed(pair, redis_client, monkeypatch):
    """Nobody tells the change and nothing is left that it could be missing from: the mirrors are what is wrong."""
    one, two = pair
    view = await one.hold(ANN, 1)
    await until(lambda: refused(two, BOB, 1) == [1])
    monkeypatch.setattr(one.inventory.seat_map._outbox, "put", lambda shard_id, changes: None)
    await redis_client.flushall()
    await one.inventory.let_go(one.shard_id, view.hold.hold_id, ANN)
    took_s = await until(lambda: not refused(two, BOB, 1))
    assert took_s < limits.HEAL_WITHIN_S
    await agrees(one, two)


async def test_a_redis_that_lost_its_last_writes_begins_another_epoch(pair, redis_client):
    """A copy that lagged takes over: the same epoch could have other states at the same versions."""
    one, two = pair
    viewer = Viewer(one)
    await viewer.look()
    kept = {key: await redis_client.dump(key) for key in await redis_client.keys()}
    await one.hold(ANN, 1)
    await two.hold(BOB, 2)
    version = sum((await one.change_nos()).values())
    await until(lambda: viewer.place[1] == version)
    lost = viewer.place
    await asyncio.sleep(2 * limits.HEAL_EVERY_S)
    async with redis_client.pipeline(transaction=True) as pipe:
        pipe.flushall()
        for key, value in kept.items():
            pipe.restore(key, 0, value)
        pipe.client_kill_filter(_type="pubsub")
        await pipe.execute()
    await agrees(one, two)
    await until(lambda: one.inventory.seat_map.since(one.shard_id, *lost) is None)
    fresh = await one.inventory.seat_map.picture(one.shard_id, fresh=True)
    assert fresh.epoch != lost[0] and viewer.place is None, "the viewer was told to look again"


async def test_a_cut_connection_is_made_again_and_nobody_misses_a_step(pair, redis_client):
    one, two = pair
    viewer = Viewer(two)
    await viewer.look()
    for seat_no in range(3):
        await redis_client.client_kill_filter(_type="pubsub")
        await one.hold(new_person(), seat_no)
    await agrees(one, two)
    fresh = await two.inventory.seat_map.picture(two.shard_id, fresh=True)
    assert viewer.place == (fresh.epoch, fresh.version) and viewer.states == fresh.states
    assert viewer.fresh_pictures == 1


@pytest.fixture
def own_valkey() -> Iterator[Embedded]:
    folder = Path(tempfile.mkdtemp(prefix="onsale-tests-"))
    try:
        with Embedded.start(folder, postgres=False) as embedded:
            yield embedded
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def test_redis_stops_and_comes_back_empty(shop, database_url, own_valkey):
    """Meanwhile everything goes on from PostgreSQL; afterwards from the maps again, by itself."""
    url = own_valkey.addresses.redis_url
    async with process(shop, database_url, url) as one, process(shop, database_url, url) as two, healing(two):
        await until(lambda: trusts(one) and trusts(two))
        await one.hold(ANN, 1)
        await until(lambda: refused(two, BOB, 1) == [1])
        client = redis.connect(url)
        await client.shutdown(nosave=True)
        await client.aclose()
        await until(lambda: not trusts(one) and not trusts(two))
        assert refused(two, BOB, 1) == []
        await two.hold(BOB, 2)
        assert (await one.inventory.seat_map.picture(one.shard_id, fresh=True)).states[:3] == b"011"
        await asyncio.to_thread(own_valkey.revive)
        await agrees(one, two)
        assert refused(one, ANN, 2) == [2]


async def test_an_event_that_is_not_on_sale_is_not_kept_in_mind(shop, database_url, redis_url):
    async with process(shop, database_url, redis_url) as one, healing(one):
        await until(lambda: trusts(one))
        other = ShardId(one.shard_id + 64)
        one.inventory.seat_map._watch.mirror(other)
        await until(lambda: one.inventory.seat_map._watch.known(other) is None)


# --- healers ---


async def test_what_was_lost_while_no_healer_was_there_is_found_by_the_next(shop, database_url, redis_url, monkeypatch):
    async with process(shop, database_url, redis_url) as one, process(shop, database_url, redis_url) as two:
        async with healing(one):
            await until(lambda: trusts(one) and trusts(two))
            view = await one.hold(ANN, 1)
            await until(lambda: refused(two, BOB, 1) == [1])
        monkeypatch.setattr(one.inventory.seat_map._outbox, "put", lambda shard_id, changes: None)
        await one.inventory.let_go(one.shard_id, view.hold.hold_id, ANN)
        await until(lambda: not trusts(two))
        async with healing(two):
            await agrees(one, two)
            assert states(two.inventory.seat_map, two)[1] == "f"


async def test_several_healers_do_no_harm(shop, database_url, redis_url, monkeypatch):
    async with (
        process(shop, database_url, redis_url) as one,
        process(shop, database_url, redis_url) as two,
        healing(one),
        healing(two),
    ):
        await until(lambda: trusts(one) and trusts(two))
        viewer = Viewer(two)
        await viewer.look()
        put, dice = one.inventory.seat_map._outbox.put, chance.seeded(5)
        monkeypatch.setattr(
            one.inventory.seat_map._outbox, "put", lambda *changes: put(*changes) if dice.random() < 0.5 else None
        )
        await asyncio.gather(rush(one, dice, 20), rush(two, dice, 20))
        await agrees(one, two)
        assert viewer.states == (await one.inventory.seat_map.picture(one.shard_id, fresh=True)).states
        assert viewer.fresh_pictures == 1, "healing is steps, not a new map"


async def test_a_backlog_of_facts_is_gone_over_before_the_next_beat(shop, database_url, redis_url, monkeypatch):
    monkeypatch.setattr(limits, "FACTS_BATCH_MAX", 2)
    async with process(shop, database_url, redis_url) as one, healing(one):
        await until(lambda: trusts(one))
        monkeypatch.setattr(one.inventory.seat_map._outbox, "put", lambda shard_id, changes: None)
        for seat_no in range(9):
            await one.hold(new_person(), seat_no)
        await until(lambda: states(one.inventory.seat_map, one)[:9] == "h" * 9)

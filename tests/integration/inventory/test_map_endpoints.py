"""The map as a whole house serves it: availability from a mirror, and a refusal that costs no connection."""

import pytest
from tests.integration.inventory.maps import until
from tests.integration.world import SEATS, ok, refused, world

from onsale.drop.availability import Availability
from onsale.inventory import seatmap
from onsale.kit import clock, ids, tasks

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(database_url, redis_url, tmp_path):
    """A web process and a worker's housekeeping."""
    async with world(database_url, redis_url, tmp_path) as whole:
        keeping = tasks.spawn(whole.house.housekeeping.run(), name="housekeeping of a test")
        try:
            yield whole
        finally:
            await tasks.cancel(keeping)


async def in_step(whole):
    """Its mirror of the event has everything and may refuse."""
    shard_id = ids.shard_of(whole.event)
    version = await whole.value("SELECT sum(change_no) FROM seat WHERE shard_id = %s", shard_id)
    watch = whole.house.inventory.seat_map._watch
    await until(
        lambda: (
            watch.mirror(shard_id).version == version
            and watch.mirror(shard_id).in_step
            and watch.trusted(clock.monotonic())
        )
    )
    return watch.mirror(shard_id)


async def test_availability_comes_from_the_mirror_and_its_etag_says_so(house):
    ann = await house.fan()
    await ann.buy(4)
    await ann.hold(1, 2)
    mirror = await in_step(house)
    path = f"/api/v1/events/{house.event}/availability"
    answer = await ann.get(path)
    assert answer.headers["etag"] == f'"{mirror.version}-{mirror.epoch.hex()}"'
    seen = Availability.parse(answer.content)
    assert seen.version == mirror.version
    assert seen.counts() == (SEATS - 3, 2, 1, 0)
    assert (await ann.get(path, **{"If-None-Match": answer.headers["etag"]})).status_code == 304
    counts = ok(await ann.get(f"{path}?format=json"), 200)
    tiers = [{"tier": 1, "free": SEATS - 3}]
    assert counts == {
        "version": seen.version,
        "seats": SEATS,
        "free": SEATS - 3,
        "held": 2,
        "sold": 1,
        "tiers": tiers,
    }


async def test_a_taken_seat_is_refused_while_postgresql_is_away(house):
    ann, bob = await house.fan(), await house.fan()
    await ann.hold(1, 2)
    await in_step(house)
    ok(await bob.take(5), 201)
    await in_step(house)
    before = seatmap.shortcuts.labels("taken")._value.get()
    await house.house.database._batch.close()
    assert refused(await bob.take(2, 3), 409, "seats_taken")["taken"] == [2]
    house.house.inventory.seat_map._count()
    assert seatmap.shortcuts.labels("taken")._value.get() == before + 1

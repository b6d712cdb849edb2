"""The worker's regular work: one round that fails ends neither the others nor itself."""

import asyncio

import pytest
from tests.integration.world import World, world

from onsale import limits
from onsale.kit import clock, facts, tasks

pytestmark = pytest.mark.anyio


@pytest.fixture
async def shop(database_url, redis_url, tmp_path):
    async with world(database_url, redis_url, tmp_path) as made:
        yield made


async def test_counting_seats_goes_on_after_a_fault_of_its_feed(shop: World, monkeypatch):
    """Without another try the seats left of every event would stand still until somebody restarts the worker."""
    monkeypatch.setattr(limits, "COUNT_SEATS_EVERY_S", 0.01)
    follow, faults = facts.follow, [RuntimeError("a fact that cannot be read")]

    def failing_once(*args, **named):
        if faults:
            raise faults.pop()
        return follow(*args, **named)

    monkeypatch.setattr(facts, "follow", failing_once)
    keeping = tasks.spawn(shop.house.housekeeping.run(), name="housekeeping")
    try:
        await (await shop.fan()).hold(0, 1)
        async with asyncio.timeout(5):
            while (await shop.house.catalog.event(shop.event)).seats_left != 58:
                await clock.sleep(0.05)
        assert not keeping.done()
    finally:
        await tasks.cancel(keeping)


async def test_a_round_that_dies_is_not_passed_over_in_silence(shop: World, monkeypatch):
    class Unexpected(BaseException):
        """What no round expects, as a cancellation from inside would be."""

    async def dying():
        raise Unexpected

    monkeypatch.setattr(shop.house.checkout.payments, "reconcile", dying)
    async with asyncio.timeout(5):
        with pytest.raises(Unexpected):
            await shop.house.housekeeping.run()

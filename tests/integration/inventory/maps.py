"""Shops whose processes share a Redis: each with its own mirrors, and a healer where the test wants one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from tests.integration.inventory.shop import Shop

from onsale import limits
from onsale.inventory import Inventory
from onsale.inventory.cache import MapCache
from onsale.inventory.model import Ask
from onsale.inventory.seatmap import SeatMap
from onsale.kit import clock, db, redis, tasks
from onsale.kit.facts import Facts
from onsale.kit.ids import PersonKey, new_id
from onsale.kit.jobs import Jobs
from onsale.kit.problems import Unavailable


@asynccontextmanager
async def process(shop: Shop, database_url: str, redis_url: str) -> AsyncIterator[Shop]:
    """Another process that sells the shop's event: connections, mirrors and background tasks of its own."""
    database, client = db.Database(database_url), redis.connect(redis_url)
    await database.open()
    facts = Facts(Jobs(database_url))
    inventory = Inventory(database, shop.catalog, facts, MapCache(client))
    running = tasks.spawn(inventory.seat_map.run(), name="seat map of a test")
    try:
        yield Shop(database, shop.catalog, facts, inventory, shop.event_id)
    finally:
        await tasks.cancel(running)
        await client.aclose()
        await database.close()


@asynccontextmanager
async def healing(shop: Shop) -> AsyncIterator[None]:
    """A worker's healer beside."""

    async def heal() -> None:
        while True:
            with suppress(Unavailable):
                await shop.inventory.heal()
            await clock.sleep(limits.HEAL_EVERY_S)

    running = tasks.spawn(heal(), name="healer of a test")
    try:
        yield
    finally:
        await tasks.cancel(running)


async def until(true: Callable[[], object], within_s: float = 10.0) -> float:
    """Wait for it; how many seconds that took."""
    began_s = clock.monotonic()
    while not true():
        assert clock.monotonic() - began_s < within_s, "in vain"
        await asyncio.sleep(0.002)
    return clock.monotonic() - began_s


def trusts(shop: Shop) -> bool:
    """Whether this process may refuse from its map."""
    seat_map = shop.inventory.seat_map
    return seat_map._watch.mirror(shop.shard_id).in_step and seat_map._watch.trusted(clock.monotonic())


def refused(shop: Shop, person: PersonKey, *seats: int) -> list[int]:
    """The seats for which the map refuses, without asking PostgreSQL; none: it does not refuse."""
    problem = shop.inventory.seat_map.taken(shop.shard_id, Ask(person, seats, new_id()))
    return problem.extra["taken"] if problem else []


def states(seat_map: SeatMap, shop: Shop) -> str:
    """What the mirror shows, a letter a seat."""
    return "".join("fhsn"[digit & 3] for digit in seat_map._watch.mirror(shop.shard_id).states)

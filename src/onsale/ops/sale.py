"""Sale control: an event goes on sale, is stopped and goes on; how many seats are left is told to the catalogue."""

from collections.abc import Iterable

from onsale.catalog import Catalog, EventStatus
from onsale.inventory import Inventory
from onsale.kit import db, ids


class SaleControl:
    def __init__(self, database: db.Database, catalog: Catalog, inventory: Inventory) -> None:
        self._database = database
        self._catalog = catalog
        self._inventory = inventory

    async def put_on_sale(self, event_id: int) -> int:
        """Lay down the event's seats and mark it on sale, together; how many seats. 0: it was on sale already."""
        layout = await self._catalog.layout(await self._catalog.event(event_id))
        async with self._database.transaction(ids.shard_of(event_id)) as tx:
            event = await self._catalog.event_for_sale(tx, event_id)
            seats = await self._inventory.lay_down(tx, event, layout)
            if seats:
                await self._catalog.mark_on_sale(tx, event_id)
        if seats:
            await self.tell_left([event_id])
        return seats

    async def stop(self, event_id: int, stopped: bool) -> None:
        """Stop the taking of seats, or let it go on. Holds and payments under way are not touched."""
        await self._catalog.event(event_id)
        async with self._database.transaction(ids.shard_of(event_id)) as tx:
            await self._inventory.stop(tx, event_id, stopped)

    async def say(self, event_id: int, said: EventStatus | None) -> None:
        """The organiser's word: cancelled, postponed, or neither.

        While an event is called off no seats are taken; taking the word back lets the sale go on, unless it was
        stopped as well. The sale's flag is written whatever it was before: saying a thing again heals what is amiss.
        """
        async with self._database.transaction(ids.shard_of(event_id)) as tx:
            await self._catalog.say(tx, event_id, said)
            await self._inventory.call_off(tx, event_id, said is not None)
        self._catalog.forget(event_id)

    async def tell_left(self, event_ids: Iterable[int]) -> None:
        """Count the seats left of each event and tell the catalogue, which derives SOLD_OUT from them."""
        for event_id in event_ids:
            left = await self._inventory.count_free(event_id)
            async with self._database.transaction(ids.shard_of(event_id)) as tx:
                await self._catalog.tell_left(tx, event_id, left)

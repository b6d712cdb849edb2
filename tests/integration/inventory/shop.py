"""A shop with one event on sale, laid down through the catalogue's own door; used by the races, too."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from onsale.catalog import Catalog, Chart, NewEvent, NewVenue
from onsale.catalog.season import priced
from onsale.inventory import Inventory
from onsale.kit import clock, db, ids
from onsale.kit.facts import Facts
from onsale.kit.ids import PersonKey, ShardId
from onsale.kit.jobs import Jobs
from onsale.ops import SaleControl
from tests.unit.inventory.hall import HALL

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Shop:
    """The parts of one process, and what its tests ask of the tables directly."""

    database: db.Database
    catalog: Catalog
    facts: Facts
    inventory: Inventory
    sales: SaleControl
    event_id: int

    @property
    def shard_id(self) -> ShardId:
        return ids.shard_of(self.event_id)

    async def hold(self, person: PersonKey, *seats: int, key_hash: bytes | None = None):
        return await self.inventory.hold(self.event_id, person, seats, key_hash)

    async def pay(self, *hold_ids: int, order_id: int = 7):
        """What checkout does when a payment was authorised. {hold: None} for one that is lost."""
        async with self.database.transaction(self.shard_id) as tx:
            return await self.inventory.confirm(tx, self.shard_id, dict.fromkeys(hold_ids, order_id))

    async def rows(self, query: str, **named: Any) -> list[Any]:
        async with self.database.transaction() as tx:
            return await (await tx.execute(query, {"shard_id": self.shard_id, **named})).fetchall()

    async def seats(self, *wanted: int) -> str:
        """One letter a seat: free, held, sold, nobody's."""
        found = await self.rows("SELECT state FROM seat WHERE shard_id = %(shard_id)s ORDER BY seat_no")
        letters = "".join("fhsn"[row[0]] for row in found)
        return "".join(letters[seat_no] for seat_no in wanted) if wanted else letters

    async def change_nos(self) -> dict[int, int]:
        return dict(await self.rows("SELECT seat_no, change_no FROM seat WHERE shard_id = %(shard_id)s"))

    async def told(self) -> list[tuple[str, dict[str, Any]]]:
        """Facts of the shard in the order they were written."""
        return await self.rows("SELECT kind, body FROM fact WHERE shard_id = %(shard_id)s ORDER BY fact_id")

    async def grow_older(self, seconds: float) -> None:
        """As if every hold had been made that much earlier."""
        async with self.database.transaction() as tx:
            named = {"age": timedelta(seconds=seconds)}
            await tx.execute("UPDATE seat SET held_until = held_until - %(age)s WHERE state = 1", named)
            await tx.execute("UPDATE hold SET expires_at = expires_at - %(age)s, max_until = max_until - %(age)s", named)


def in_one_process(database: db.Database, database_url: str, event_id: int = 0) -> Shop:
    """The parts over a database in which the event is on sale already."""
    catalog, facts = Catalog(database), Facts(Jobs(database_url))
    inventory = Inventory(database, catalog, facts)
    return Shop(database, catalog, facts, inventory, SaleControl(database, catalog, inventory), event_id)


async def open_shop(database: db.Database, database_url: str, chart: Chart = HALL, **changes: Any) -> Shop:
    """An organiser, a venue, its chart, an event, and the event on sale, opened a day ago."""
    shop = in_one_process(database, database_url)
    organiser_id = await shop.catalog.create_organiser("Alder Trust")
    venue = NewVenue(name=chart.name, city="Lyon", country="FR", timezone="Europe/Paris")
    venue_id = await shop.catalog.create_venue(venue)
    chart_hash = await shop.catalog.add_chart(venue_id, chart)
    now: datetime = clock.utcnow()
    draft: dict[str, Any] = {
        "genre": "Jazz",
        "title": "Trio",
        "starts_at": now + 7 * DAY,
        "ends_at": now + 7 * DAY + DAY / 12,
        "opens_at": now - DAY,
        "closes_at": now + 7 * DAY,
        "currency": "EUR",
        "tiers": priced(chart.zones, 6000, 2000),
    } | changes
    event = NewEvent(organiser_id=organiser_id, venue_id=venue_id, chart_hash=chart_hash, **draft)
    opened = in_one_process(database, database_url, await shop.catalog.create_event(event))
    assert await opened.sales.put_on_sale(opened.event_id) == chart.seats
    return opened

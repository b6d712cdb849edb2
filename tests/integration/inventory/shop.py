"""The parts that sell one event, in one process: what tests drive, and the processes of a race."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from onsale.catalog import Catalog
from onsale.inventory import Inventory
from onsale.kit import db, ids
from onsale.kit.facts import Facts
from onsale.kit.ids import PersonKey, ShardId
from onsale.kit.jobs import Jobs


@dataclass(frozen=True)
class Shop:
    """The parts of one process, and what its tests ask of the tables directly."""

    database: db.Database
    catalog: Catalog
    facts: Facts
    inventory: Inventory
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
            await tx.execute(
                "UPDATE hold SET expires_at = expires_at - %(age)s, max_until = max_until - %(age)s", named
            )


def in_one_process(database: db.Database, database_url: str, event_id: int = 0) -> Shop:
    """The parts over a database in which the event is on sale already."""
    catalog, facts = Catalog(database), Facts(Jobs(database_url))
    inventory = Inventory(database, catalog, facts)
    return Shop(database, catalog, facts, inventory, event_id)

"""What owners do with their holds, letting go and asking for more time: asks of one shard travel in batches, too.

Each batch is one transaction of lock, decide, write (`settle`). Whose a hold is, is decided under the same locks.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar

from onsale import limits
from onsale.inventory import settle
from onsale.inventory.batches import collector
from onsale.inventory.model import HoldView, Own
from onsale.inventory.told import Changes
from onsale.kit import db
from onsale.kit.coalesce import Coalescer
from onsale.kit.collectors import Collectors
from onsale.kit.ids import ShardId

Answer = TypeVar("Answer")


class Owners:
    """Collects the asks of this process, per shard and verb. Who only forged an id hears no more than HoldNotFound."""

    def __init__(self, database: db.Database, changes: Changes) -> None:
        self._database = database
        self._changes = changes
        self._releases = _collectors("release", self.release_batch)
        self._extensions = _collectors("extension", self.prolong_batch)

    async def release(self, shard_id: ShardId, ask: Own) -> None:
        """Release a hold; doing it again changes nothing. Raises HoldNotFound."""
        await self._releases.ask(shard_id, ask)

    async def prolong(self, shard_id: ShardId, ask: Own) -> HoldView:
        """The hold with at least a minute more, within its bound. Raises HoldExpired, HoldNotFound."""
        return await self._extensions.ask(shard_id, ask)

    async def release_batch(
        self, shard_id: ShardId, asks: Sequence[Own], now: datetime | None = None
    ) -> list[Exception | None]:
        """One transaction for a batch. `now` is for tests; else the shard says it."""
        async with self._database.batch(shard_id) as tx:
            return await settle.release(self._changes, tx, shard_id, asks, now)

    async def prolong_batch(
        self, shard_id: ShardId, asks: Sequence[Own], now: datetime | None = None
    ) -> list[HoldView | Exception]:
        """The same for more time."""
        async with self._database.batch(shard_id) as tx:
            return await settle.prolong(self._changes, tx, shard_id, asks, limits.PAYMENT_EXTENSION_S, now)


def _collectors(
    name: str, run: Callable[[ShardId, Sequence[Own]], Awaitable[Sequence[Answer | Exception]]]
) -> Collectors[Own, Answer]:
    """Not one at a time: asks about one hold go well together, in one batch or two."""

    def make(shard_id: ShardId) -> Coalescer[Own, Answer]:
        # Doing either of them twice is as good as once.
        return collector(lambda asks: run(shard_id, asks), name=name)

    return Collectors(make, shards_max=limits.SHARDS_IN_MIND_MAX)

"""Numbers while Redis is away: from blocks that PostgreSQL reserves for this process.

They are told as of the epoch PROVISIONAL, so that whoever comes back with one is taken in by whatever epoch there is
then.
"""

from collections.abc import Sequence

from onsale import limits
from onsale.kit import db, telemetry
from onsale.kit.ids import PersonKey, ShardId
from onsale.kit.lru import Lru
from onsale.waitingroom import store
from onsale.waitingroom.errors import NoLine
from onsale.waitingroom.model import PROVISIONAL, Ask, Gap

places_provisional = telemetry.counter(
    "onsale_line_provisional_total", "Places given from PostgreSQL because Redis was away."
)

Numbered = dict[PersonKey, tuple[int, int]]
"""Person -> number and epoch."""


class Provisional:
    """Knows whom this process gave a number while Redis was away, the last so many of them."""

    def __init__(self, database: db.Database) -> None:
        self._database = database
        self._reserved: dict[ShardId, range] = {}
        self._given: Lru[tuple[ShardId, PersonKey], int] = Lru(limits.PROVISIONAL_PLACES_MAX)

    async def numbers(self, shard_id: ShardId, asks: Sequence[Ask]) -> Numbered:
        """A number for each who has none to show. Raises NoLine, Unavailable."""
        found: Numbered = {}
        for ask in asks:
            if ask.shown is not None:
                found[ask.person] = ask.shown.number, ask.shown.epoch
            elif number := self._given.get((shard_id, ask.person)):
                found[ask.person] = number, PROVISIONAL
            elif ask.may_join:
                number = await self._next(shard_id)
                self._given.put((shard_id, ask.person), number)
                places_provisional.inc()
                found[ask.person] = number, PROVISIONAL
        return found

    def reserved(self, shard_id: ShardId) -> bool:
        return shard_id in self._reserved

    async def end(self, shard_id: ShardId) -> None:
        """Redis is there again: what is left of the block stands for nobody. Raises Unavailable; then it is kept."""
        rest = self._reserved.get(shard_id)
        if rest is None:
            return
        async with self._database.transaction(shard_id) as tx:
            await store.leave_out(tx, shard_id, Gap(rest.start - 1, rest.stop - 1))
        self._reserved.pop(shard_id, None)

    async def _next(self, shard_id: ShardId) -> int:
        rest = self._reserved.get(shard_id)
        if not rest:
            async with self._database.transaction(shard_id) as tx:
                rest = await store.reserve(tx, shard_id)
            if rest is None:
                raise NoLine
        self._reserved[shard_id] = rest[1:]
        return rest[0]

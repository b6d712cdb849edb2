"""Taking seats: asks of one shard travel in batches; each batch is one transaction of lock, decide, write."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter

from onsale import limits
from onsale.inventory import store
from onsale.inventory.batches import collector
from onsale.inventory.errors import NotOnSale, problem_of
from onsale.inventory.model import Ask, HoldView, Refused, decide_holds, whole
from onsale.inventory.told import Changes
from onsale.kit import db
from onsale.kit.coalesce import Coalescer
from onsale.kit.collectors import Collectors
from onsale.kit.ids import ShardId

Taken = Callable[[ShardId, Ask], Exception | None]


class Taker:
    """Collects the asks of this process, per shard, and has each batch decided.

    `taken` refuses an ask for seats that are surely taken, where that is known without PostgreSQL.
    """

    def __init__(self, database: db.Database, changes: Changes, taken: Taken = lambda shard_id, ask: None) -> None:
        self._database = database
        self._changes = changes
        self._taken = taken
        self._collectors = Collectors(self._collector, shards_max=limits.SHARDS_IN_MIND_MAX)

    async def take(self, shard_id: ShardId, ask: Ask) -> HoldView:
        """The hold that answers the ask. Raises the problem that says why there is none."""
        refusal = self._taken(shard_id, ask)
        if refusal is not None:
            try:
                raise refusal
            finally:
                del refusal  # It keeps this frame; were it kept by it, only the collector of garbage would part them.
        return await self._collectors.ask(shard_id, ask)

    def _collector(self, shard_id: ShardId) -> Coalescer[Ask, HoldView]:
        return collector(
            # Repeated after a commit that passed unheard, it finds its own hold: `model._repeated`.
            lambda asks: self.take_batch(shard_id, asks),
            name="hold",
            person_of=attrgetter("person"),
            # Looked at once more just before it travels: a rush for a seat is over when the first batch has it.
            refuse=partial(self._taken, shard_id),
        )

    async def take_batch(
        self, shard_id: ShardId, asks: Sequence[Ask], now: datetime | None = None
    ) -> list[HoldView | Exception]:
        """One transaction for a batch in which each person asks once. `now` is for tests; else the shard says it."""
        persons = [ask.person for ask in asks]
        wanted = [seat_no for ask in asks for seat_no in ask.seats]
        async with self._database.batch(shard_id) as tx:
            found = await store.lock_for_asks(tx, shard_id, persons, wanted, now)
            if found is None:
                return [NotOnSale() for _ in asks]
            sale, locked = found
            answers, writes = decide_holds(asks, sale, locked)
            await store.write(tx, shard_id, writes)
            await self._changes.record(tx, shard_id, writes)
        fresh = {hold.hold_id for hold in writes.new_holds}
        return [
            problem_of(answer)
            if isinstance(answer, Refused)
            else HoldView(shard_id, answer, answer.hold_id in fresh or whole(answer, locked), locked.now)
            for answer in answers
        ]

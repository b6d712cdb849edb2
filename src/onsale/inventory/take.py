"""Taking seats: asks of one shard are collected in batches, and batches of shards that are ready travel together.

Each such journey is one transaction of lock, decide, write. What is decided on one shard depends on nothing of another.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter

from onsale import limits
from onsale.inventory import store
from onsale.inventory.batches import collector
from onsale.inventory.errors import NotOnSale, problem_of
from onsale.inventory.model import Ask, Hold, HoldView, Locked, Refused, Writes, decide_holds, whole
from onsale.inventory.told import Changes
from onsale.kit import db
from onsale.kit.coalesce import Coalescer
from onsale.kit.collectors import Collectors
from onsale.kit.convoy import Convoy
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
        self._convoy = Convoy(self.take_batches, name="hold", asks_max=limits.HOLD_BATCH_MAX, pace_s=limits.HOLD_PACE_S)

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
            partial(self._convoy.ride, shard_id),
            name="hold",
            person_of=attrgetter("person"),
            # Looked at once more just before it travels: a rush for a seat is over when the first batch has it.
            refuse=partial(self._taken, shard_id),
        )

    async def take_batches(
        self, asks: Mapping[ShardId, Sequence[Ask]], now: datetime | None = None
    ) -> dict[ShardId, list[HoldView | Exception]]:
        """One transaction for a batch of each shard, in which each person asks once. `now` is for tests."""
        written: dict[ShardId, Writes] = {}
        answers: dict[ShardId, list[HoldView | Exception]] = {}
        async with self._database.batch(*asks) as tx:
            found = await store.lock_for_asks(tx, asks, now)
            for shard_id, (sale, locked) in found.items():
                decided, written[shard_id] = decide_holds(asks[shard_id], sale, locked)
                answers[shard_id] = _views(shard_id, decided, written[shard_id], locked)
            await store.write(tx, written)
            await self._changes.record(tx, written)
        return {shard_id: answers.get(shard_id) or [NotOnSale() for _ in part] for shard_id, part in asks.items()}


def _views(
    shard_id: ShardId, decided: Sequence[Hold | Refused], writes: Writes, locked: Locked
) -> list[HoldView | Exception]:
    """What each asker is told."""
    fresh = {hold.hold_id for hold in writes.new_holds}
    return [
        problem_of(answer)
        if isinstance(answer, Refused)
        else HoldView(shard_id, answer, answer.hold_id in fresh or whole(answer, locked), locked.now)
        for answer in decided
    ]

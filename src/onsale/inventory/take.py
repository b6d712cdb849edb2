"""Taking seats: asks of one shard travel in batches; each batch is one transaction of lock, decide, write."""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from operator import attrgetter

from onsale import limits
from onsale.inventory import store
from onsale.inventory.errors import NotOnSale, problem_of
from onsale.inventory.facts import SeatsBlocked, SeatsHeld, SeatsReleased
from onsale.inventory.model import Ask, HoldView, Refused, SeatState, Writes, decide_holds, whole
from onsale.kit import db
from onsale.kit.coalesce import Coalescer
from onsale.kit.collectors import Collectors
from onsale.kit.facts import Facts
from onsale.kit.ids import ShardId


class Taker:
    """Collects the asks of this process, per shard, and has each batch decided."""

    def __init__(self, database: db.Database, facts: Facts) -> None:
        self._database = database
        self._facts = facts
        self._collectors = Collectors(self._collector, shards_max=limits.SHARDS_IN_MIND_MAX)

    async def take(self, shard_id: ShardId, ask: Ask) -> HoldView:
        """The hold that answers the ask. Raises the problem that says why there is none."""
        return await self._collectors.ask(shard_id, ask)

    def _collector(self, shard_id: ShardId) -> Coalescer[Ask, HoldView]:
        return Coalescer(
            lambda asks: self.take_batch(shard_id, asks),
            name="hold",
            batch_max=limits.HOLD_BATCH_MAX,
            queue_max=limits.HOLD_QUEUE_MAX,
            lane_of=attrgetter("person"),
            lane_max=limits.HOLD_ASKS_PER_PERSON_MAX,
            hopeless=(db.DatabaseAway,),
        )

    async def take_batch(
        self, shard_id: ShardId, asks: Sequence[Ask], now: datetime | None = None
    ) -> list[HoldView | Exception]:
        """One transaction for a batch in which each person asks once. `now` is for tests; else the shard says it."""
        for _ in range(limits.BUYER_ADDED_MAX):
            with suppress(store.BuyerAdded):  # The next look finds the row.
                return await self._take_batch(shard_id, asks, now)
        return await self._take_batch(shard_id, asks, now)

    async def _take_batch(
        self, shard_id: ShardId, asks: Sequence[Ask], now: datetime | None
    ) -> list[HoldView | Exception]:
        persons = [ask.person for ask in asks]
        wanted = [seat_no for ask in asks for seat_no in ask.seats]
        async with self._database.batch(shard_id) as tx:
            found = await store.lock_for_asks(tx, shard_id, persons, wanted, now)
            if found is None:
                return [NotOnSale() for _ in asks]
            sale, locked = found
            answers, writes = decide_holds(asks, sale, locked)
            await store.write(tx, shard_id, writes)
            await record_changes(self._facts, tx, shard_id, writes)
        fresh = {hold.hold_id for hold in writes.new_holds}
        return [
            problem_of(answer)
            if isinstance(answer, Refused)
            else HoldView(shard_id, answer, answer.hold_id in fresh or whole(answer, locked), locked.now)
            for answer in answers
        ]


async def record_changes(facts: Facts, tx: db.Tx, shard_id: ShardId, writes: Writes) -> None:
    """Say which seats changed hands, one fact per kind of change and batch."""
    if held := writes.seats_now(SeatState.HELD):
        await facts.record(tx, SeatsHeld(shard_id=shard_id, seats=held))
    if released := writes.seats_now(SeatState.FREE):
        await facts.record(tx, SeatsReleased(shard_id=shard_id, seats=released))
    if blocked := writes.seats_now(SeatState.NOT_FOR_SALE):
        await facts.record(tx, SeatsBlocked(shard_id=shard_id, seats=blocked))

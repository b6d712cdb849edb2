"""Saying what a verb has changed: facts in its transaction, the map of seats after it.

Nobody waits for the map. What does not get there (Redis is away, too much at once, the process dies after its commit)
is found by the healer, who reads the facts.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from onsale import limits
from onsale.inventory.cache import MapCache
from onsale.inventory.facts import SeatsBlocked, SeatsHeld, SeatsReleased, SeatsSold
from onsale.inventory.mirror import pack_changes, tag_of, word_of
from onsale.inventory.model import SeatState, Writes
from onsale.kit import clock, db, telemetry
from onsale.kit.facts import Fact, Facts
from onsale.kit.ids import ShardId
from onsale.kit.problems import Unavailable

Change = tuple[int, int, int, int]
"""seat_no, change_no, word, tag."""

seats_untold = telemetry.counter(
    "onsale_map_untold_total", "Changed seats that a process did not bring into Redis' map; the healer does."
)


class Outbox:
    """Changes of this process that committed, on their way to Redis: all that wait for a shard travel together."""

    def __init__(self, cache: MapCache | None) -> None:
        self._cache = cache
        self._waiting: dict[ShardId, list[Change]] = {}
        self._seats = 0
        self._wake = asyncio.Event()
        self._open = False

    def put(self, shard_id: ShardId, changes: Sequence[Change]) -> None:
        """Never blocks and never raises. What does not fit is dropped, counted, and healed."""
        if not self._open or self._seats + len(changes) > limits.MAP_OUTBOX_SEATS_MAX:
            seats_untold.inc(len(changes))
            return
        self._waiting.setdefault(shard_id, []).extend(changes)
        self._seats += len(changes)
        self._wake.set()

    async def run(self) -> None:
        """Send for ever; what waits when it is cancelled is sent before it ends."""
        self._open = self._cache is not None
        try:
            while True:
                await self._wake.wait()
                await clock.sleep(limits.MAP_TELL_AFTER_S)
                self._wake.clear()
                await self._send()
        finally:
            self._open = False
            await self._send()

    async def _send(self) -> None:
        waiting, seats = self._waiting, self._seats
        self._waiting, self._seats = {}, 0
        if not waiting or self._cache is None:
            return
        try:
            await self._cache.tell([(shard_id, pack_changes(changes)) for shard_id, changes in waiting.items()])
        except Unavailable:
            seats_untold.inc(seats)


_FACTS = {
    SeatState.HELD: SeatsHeld,
    SeatState.SOLD: SeatsSold,
    SeatState.FREE: SeatsReleased,
    SeatState.NOT_FOR_SALE: SeatsBlocked,
}


class Changes:
    """What verbs say their changes to."""

    def __init__(self, facts: Facts, tell: Callable[[ShardId, Sequence[Change]], None]) -> None:
        self._facts = facts
        self._tell = tell

    async def record(self, tx: db.Tx, written: Mapping[ShardId, Writes]) -> None:
        """Say which seats changed hands: a fact per shard, kind of change and batch; maps hear it after the commit."""
        facts: list[Fact] = []
        for shard_id, writes in written.items():
            seats = writes.by_state()
            facts += [kind(shard_id=shard_id, seats=seats[state]) for state, kind in _FACTS.items() if state in seats]
            if changes := changes_of(writes):
                db.after_commit(tx, partial(self._tell, shard_id, changes))
        await self._facts.record(tx, *facts)


def changes_of(writes: Writes) -> list[Change]:
    """The changed seats as the map has them."""
    tags = {hold.hold_id: tag_of(hold.person) for hold in (*writes.new_holds, *writes.holds.values())}
    # Most seats of a batch are held until the same moment.
    words: dict[tuple[SeatState, datetime | None], int] = {}
    changes = []
    for seat_no, (state, hold_id, until, _) in writes.seats.items():
        word = words.get((state, until))
        if word is None:
            word = words[state, until] = word_of(state, until)
        tag = tags[hold_id] if state is SeatState.HELD and hold_id is not None else 0
        changes.append((seat_no, writes.change_nos[seat_no], word, tag))
    return changes

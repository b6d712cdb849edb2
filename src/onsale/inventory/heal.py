"""The healer: finds what commits did not get into Redis' maps, and vouches for the rest.

It follows the facts, asks Redis which of their changes the maps do not have, and tells these from PostgreSQL's rows.
When nothing is behind it beats, and only while somebody beats do mirrors refuse. Several healers do no harm.

Redis may lose what it last took (a copy that lagged takes over, or it begins empty). Each healer writes the number of
its round there; when the last is not found again, changes were lost: all maps whose seats changed since the position
that this Redis remembers are dropped, and made anew by who looks at them, with a new epoch.
"""

from collections import deque
from collections.abc import Sequence
from struct import Struct

from onsale import limits
from onsale.inventory import store
from onsale.inventory.cache import MapCache
from onsale.inventory.facts import SEATS_CHANGED
from onsale.inventory.mirror import pack_changes, tag_of, word_of
from onsale.inventory.told import Change
from onsale.kit import chance, clock, db, facts, telemetry
from onsale.kit.facts import Fact
from onsale.kit.ids import ShardId

seats_healed = telemetry.counter("onsale_map_healed_total", "Changed seats that the healer brought into Redis' map.")
maps_dropped = telemetry.counter(
    "onsale_map_dropped_total", "Maps dropped because Redis lost writes, or nobody watched them for a while."
)

_PAIR = Struct("<2I")


class Healer:
    def __init__(self, database: db.Database, cache: MapCache) -> None:
        self._database = database
        self._cache = cache
        self._name = chance.secret_bytes(8).hex()
        self._reader: facts.Reader | None = None
        # The last round whose writes Redis is known to have, and the number of this one.
        self._confirmed = 0
        self._number = 0
        # Until it has caught up with what happened before it began, Redis may have lost any of it.
        self._doubtful = True
        # (id, time): when the horizon has passed that id, all that committed before that time has been read.
        self._marks: deque[tuple[int, float]] = deque(maxlen=limits.HEAL_MARKS_MAX)
        self._all_read_at_s = float("-inf")

    async def round(self) -> None:
        """Once: read on, heal, beat. Raises Unavailable; whatever it raises, the next round does it again."""
        if self._reader is None:
            self._reader = await self._begin()
        reader = self._reader
        for _ in range(limits.HEAL_BATCHES_MAX):
            position = reader.position
            try:
                if not await self._go_on(reader):
                    self._reader = None
                    return
            except BaseException:
                reader.position = position  # Whatever it was: a beat must not vouch for facts that nobody has healed.
                raise
            if not reader.full:
                return

    async def _go_on(self, reader: facts.Reader) -> bool:
        """False when Redis has lost writes, or there is no end of what is behind."""
        began_s = clock.monotonic()
        changed = _by_shard(await reader.read())
        if reader.position is not None and reader.ahead < reader.position[0]:
            return False  # This database has lost commits that Redis may have heard of.
        self._mark(reader, began_s)
        if self._doubtful:
            await self._drop(list(changed))
            changed = {}
            self._doubtful = reader.full
        if not await self._heal(changed):
            return False
        assert reader.position is not None
        recent = not reader.full and clock.monotonic() - self._all_read_at_s <= limits.HEAL_LAG_MAX_S
        return await self._cache.beat(self._name, self._number, reader.position, heard=recent)

    async def _begin(self) -> facts.Reader:
        """From where some healer has come to, as this Redis remembers; else from now, with no map left."""
        self._marks.clear()
        self._doubtful, self._number, self._confirmed = True, 0, 0
        reader = facts.Reader(self._database, SEATS_CHANGED)
        await reader.begin()
        healed = await self._cache.begin_rounds(self._name)
        # A position ahead of everything is of another database.
        if healed is None or (reader.position is not None and healed > reader.position):
            await self._drop(await self._cache.all_shards())
        else:
            reader.position = healed
        return reader

    def _mark(self, reader: facts.Reader, began_s: float) -> None:
        self._marks.append((reader.ahead, began_s))
        while not reader.full and self._marks and self._marks[0][0] <= reader.horizon:
            _, self._all_read_at_s = self._marks.popleft()

    async def _drop(self, shard_ids: Sequence[ShardId]) -> None:
        if shard_ids:
            maps_dropped.inc(len(shard_ids))
            await self._cache.drop(shard_ids)

    async def _heal(self, changed: dict[ShardId, dict[int, int]]) -> bool:
        """Tell what is behind until nothing is. False when Redis has lost writes, or it does not come to an end.

        What is behind is asked again after telling, with the round's number on the same connection: the server that
        says that all is there is the one that keeps the number.
        """
        for _ in range(limits.HEAL_ATTEMPTS_MAX):
            self._number += 1
            pairs = {
                shard_id: b"".join(_PAIR.pack(*seat) for seat in seats.items()) for shard_id, seats in changed.items()
            }
            behind, last = await self._cache.lagging(pairs, self._name, self._number)
            if last < self._confirmed:
                return False
            self._confirmed = self._number
            if not behind:
                return True
            for shard_id, seats in behind.items():
                await self._tell(shard_id, list(changed[shard_id]) if seats is None else seats)
                if seats is None:
                    del changed[shard_id]
        return False

    async def _tell(self, shard_id: ShardId, seat_nos: list[int]) -> None:
        async with self._database.transaction(shard_id) as tx:
            rows = await store.seats_as_they_are(tx, shard_id, seat_nos)
        changes: list[Change] = [
            (seat_no, change_no, word_of(state, until), tag_of(person) if person else 0)
            for seat_no, change_no, state, until, person in rows
        ]
        await self._cache.tell([(shard_id, pack_changes(changes))])
        seats_healed.inc(len(changes))


def _by_shard(batch: Sequence[Fact]) -> dict[ShardId, dict[int, int]]:
    """Shard -> seat number -> the highest change number told of it."""
    changed: dict[ShardId, dict[int, int]] = {}
    for fact in batch:
        assert isinstance(fact, SEATS_CHANGED)
        seats = changed.setdefault(ShardId(fact.shard_id), {})
        for seat_no, change_no in fact.seats:
            seats[seat_no] = max(change_no, seats.get(seat_no, 0))
    return changed

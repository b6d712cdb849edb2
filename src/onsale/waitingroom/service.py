"""The line of each event, as one process sees it: people join, come back and leave; the board says how it stands.

Redis gives the numbers, in batches, and only up to a ceiling that PostgreSQL has committed ahead. A server that may
have forgotten some of them is noticed by its own name: then a new epoch begins above everything ever committed, and
people bring their places back. While no Redis answers, numbers come from a block reserved in PostgreSQL.
"""

import asyncio
from collections.abc import Sequence
from functools import partial

from msgspec.structs import replace

from onsale import limits
from onsale.kit import clock, db, tasks, telemetry
from onsale.kit.coalesce import Coalescer, own_copy
from onsale.kit.collectors import Collectors
from onsale.kit.ids import PersonKey, ShardId
from onsale.kit.lru import Lru
from onsale.kit.problems import Unavailable
from onsale.waitingroom import store
from onsale.waitingroom.cache import LineCache, Numbers, RedisAway
from onsale.waitingroom.errors import NoLine, NoPlace
from onsale.waitingroom.model import Ask, Board, Place
from onsale.waitingroom.provisional import Numbered, Provisional

epochs_begun = telemetry.counter(
    "onsale_line_epochs_total", "Times a line began anew in Redis, because a server had lost it or was another one."
)


class Line:
    def __init__(self, database: db.Database, cache: LineCache) -> None:
        self._database = database
        self._cache = cache
        self._asks = Collectors(self._collector, shards_max=limits.SHARDS_IN_MIND_MAX)
        self._leavers = Collectors(self._leave_collector, shards_max=limits.SHARDS_IN_MIND_MAX)
        self._raising: set[ShardId] = set()
        self._beginning = asyncio.Semaphore(1)
        self._boards: Lru[ShardId, tuple[float, Board]] = Lru(limits.SHARDS_IN_MIND_MAX)
        self._looks = Collectors(self._look_collector, shards_max=limits.SHARDS_IN_MIND_MAX)
        self._provisional = Provisional(database)

    async def open(self, tx: db.Tx, shard_id: ShardId) -> None:
        """The event has a line from now on. Opening it again changes nothing."""
        await store.open_line(tx, shard_id)

    async def join(self, shard_id: ShardId, person: PersonKey, shown: Place | None = None) -> Place:
        """The person's place: the one they have, the one they show where that was forgotten, or a new one at the end.

        Raises NoLine, Overloaded, Unavailable.
        """
        return await self._asks.ask(shard_id, Ask(person, shown))

    async def find(self, shard_id: ShardId, shown: Place) -> Place:
        """The place of a person who comes back with one; it is lower than theirs where they have two.

        Raises NoPlace for one who has left, and as `join`.
        """
        return await self._asks.ask(shard_id, Ask(shown.person, shown, may_join=False))

    async def leave(self, shard_id: ShardId, person: PersonKey) -> None:
        """Give up the place, if there is one. Raises Unavailable while Redis is away: the place is kept then."""
        await self._leavers.ask(shard_id, person)

    async def board(self, shard_id: ShardId) -> Board:
        """How the line stands, BOARD_AGE_MAX_S old at the most. Raises NoLine, Unavailable."""
        known = self._boards.get(shard_id)
        if known is not None and clock.monotonic() - known[0] < limits.BOARD_AGE_MAX_S:
            return known[1]
        return await self._looks.ask(shard_id, None)

    # -- joining -------------------------------------------------------------------------------------------------------

    def _collector(self, shard_id: ShardId) -> Coalescer[Ask, Place]:
        return Coalescer(
            partial(self._join, shard_id),
            name="join",
            batch_max=limits.JOIN_BATCH_MAX,
            queue_max=limits.HOT_REQUESTS_UNDER_WAY_MAX,
            pace_s=limits.JOIN_PACE_S,
            busy_from=limits.JOIN_BUSY_ASKS_MIN,
            # What one batch finds of a Redis that is away, the next need not find again.
            hopeless=(db.DatabaseAway,),
        )

    async def _join(self, shard_id: ShardId, asks: Sequence[Ask]) -> list[Place | Exception]:
        """A batch. Asking twice for a person gives the same place, so a batch whose answer was lost is asked again."""
        numbers: Numbered = {}
        waiting, otherwise = list(asks), Unavailable("The line is being put in order; nothing was lost")
        try:
            for _ in range(limits.JOIN_TRIES_MAX):
                found = await self._cache.join(shard_id, waiting)
                if found is None:
                    await self._begin(shard_id)
                    continue
                numbers |= {
                    ask.person: (number, found.epoch) for ask, number in zip(waiting, found.numbers, strict=True)
                }
                waiting = [ask for ask in waiting if numbers[ask.person][0] == 0 and ask.may_join]
                if not waiting:
                    self._look_ahead(shard_id, found)
                    break
                await self._raise(shard_id, found)
        except RedisAway:
            numbers |= await self._provisional.numbers(shard_id, waiting)
        except Unavailable as error:
            otherwise = error  # Whoever has a number by now is told it all the same.
        return [_answer(shard_id, ask, numbers.get(ask.person), otherwise) for ask in asks]

    def _look_ahead(self, shard_id: ShardId, found: Numbers) -> None:
        """Raise the ceiling before anybody has to wait for it, and give up numbers that were reserved."""
        near = found.ceiling - found.given < limits.NUMBERS_AHEAD_MAX // 2
        if (near or self._provisional.reserved(shard_id)) and shard_id not in self._raising:
            self._raising.add(shard_id)
            tasks.spawn(self._raise_ahead(shard_id, found if near else None), name="raise the ceiling of a line")

    async def _raise_ahead(self, shard_id: ShardId, found: Numbers | None) -> None:
        try:
            if found is not None:
                await self._raise(shard_id, found)
            await self._provisional.end(shard_id)
        except Unavailable:
            pass  # The next batch tries again, and who reaches the ceiling hears of it.
        finally:
            self._raising.discard(shard_id)

    async def _raise(self, shard_id: ShardId, found: Numbers) -> None:
        """Commit to more numbers, and then let them be given."""
        async with self._database.transaction(shard_id) as tx:
            handed = await store.raise_ceiling(tx, shard_id, found.epoch, found.ceiling)
        if handed is not None:
            await self._cache.raise_ceiling(shard_id, handed)

    async def _begin(self, shard_id: ShardId) -> None:
        """Begin a new epoch on a server that does not have the line, unless somebody has begun one there meanwhile.

        One line at a time: each takes two connections.
        """
        async with self._beginning, self._database.transaction(shard_id) as alone:
            await store.begin_alone(alone, shard_id)
            if await self._cache.look(shard_id) is not None:
                return
            async with self._database.transaction(shard_id) as tx:
                handed = await store.begin_epoch(tx, shard_id)
            if handed is None:
                raise NoLine
            await self._cache.begin(shard_id, handed)
            epochs_begun.inc()

    # -- leaving, looking ----------------------------------------------------------------------------------------------

    def _leave_collector(self, shard_id: ShardId) -> Coalescer[PersonKey, None]:
        return Coalescer(
            partial(self._leave, shard_id),
            name="leave",
            batch_max=limits.JOIN_BATCH_MAX,
            queue_max=limits.HOT_REQUESTS_UNDER_WAY_MAX,
        )

    async def _leave(self, shard_id: ShardId, persons: Sequence[PersonKey]) -> list[Exception | None]:
        if not await self._cache.leave(shard_id, persons):
            await self._begin(shard_id)  # Nobody has a place there until they show theirs again.
        return [None] * len(persons)

    def _look_collector(self, shard_id: ShardId) -> Coalescer[None, Board]:
        return Coalescer(
            partial(self._look, shard_id),
            name="board",
            batch_max=limits.HOT_REQUESTS_UNDER_WAY_MAX,
            queue_max=limits.HOT_REQUESTS_UNDER_WAY_MAX,
        )

    async def _look(self, shard_id: ShardId, asks: Sequence[None]) -> list[Board | Exception]:
        """One look for all who ask."""
        try:
            board = await self._cache.look(shard_id)
            if board is None:
                await self._begin(shard_id)
                board = await self._cache.look(shard_id)
        except RedisAway:
            board = None
        found = await self._noted(shard_id, board)
        self._boards.put(shard_id, (clock.monotonic(), found))
        return [found] * len(asks)

    async def _noted(self, shard_id: ShardId, board: Board | None) -> Board:
        """The board with its gaps; what has been given is noted where it cannot be lost. Without one: as noted."""
        _, known = self._boards.get(shard_id) or (0.0, None)
        if board is not None and known is not None and (known.epoch, known.given) == (board.epoch, board.given):
            return replace(board, gaps=known.gaps)
        try:
            async with self._database.transaction(shard_id) as tx:
                if board is not None:
                    await store.note_given(tx, shard_id, board.epoch, board.given)
                noted = await store.read(tx, shard_id)
        except Unavailable:
            if board is None or known is None:
                raise
            return replace(board, gaps=known.gaps)
        if noted is None:
            raise NoLine
        return noted if board is None else replace(board, gaps=noted.gaps)


def _answer(shard_id: ShardId, ask: Ask, numbered: tuple[int, int] | None, otherwise: Unavailable) -> Place | Exception:
    """What one hears: a place; that there is none, where the line itself says so; or that nobody can say just now."""
    if numbered is None or (numbered[0] == 0 and ask.may_join):
        return own_copy(otherwise)
    return Place(shard_id, ask.person, *numbered) if numbered[0] else NoPlace()

"""Facts: something that happened, in the past tense, written in the transaction that made it true.

*Hearers* run in the worker, at least once, and are idempotent: `record` puts one job per hearer into the same
transaction. *Followers* read the facts in commit order wherever they are needed, soon, and write no table. Which fact
reaches whom is a table in `app.py`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from onsale import limits
from onsale.kit import clock, db
from onsale.kit.jobs import Jobs
from onsale.kit.problems import Unavailable

SQL = db.load(__package__)


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all facts. Fields are plain values, so that a fact reaches any floor of the house."""

    shard_id: int


Hearer = Callable[[Any], Awaitable[None]]
Hearers = Mapping[type[Fact], Sequence[Hearer]]


class Facts:
    """Records facts and sends each to its hearers."""

    def __init__(self, jobs: Jobs) -> None:
        self._jobs = jobs
        self._hearers: dict[str, list[str]] = {}

    def tell(self, hearers: Hearers) -> None:
        """Say who hears what. Once, while the house is put together: rooms record facts, hearers are made of rooms."""
        assert not self._hearers
        for kind, functions in hearers.items():
            for function in functions:
                name = f"{kind.__name__} -> {function.__qualname__}"
                self._hearers.setdefault(kind.__name__, []).append(name)
                self._jobs.register(name, _decoding(kind, function))

    async def record(self, tx: db.Tx, *facts: Fact) -> None:
        """Write the facts and the jobs of their hearers; all of it is true when `tx` commits."""
        if not facts:
            return
        named = {
            "shard_ids": [fact.shard_id for fact in facts],
            "kinds": [type(fact).__name__ for fact in facts],
            "bodies": [msgspec.json.encode(fact).decode() for fact in facts],
        }
        await tx.execute(SQL.record_facts, named)
        for fact in facts:
            for hearer in self._hearers.get(type(fact).__name__, ()):
                await self._jobs.defer(tx, hearer, msgspec.to_builtins(fact))


def _decoding(kind: type[Fact], function: Hearer) -> Callable[[dict[str, Any]], Awaitable[None]]:
    async def hear(body: dict[str, Any]) -> None:
        await function(msgspec.convert(body, kind))

    return hear


async def follow(
    database: db.Database,
    wanted: Sequence[type[Fact]],
    every_s: float = limits.FOLLOW_EVERY_S,
    *,
    again_s: float = 0.0,
) -> AsyncIterator[Sequence[Fact]]:
    """From now on, the wanted facts in the order they committed, batch by batch; waits while there are none.

    "Now" is when the oldest transaction still running began: what committed since then comes, too.

    `again_s` begins with those of the last so many seconds, for a follower that may have been away.
    While PostgreSQL is away it waits too, and loses nothing: it goes on from where it was.
    """
    reader = Reader(database, wanted)
    while True:
        try:
            if reader.position is None:
                await reader.begin(again_s)
            batch = await reader.read()
        except Unavailable:
            batch = []
        if batch:
            yield batch
        if len(batch) < limits.FACTS_BATCH_MAX:
            await clock.sleep(every_s)


class Reader:
    """Reads on from a position, for a follower that must know how far it has come. Today all facts are in one database.

    `position` is (transaction, fact). Transactions below `horizon` had ended at the last read, and their facts have
    been read unless that read was `full`; all that had ended at all were below `ahead`.
    """

    def __init__(self, database: db.Database, wanted: Sequence[type[Fact]]) -> None:
        self._database = database
        self._known = {kind.__name__: kind for kind in wanted}
        self.position: tuple[int, int] | None = None
        self.horizon = 0
        self.ahead = 0
        self.full = False

    async def begin(self, again_s: float = 0.0) -> None:
        """Begin with what has not ended yet, or with the facts of the last so many seconds."""
        async with self._database.transaction() as tx:
            row = await (await tx.execute(SQL.facts_beginning, {"again_s": again_s})).fetchone()
        assert row is not None
        self.position = row[0], -1

    async def read(self) -> list[Fact]:
        """The next facts in the order they committed, FACTS_BATCH_MAX at the most."""
        assert self.position is not None
        xid, fact_id = self.position
        named = {"xid": xid, "fact_id": fact_id, "kinds": list(self._known), "rows_max": limits.FACTS_BATCH_MAX}
        async with self._database.transaction() as tx:
            rows = await (await tx.execute(SQL.follow_facts, named)).fetchall()
        found = [row for row in rows if row[1] is not None]
        self.horizon, self.ahead = rows[0][0], rows[0][5]
        self.full = len(found) == limits.FACTS_BATCH_MAX
        self.position = (found[-1][2], found[-1][1]) if self.full else max(self.position, (self.horizon, -1))
        return [msgspec.convert(row[4], self._known[row[3]]) for row in found]


async def forget(tx: db.Tx, rows_max: int) -> int:
    """Delete facts older than anybody needs, so many at the most; how many those were."""
    cursor = await tx.execute(SQL.forget_facts, {"kept_s": limits.FACTS_KEPT_S, "rows_max": rows_max})
    return len(await cursor.fetchall())

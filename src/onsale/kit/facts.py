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

    async def record(self, tx: db.Tx, fact: Fact) -> None:
        """Write the fact and the jobs of its hearers; all of it is true when `tx` commits."""
        kind, body = type(fact).__name__, msgspec.to_builtins(fact)
        text = msgspec.json.encode(body).decode()
        await tx.execute(SQL.record_fact, {"shard_id": fact.shard_id, "kind": kind, "body": text})
        for hearer in self._hearers.get(kind, ()):
            await self._jobs.defer(tx, hearer, body)


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
    known = {kind.__name__: kind for kind in wanted}
    position: tuple[int, int] | None = None
    while True:
        try:
            position = position or await _beginning(database, again_s)
            position, batch = await _read_on(database, position, known)
        except Unavailable:
            batch = []
        if batch:
            yield batch
        if len(batch) < limits.FACTS_BATCH_MAX:
            await clock.sleep(every_s)


async def _beginning(database: db.Database, again_s: float) -> tuple[int, int]:
    async with database.transaction() as tx:
        row = await (await tx.execute(SQL.facts_beginning, {"again_s": again_s})).fetchone()
    assert row is not None
    return row[0], -1


async def _read_on(
    database: db.Database, position: tuple[int, int], known: Mapping[str, type[Fact]]
) -> tuple[tuple[int, int], list[Fact]]:
    """The next facts after `position` and the new position; today all shards' facts are in one database."""
    named = {"xid": position[0], "fact_id": position[1], "kinds": list(known), "rows_max": limits.FACTS_BATCH_MAX}
    async with database.transaction() as tx:
        rows = await (await tx.execute(SQL.follow_facts, named)).fetchall()
    found = [row for row in rows if row[1] is not None]
    full = len(found) == limits.FACTS_BATCH_MAX
    position = (found[-1][2], found[-1][1]) if full else max(position, (rows[0][0], -1))
    return position, [msgspec.convert(body, known[kind]) for _, _, _, kind, body in found]


async def forget(tx: db.Tx, rows_max: int) -> int:
    """Delete facts older than anybody needs, so many at the most; how many those were."""
    cursor = await tx.execute(SQL.forget_facts, {"kept_s": limits.FACTS_KEPT_S, "rows_max": rows_max})
    return len(await cursor.fetchall())

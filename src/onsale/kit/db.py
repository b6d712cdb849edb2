"""PostgreSQL: pools by shard, transactions, and SQL that lives in `queries.sql` files under names.

A room's `store.py` loads its queries once (`SQL = db.load(__package__)`) and runs them on a transaction it was given.
"""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout, TooManyRequests

from onsale import limits
from onsale.kit import telemetry
from onsale.kit.ids import ShardId
from onsale.kit.problems import Unavailable

Tx = psycopg.AsyncConnection[TupleRow]
"""A connection inside a transaction somebody above opened and will commit. Functions that take one never commit."""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)

database_faults = telemetry.counter(
    "onsale_database_faults_total",
    "Transactions ended because PostgreSQL was away, slow or in a deadlock.",
    ["kind"],
)


class DatabaseAway(Unavailable):
    code = "database_unavailable"
    title = "The database does not answer just now; nothing was lost"


class Contended(Unavailable):
    """Deadlock, serialization failure, lock or statement timeout: the same transaction may well succeed later."""

    code = "database_busy"
    title = "The database is very busy just now; nothing was lost"


class Queries:
    """The named queries of one `queries.sql`: `SQL.lock_seats` is the text under `-- name: lock_seats`."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.texts = dict(texts)

    def __getattr__(self, name: str) -> LiteralString:
        try:
            return self.texts[name]
        except KeyError:
            raise AttributeError(f"no query is named {name}") from None


def load(package: str | None, file: str = "queries.sql") -> Queries:
    """The named queries of a package's file."""
    assert package
    return Queries(parse(resources.files(package).joinpath(file).read_text()))


def parse(text: str) -> dict[str, str]:
    """Name -> SQL, comments included (they show in pg_stat_activity, where they help at night)."""
    parts = _NAME.split(text)
    texts = {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    assert len(texts) == len(parts) // 2, "two queries have the same name"
    return texts


class Database:
    """Write, batch and read pools by shard. Today every shard is in the same database; only this class knows."""

    def __init__(
        self, write_url: str, read_url: str = "", *, connections_max: int = limits.WRITE_CONNECTIONS_MAX
    ) -> None:
        self._write = _pool(write_url, "write", connections_max, read_only=False)
        self._batch = _pool(write_url, "batch", limits.BATCH_CONNECTIONS_MAX, read_only=False)
        self._read = _pool(read_url or write_url, "read", limits.READ_CONNECTIONS_MAX, read_only=True)

    async def open(self) -> None:
        """Open the pools without waiting for PostgreSQL: a process must start, and say so, while it is away."""
        await self._write.open(wait=False)
        await self._batch.open(wait=False)
        await self._read.open(wait=False)

    async def close(self) -> None:
        await self._write.close()
        await self._batch.close()
        await self._read.close()

    @asynccontextmanager
    async def transaction(self, shard_id: ShardId | None = None) -> AsyncIterator[Tx]:
        """A transaction on the shard's write pool; None is for tables that belong to no shard.

        Commits at the end of the block, rolls back when it raises. Raises DatabaseAway or Contended.
        """
        with _OurErrors():
            async with self._write.connection() as connection, connection.transaction():
                yield connection

    @asynccontextmanager
    async def pipelined(self, shard_id: ShardId | None = None) -> AsyncIterator[Tx]:
        """A transaction whose statements are sent without waiting for each other's answers.

        A round trip is paid where a result is fetched, not per statement; BEGIN travels with the first of them. What a
        statement raises shows at the next fetch, or at the end.
        """
        with _OurErrors():
            async with self._write.connection() as connection, connection.pipeline(), connection.transaction():
                yield connection

    @asynccontextmanager
    async def batch(self, shard_id: ShardId | None = None) -> AsyncIterator[Tx]:
        """The same for a batch of requests that travel together, on connections that nothing else uses."""
        with _OurErrors():
            async with self._batch.connection() as connection, connection.pipeline(), connection.transaction():
                yield connection

    @asynccontextmanager
    async def reading(self, shard_id: ShardId | None = None) -> AsyncIterator[Tx]:
        """A read-only snapshot of what may be a moment old (a replica, where there is one)."""
        with _OurErrors():
            async with self._read.connection() as connection, connection.transaction():
                yield connection

    async def ready(self) -> bool:
        """Whether PostgreSQL answers a write connection now."""
        try:
            async with self.transaction() as tx:
                await tx.execute("SELECT 1")
        except Unavailable:
            return False
        return True


def options(*, read_only: bool = False) -> str:
    """Bounds that hold for every statement of a connection (limits.py says why), as libpq's `options`."""
    settings = {
        "statement_timeout": f"{limits.STATEMENT_TIMEOUT_S * 1000:.0f}",
        "lock_timeout": f"{limits.LOCK_TIMEOUT_S * 1000:.0f}",
        "idle_in_transaction_session_timeout": f"{limits.IDLE_IN_TRANSACTION_TIMEOUT_S * 1000:.0f}",
        "timezone": "UTC",
        "default_transaction_read_only": "on" if read_only else "off",
        # A plan is made while the tables are small, when reading them whole looks cheap, and is kept while an on-sale
        # fills them. Whoever writes looks rows up, so an index is used wherever there is one.
        "enable_seqscan": "on" if read_only else "off",
    }
    return " ".join(f"-c {name}={value}" for name, value in settings.items())


def _pool(url: str, name: str, connections_max: int, *, read_only: bool) -> AsyncConnectionPool[Tx]:
    return AsyncConnectionPool(
        url,
        name=name,
        min_size=1,
        max_size=connections_max,
        timeout=limits.CONNECTION_WAIT_S,
        reconnect_timeout=0,
        open=False,
        kwargs={"options": options(read_only=read_only), "prepare_threshold": 2, "connect_timeout": 3},
        configure=_configure,
    )


async def _configure(connection: Tx) -> None:
    """Binary results: no text to parse for arrays, times and ids."""
    connection.cursor_factory = _BinaryCursor


class _BinaryCursor(psycopg.AsyncCursor[TupleRow]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.format = psycopg.pq.Format.BINARY


_CONTENDED = (errors.DeadlockDetected, errors.SerializationFailure, errors.QueryCanceled, errors.LockNotAvailable)


class _OurErrors:
    """Driver errors become ours here. What is not operational (a bug, a constraint) passes through."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(
            error,
            _CONTENDED,
        ):
            database_faults.labels("contended").inc()
            raise Contended from error
        if isinstance(error, psycopg.OperationalError | PoolTimeout | PoolClosed | TooManyRequests):
            database_faults.labels("away").inc()
            raise DatabaseAway from error

"""PostgreSQL: pools by shard, transactions, and SQL that lives in `queries.sql` files under names.

A room's `store.py` loads its queries once (`SQL = db.load(__package__)`) and runs them on a transaction it was given.
"""

import asyncio
import os
import re
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any, LiteralString

import psycopg
from psycopg import errors
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool, PoolTimeout, TooManyRequests

from onsale import limits
from onsale.kit import tasks, telemetry
from onsale.kit.ids import ShardId
from onsale.kit.packets import Packets, Prepared
from onsale.kit.problems import Overloaded, Unavailable

Tx = psycopg.AsyncConnection[TupleRow]
"""A connection inside a transaction somebody above opened and will commit. Functions that take one never commit."""

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)

database_faults = telemetry.counter(
    "onsale_database_faults_total",
    "Transactions ended because PostgreSQL was away, slow, in a deadlock, or asked by too many at once.",
    ["kind"],
)


# PostgreSQL 17 looks `key = ANY (array)` up in the index, however small the table was when the plan was made.
ARRAYS_ALWAYS_IN_INDEX_SINCE = 17_00_00


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


def array(values: Iterable[object]) -> str:
    """Numbers (or hexadecimal text), None for NULL, as the text of an array: cast it in the SQL.

    A batch carries thousands of values, and psycopg looks at the type of each: this takes a tenth of its time.
    """
    return "{" + ",".join(map(str, values)).replace("None", "NULL") + "}"


def parse(text: str) -> dict[str, str]:
    """Name -> SQL, comments included (they show in pg_stat_activity, where they help at night)."""
    parts = _NAME.split(text)
    texts = {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}
    assert len(texts) == len(parts) // 2, "two queries have the same name"
    return texts


SQL = load(__package__)


class Database:
    """Write, batch and read pools by shard. Today every shard is in the same database; only this class knows."""

    def __init__(
        self, write_url: str, read_url: str = "", *, connections_max: int = limits.WRITE_CONNECTIONS_MAX
    ) -> None:
        self._write = _Pool(write_url, "write", connections_max, read_only=False)
        self._batch = _Pool(write_url, "batch", limits.BATCH_CONNECTIONS_MAX, read_only=False, plan=SQL.plan_once)
        self._read = _Pool(read_url or write_url, "read", limits.READ_CONNECTIONS_MAX, read_only=True)
        self._probing: asyncio.Task[bool] | None = None

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

        Commits at the end of the block, rolls back when it raises. Raises DatabaseAway, Contended or Overloaded.
        """
        with _OurErrors(self._write):
            async with self._write.connection() as connection, _calls(connection), connection.transaction():
                yield connection

    @asynccontextmanager
    async def pipelined(self, shard_id: ShardId | None = None) -> AsyncIterator[Tx]:
        """A transaction whose statements are sent without waiting for each other's answers.

        A round trip is paid where a result is fetched, not per statement; BEGIN travels with the first of them, COMMIT
        with what was not fetched. What a statement raises shows at the next fetch, or at the end.
        """
        async with _pipelined(self._write) as connection:
            yield connection

    @asynccontextmanager
    async def batch(self, *shard_ids: ShardId) -> AsyncIterator[Tx]:
        """The same for a batch of requests that travel together, on connections that nothing else uses.

        Where it concerns several shards, it waits for no lock longer than CONVOY_LOCK_TIMEOUT_S: the others wait, too.
        """
        async with _pipelined(self._batch) as connection:
            if len(shard_ids) > 1:
                milliseconds = f"{limits.CONVOY_LOCK_TIMEOUT_S * 1000:.0f}"
                await connection.execute(SQL.wait_briefly, {"milliseconds": milliseconds})
            yield connection

    @asynccontextmanager
    async def reading(self, shard_id: ShardId | None = None) -> AsyncIterator[Tx]:
        """A read-only snapshot of what may be a moment old (a replica, where there is one)."""
        with _OurErrors(self._read):
            async with self._read.connection() as connection, connection.transaction():
                yield connection

    async def ready(self) -> bool:
        """Whether PostgreSQL answers a write connection, said within READY_WAIT_S.

        All who ask at a time share one question, so that asking a server that is silent takes one connection. One that
        is merely crowded is there: a process taken out of the traffic for that would leave the crowd to the others.
        """
        if self._probing is None or self._probing.done():
            self._probing = tasks.spawn(self._probe(), name="probe the database")
        answered, _ = await asyncio.wait({self._probing}, timeout=limits.READY_WAIT_S)
        return bool(answered) and self._probing.result()

    async def _probe(self) -> bool:
        try:
            async with self.transaction() as tx:
                await tx.execute("SELECT 1")
        except Overloaded:
            return True
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


# A host that falls silent sends no goodbye: TCP asks after it. A Unix socket knows no such bounds and ignores them.
_KEEPALIVES = {
    "keepalives_idle": limits.TCP_IDLE_S,
    "keepalives_interval": limits.TCP_PROBE_EVERY_S,
    "keepalives_count": limits.TCP_PROBES_MAX,
    "tcp_user_timeout": limits.TCP_UNACKNOWLEDGED_MAX_MS,
}


class _Connection(psycopg.AsyncConnection[TupleRow]):
    """A connection on which nobody waits for ever, and whose results are binary: no arrays to parse."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.cursor_factory = _BinaryCursor
        self.calls: list[Callable[[], None]] = []
        self._prepared_in_packets = Prepared()

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        """As psycopg's; inside `packets` a statement of those."""
        if isinstance(self._pipeline, Packets):
            assert not options
            return self._pipeline.put(query, params)
        return await super().execute(query, params, **options)

    def _deallocate(self, name: bytes | None) -> Any:
        """Where psycopg lets go of a statement it prepared, or (None) of all on the connection, ours among them."""
        if name is None:
            self._prepared_in_packets.forget()
        return super()._deallocate(name)

    async def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Every wait for an answer of the server passes here."""
        hanging_up = asyncio.get_running_loop().call_later(limits.DATABASE_ANSWER_WAIT_S, self._hang_up)
        try:
            return await super().wait(*args, **kwargs)
        finally:
            hanging_up.cancel()

    def _hang_up(self) -> None:
        """Whoever waits hears what a server that ends would tell. A cancellation would ask the silent server first."""
        with socket.socket(fileno=os.dup(self.pgconn.socket)) as line:
            line.shutdown(socket.SHUT_RDWR)

    @asynccontextmanager
    async def packets(self) -> AsyncIterator[None]:
        """Inside, statements travel with the next that is waited for."""
        self._pipeline = Packets(self, self._prepared_in_packets)
        async with self.pipeline():
            yield


def after_commit(tx: Tx, call: Callable[[], None]) -> None:
    """Call this once the transaction has committed, before its block ends; never when it rolls back.

    `call` must be quick and must not raise. Where the end is not known (the connection broke, the task was cancelled)
    nothing is called, though the transaction may have committed: whoever needs more follows the facts.
    """
    assert isinstance(tx, _Connection)
    tx.calls.append(call)


@asynccontextmanager
async def _calls(connection: "_Connection") -> AsyncIterator[None]:
    connection.calls.clear()
    yield
    for call in connection.calls:
        call()
    connection.calls.clear()


class _BinaryCursor(psycopg.AsyncCursor[TupleRow]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.format = psycopg.pq.Format.BINARY


class _Pool(AsyncConnectionPool[_Connection]):
    """Remembers how the last attempt to connect ended, for who waited in vain: is PostgreSQL away, or only crowded?"""

    def __init__(self, url: str, name: str, connections_max: int, *, read_only: bool, plan: LiteralString = "") -> None:
        """`plan` says when plans are made, to a PostgreSQL whose plans are good in tables it does not know yet."""
        self.read_only = read_only
        self._plan = plan
        self.away = True  # Until it has been reached once.
        bounds = {"prepare_threshold": 2, "connect_timeout": limits.CONNECT_TIMEOUT_S, **_KEEPALIVES}
        super().__init__(
            url,
            name=name,
            connection_class=_Connection,
            min_size=1,
            max_size=connections_max,
            timeout=limits.CONNECTION_WAIT_S,
            max_waiting=limits.CONNECTION_QUEUE_MAX,
            reconnect_timeout=0,
            open=False,
            kwargs={"autocommit": True, "options": options(read_only=read_only), **bounds},
            configure=self._reached,
            reconnect_failed=self._missed,
        )

    async def _reached(self, connection: _Connection) -> None:
        self.away = False
        if connection.info.server_version < ARRAYS_ALWAYS_IN_INDEX_SINCE:
            await connection.execute(SQL.plan_each_time)
        elif self._plan:
            await connection.execute(self._plan)

    async def _missed(self, pool: object) -> None:
        self.away = True


@asynccontextmanager
async def _pipelined(pool: _Pool) -> AsyncIterator[Tx]:
    """A transaction in `packets`. Its ends are statements like others: psycopg's own would be round trips.

    When the block raises, the pool rolls back what it finds begun.
    """
    with _OurErrors(pool):
        async with pool.connection() as connection, _calls(connection), connection.packets():
            await connection.execute(SQL.begin)
            yield connection
            await connection.execute(SQL.commit)


_CONTENDED = (
    errors.DeadlockDetected,
    errors.SerializationFailure,
    errors.QueryCanceled,
    errors.LockNotAvailable,
    # We were too slow between two statements: the process stood still, and may go on now.
    errors.IdleInTransactionSessionTimeout,
)
_CROWDED = (PoolTimeout, TooManyRequests)


class _OurErrors:
    """Driver errors become ours here. What is not operational (a bug, a constraint) passes through."""

    def __init__(self, pool: _Pool) -> None:
        self._pool = pool

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, _CONTENDED):
            database_faults.labels("contended").inc()
            raise Contended from error
        if isinstance(error, _CROWDED) and not self._pool.away:
            database_faults.labels("crowded").inc()
            raise Overloaded from error
        if isinstance(error, psycopg.OperationalError) or self._wrote_to_standby(error):
            database_faults.labels("away").inc()
            raise DatabaseAway from error

    def _wrote_to_standby(self, error: BaseException | None) -> bool:
        """The server that took our writes is a read-only copy now. Writing where only reading is allowed is a bug."""
        return isinstance(error, errors.ReadOnlySqlTransaction) and not self._pool.read_only

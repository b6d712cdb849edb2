"""PostgreSQL: transactions, faults by their right names, bounds on every connection, and queries that prepare."""

import asyncio
import re
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import psutil
import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from tests.house import house

from onsale import limits
from onsale.kit import clock, db
from onsale.kit.db import Contended, Database, DatabaseAway
from onsale.kit.embedded import Embedded
from onsale.kit.problems import Overloaded

pytestmark = pytest.mark.anyio


@pytest.fixture
async def lamps(database):
    async with database.transaction() as tx:
        await tx.execute("CREATE TABLE lamp (lamp int PRIMARY KEY, lit bool NOT NULL DEFAULT false)")
        await tx.execute("INSERT INTO lamp SELECT generate_series(1, 5)")
    return database


async def lit(database):
    async with database.transaction() as tx:
        return [row[0] for row in await (await tx.execute("SELECT lamp FROM lamp WHERE lit ORDER BY 1")).fetchall()]


async def light(tx, lamp):
    await tx.execute("UPDATE lamp SET lit = true WHERE lamp = %s", [lamp])


async def run(way, *statements, and_raise=None):
    """The statements in one block; of the last one the answer is read."""
    async with way() as tx:
        cursor = [await tx.execute(statement) for statement in statements][-1]
        if statements[-1].startswith("SELECT"):
            await cursor.fetchall()
        if and_raise:
            raise and_raise


def both(database):
    return database.transaction, database.pipelined


async def test_a_block_that_ends_commits_and_one_that_raises_leaves_nothing(lamps):
    for number, way in enumerate(both(lamps), 1):
        await run(way, f"UPDATE lamp SET lit = true WHERE lamp = {number}")
        with pytest.raises(KeyError):
            await run(way, "UPDATE lamp SET lit = true WHERE lamp = 5", and_raise=KeyError())
    assert await lit(lamps) == [1, 2]


async def test_what_waits_for_a_commit_is_called_after_it_and_never_without_it(lamps):
    called: list[str] = []

    async def block(way, word, statement, and_raise=None):
        async with way() as tx:
            db.after_commit(tx, partial(called.append, word))
            await tx.execute(statement)
            assert word not in called, "it may still be rolled back"
            if and_raise:
                raise and_raise

    for way in (*both(lamps), lamps.batch):
        called.clear()
        await block(way, "committed", "SELECT 1")
        assert called == ["committed"]
        with pytest.raises(KeyError):
            await block(way, "raised", "SELECT 1", KeyError())
        with pytest.raises(psycopg.errors.UniqueViolation):
            await block(way, "broken", "INSERT INTO lamp VALUES (1)")
        await run(way, "SELECT 1")
        assert called == ["committed"], "nor by who has the connection next"


async def test_a_block_that_is_cancelled_leaves_nothing_and_gives_its_connection_back(database_url):
    database = Database(database_url, connections_max=1)
    await database.open()
    for way in (database.transaction, database.pipelined):
        started = asyncio.Event()

        async def work(way=way, started=started):
            async with way() as tx:
                await tx.execute("CREATE TABLE half (a int)")
                started.set()
                await (await tx.execute("SELECT pg_sleep(30)")).fetchall()

        task = asyncio.create_task(work())
        await started.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with database.transaction() as tx:
            assert await (await tx.execute("SELECT to_regclass('half')::text")).fetchone() == (None,)
    await database.close()


async def test_reading_cannot_write(lamps):
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        await run(lamps.reading, "UPDATE lamp SET lit = true")


async def test_a_broken_constraint_is_a_bug_and_keeps_its_name(lamps):
    for way in both(lamps):
        with pytest.raises(psycopg.errors.UniqueViolation):
            await run(way, "INSERT INTO lamp VALUES (1)")


async def test_of_two_in_a_deadlock_one_is_told_to_try_again(lamps):
    for way in (lamps.transaction, lamps.pipelined):
        both_have_one = asyncio.Barrier(2)

        async def two(first, second, way=way, both_have_one=both_have_one):
            async with way() as tx:
                await (await tx.execute("SELECT 1 FROM lamp WHERE lamp = %s FOR UPDATE", [first])).fetchall()
                await both_have_one.wait()
                await (await tx.execute("SELECT 1 FROM lamp WHERE lamp = %s FOR UPDATE", [second])).fetchall()

        answers = await asyncio.gather(two(1, 2), two(2, 1), return_exceptions=True)
        assert [type(answer) for answer in answers if answer] == [Contended]


@pytest.mark.parametrize(
    ("setting", "statement"),
    [
        ("lock_timeout", "SELECT 1 FROM lamp WHERE lamp = 1 FOR UPDATE"),
        ("statement_timeout", "SELECT pg_sleep(30)"),
    ],
)
async def test_a_wait_beyond_its_bound_is_told_to_try_again(lamps, setting, statement):
    async with lamps.transaction() as holder:
        await light(holder, 1)
        for way in both(lamps):
            with pytest.raises(Contended):
                await run(way, f"SET LOCAL {setting} = '50ms'", statement)


async def test_a_lock_that_is_not_waited_for_is_contended_too(lamps):
    async with lamps.transaction() as holder:
        await light(holder, 1)
        with pytest.raises(Contended):
            await run(lamps.transaction, "SELECT 1 FROM lamp WHERE lamp = 1 FOR UPDATE NOWAIT")


async def test_two_who_cannot_be_put_in_an_order_are_told_to_try_again(lamps):
    async def read_then_write():
        async with lamps.transaction() as tx:
            await tx.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            await tx.execute("SELECT lamp FROM lamp")
            await run(lamps.transaction, "UPDATE lamp SET lit = true WHERE lamp = 1")
            await light(tx, 1)

    with pytest.raises(Contended):
        await read_then_write()


async def test_in_a_pipeline_a_fault_has_its_own_name_also_when_a_later_answer_is_awaited(lamps):
    """What follows a failed statement is only said to be aborted; that must not pass for a database that is away."""
    look = ["SELECT lamp FROM lamp"] * 3
    with pytest.raises(psycopg.errors.UniqueViolation):
        await run(lamps.pipelined, "INSERT INTO lamp VALUES (1)", *look)
    async with lamps.transaction() as holder:
        await light(holder, 1)
        with pytest.raises(Contended):
            await run(lamps.pipelined, "LOCK TABLE lamp IN EXCLUSIVE MODE NOWAIT", *look)


async def test_in_a_pipeline_a_fault_whose_answer_nobody_reads_is_not_lost(lamps):
    """It may show when the block ends, at the latest with the commit."""
    await run(lamps.transaction, "CREATE TABLE pair (a int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    lights = "UPDATE lamp SET lit = true"
    with pytest.raises(psycopg.errors.UniqueViolation):
        await run(lamps.pipelined, lights, "INSERT INTO pair VALUES (1), (1)")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await run(lamps.pipelined, "SELECT 1/0", lights)
    assert await lit(lamps) == []


async def test_every_connection_has_its_bounds(database):
    wanted = {
        "statement_timeout": limits.STATEMENT_TIMEOUT_S,
        "lock_timeout": limits.LOCK_TIMEOUT_S,
        "idle_in_transaction_session_timeout": limits.IDLE_IN_TRANSACTION_TIMEOUT_S,
    }
    for way in (database.transaction, database.pipelined, database.reading):
        async with way() as tx:
            for name, seconds in wanted.items():
                cursor = await tx.execute("SELECT setting::int FROM pg_settings WHERE name = %s", [name])
                assert await cursor.fetchone() == (seconds * 1000,)
            assert await (await tx.execute("SELECT current_setting('timezone')")).fetchone() == ("UTC",)


async def test_values_come_back_as_they_went(database):
    """Results are binary here, which the driver's defaults are not."""
    values = {
        "int": 7,
        "bigint": -(2**62),
        "bool": True,
        "text": "é\n",
        "bytea": b"\0\xff",
        "uuid": UUID(int=5),
        "timestamptz": datetime(2027, 6, 12, 20, 0, 0, 123456, tzinfo=UTC),
        "float8": 0.1,
        "jsonb": None,
        "bigint[]": [1, 2**40],
        "text[]": ["a", "ž", ""],
        "uuid[]": [UUID(int=1)],
        "timestamptz[]": [datetime(2027, 6, 12, tzinfo=UTC)],
    }
    query = "SELECT " + ", ".join(f"%s::{kind}" for kind in values)
    for way in (database.transaction, database.pipelined, database.reading):
        async with way() as tx:
            row = await (await tx.execute(query, list(values.values()))).fetchone()
        assert list(row) == list(values.values())


# --- when PostgreSQL is away


async def test_a_process_that_starts_before_its_database_finds_it_when_it_comes(database_url, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTION_WAIT_S", 1.0)
    late = make_conninfo(database_url, dbname="not_there_yet")
    database = Database(late)
    await database.open()
    for _ in range(2):
        with pytest.raises(DatabaseAway) as caught:
            await run(database.transaction, "SELECT 1")
        assert caught.value.retry_after_s is not None
    assert await database.ready() is False
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE not_there_yet")
        try:
            async with asyncio.timeout(10):
                while not await database.ready():
                    await clock.sleep(0.05)
        finally:
            await database.close()
            admin.execute("DROP DATABASE not_there_yet WITH (FORCE)")


async def test_killed_connections_are_replaced(lamps, database_url):
    async def work():
        async with lamps.transaction() as tx:
            await light(tx, 1)
            kill_others(database_url)
            await light(tx, 2)

    with pytest.raises(DatabaseAway):
        await work()
    kill_others(database_url)
    async with asyncio.timeout(10):
        while not await lamps.ready():
            await clock.sleep(0.05)
    assert await lit(lamps) == []


def kill_others(database_url):
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


async def test_when_all_connections_are_busy_the_wait_is_bounded_and_nobody_is_away(database_url, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTION_WAIT_S", 0.2)
    database = Database(database_url, connections_max=1)
    await database.open()
    async with database.transaction():
        with pytest.raises(Overloaded):
            await asyncio.wait_for(run(database.transaction, "SELECT 1"), 5)
        assert await database.ready(), "a crowded database is not away"
    assert await database.ready()
    await database.close()


async def test_who_comes_behind_a_full_queue_is_told_at_once(database_url, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTION_QUEUE_MAX", 2)
    database = Database(database_url, connections_max=1)
    await database.open()
    async with database.transaction():
        waiting = [asyncio.create_task(run(database.transaction, "SELECT 1")) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded):
            await asyncio.wait_for(run(database.transaction, "SELECT 1"), 0.5)
    await asyncio.gather(*waiting)
    await database.close()


async def test_a_server_that_falls_silent_is_hung_up_on(tmp_path, monkeypatch):
    """No goodbye comes from a host that froze, and on a Unix socket no TCP notices: only our own clock does."""
    monkeypatch.setattr(limits, "DATABASE_ANSWER_WAIT_S", 1.0)
    monkeypatch.setattr(limits, "READY_WAIT_S", 0.5)
    with Embedded.start(tmp_path, valkey=False, settings={"fsync": "off", "shared_buffers": "16MB"}) as servers:
        database = Database(servers.addresses.database_url)
        await database.open()
        for way in (*both(database), database.batch, database.reading):
            await run(way, "SELECT 1")
        postmaster = psutil.Process(servers.pids["postgres"])
        frozen = [postmaster, *postmaster.children(recursive=True)]
        try:
            for process in frozen:
                process.suspend()
            began = clock.monotonic()
            asked = (run(way, "SELECT 1") for way in (*both(database), database.batch, database.reading))
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert [type(answer) for answer in answers] == [DatabaseAway] * 4
            assert await database.ready() is False
            assert clock.monotonic() - began < 8
        finally:
            for process in frozen:
                process.resume()
        async with asyncio.timeout(10):
            while not await database.ready():
                await clock.sleep(0.05)
        await database.close()


async def test_every_connection_asks_after_a_silent_host(database):
    for pool in (database._write, database._batch, database._read):
        for name in ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"):
            assert pool.kwargs[name] > 0
        assert pool.max_waiting == limits.CONNECTION_QUEUE_MAX


async def test_a_server_that_became_a_standby_is_away_for_writers(lamps):
    for way in (*both(lamps), lamps.batch):
        with pytest.raises(DatabaseAway):
            await run(way, "SET TRANSACTION READ ONLY", "UPDATE lamp SET lit = true")


async def test_who_was_too_slow_inside_a_transaction_is_told_to_try_again(lamps):
    async def dawdle():
        async with lamps.transaction() as tx:
            await tx.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            await (await tx.execute("SELECT 1")).fetchone()
            await clock.sleep(0.3)
            await (await tx.execute("SELECT 1")).fetchone()

    with pytest.raises(Contended):
        await dawdle()


async def test_a_closed_database_is_away(database_url):
    database = Database(database_url)
    await database.open()
    await database.close()
    with pytest.raises(DatabaseAway):
        await run(database.transaction, "SELECT 1")


# --- queries


def test_a_query_is_the_text_under_its_name():
    queries = db.Queries(db.parse("-- A file.\n\n-- name: one\n-- Why.\nSELECT 1;\n\n-- name: two\nSELECT 2;\n"))
    assert queries.one == "-- Why.\nSELECT 1;"
    assert queries.two == "SELECT 2;"
    with pytest.raises(AttributeError, match="three"):
        _ = queries.three


def test_a_name_given_twice_is_a_bug():
    with pytest.raises(AssertionError):
        db.parse("-- name: one\nSELECT 1;\n-- name: one\nSELECT 2;\n")


def test_every_query_prepares_on_the_migrated_schema(database_url):
    """A misspelled column must not wait for the one sale that runs the statement."""
    paths = sorted(path for path in house.PACKAGE.rglob("queries.sql"))
    assert paths
    faults = []
    with psycopg.connect(database_url, autocommit=True) as connection:
        for path in paths:
            for name, text in db.parse(path.read_text()).items():
                try:
                    _prepare(connection, text)
                except psycopg.Error as error:
                    faults.append(f"{path.parent.name}/{path.name} {name}: {error}")
    assert not faults, "\n".join(faults)


def test_a_query_that_does_not_prepare_is_seen(database_url):
    """Negative control."""
    with psycopg.connect(database_url, autocommit=True) as connection, pytest.raises(psycopg.errors.UndefinedColumn):
        _prepare(connection, "SELECT nothing_like_it FROM fact WHERE fact_id = %(fact_id)s;")


def _prepare(connection, text):
    """As psycopg sends it: named parameters become numbers, a doubled percent sign one. Definitions cannot prepare."""
    code = re.sub(r"^\s*--.*\n", "", text, flags=re.MULTILINE)
    if re.match(r"\s*(CREATE|LOCK|SET)\b", code, re.IGNORECASE):
        return
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", text)))
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", text).replace("%%", "%")
    result = connection.pgconn.prepare(b"", numbered.encode())
    if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
        raise psycopg.errors.error_from_result(result)

"""Pipelined transactions on the wire: how many packets they are, and that faults end them as they end any other."""

import asyncio
import socket
import threading
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from onsale import limits
from onsale.kit import db
from onsale.kit.db import Contended

pytestmark = pytest.mark.anyio


class Wire:
    """Stands between a client and PostgreSQL, in threads of its own, and counts what the client sends at a time."""

    def __init__(self, here, real):
        self._real = real
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(here))
        self._listener.listen()
        self.packets = 0
        self._threads = [self._run(self._accept)]

    def _run(self, work, *given):
        thread = threading.Thread(target=work, args=given)
        thread.start()
        return thread

    def _accept(self):
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(str(self._real))
                self._threads += [self._run(self._count, client, server), self._run(self._pass_on, server, client)]

    def _count(self, client, server):
        with suppress(OSError):
            while data := client.recv(1 << 20):
                self.packets += 1
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _pass_on(self, server, client):
        with client, server, suppress(OSError):
            while data := server.recv(1 << 20):
                client.sendall(data)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
async def wire(database_url, tmp_path):
    named = conninfo_to_dict(database_url)
    name = f".s.PGSQL.{named.get('port', 5432)}"
    wire = Wire(tmp_path / name, Path(str(named["host"])) / name)
    database = db.Database(make_conninfo(database_url, host=str(tmp_path)))
    await database.open()
    for _ in range(3):  # Connected, and every statement prepared.
        await _two_round_trips(database)
    yield wire, database
    await database.close()
    wire.close()


async def _two_round_trips(database):
    async with database.batch() as tx:
        await _ask(tx, 5)
        await _ask(tx, 5)


async def _ask(tx, count):
    """Statements with a pause between them, so that what leaves by itself arrives by itself; then their answers."""
    cursors = []
    for number in range(count):
        cursors.append(await tx.execute("SELECT %s::integer", (number,)))
        await asyncio.sleep(0.02)
    assert [await cursor.fetchone() for cursor in cursors] == [(number,) for number in range(count)]


async def test_a_batch_is_a_packet_for_each_round_trip_and_one_for_its_end(wire):
    """BEGIN and five statements, five more, COMMIT."""
    counted, database = wire
    before = counted.packets
    await _two_round_trips(database)
    assert counted.packets - before == 3


async def test_psycopgs_own_pipeline_would_send_each_statement_by_itself(wire):
    """Negative control: else there would be no reason for ours."""
    counted, database = wire
    before = counted.packets
    async with database.transaction() as tx, tx.pipeline():
        await _ask(tx, 10)
    assert counted.packets - before > 8


async def test_what_is_larger_than_any_buffer_arrives_whole(database):
    async with database.batch() as tx:
        cursors = [await tx.execute("SELECT length(%s::text)", ("x" * 3_000_000,)) for _ in range(4)]
        assert [await cursor.fetchone() for cursor in cursors] == [(3_000_000,)] * 4


@pytest.mark.parametrize("looked_at", [True, False], ids=["fetched", "never fetched"])
async def test_a_statement_that_fails_takes_back_all_before_it_and_the_connection_goes_on(database, looked_at):
    async def fail():
        async with database.batch() as tx:
            await tx.execute("CREATE TABLE half_done (one integer)")
            cursor = await tx.execute("SELECT 1 / %s::integer", (0,))
            if looked_at:
                await cursor.fetchone()

    with pytest.raises(psycopg.errors.DivisionByZero):
        await fail()
    async with database.batch() as tx:
        assert await (await tx.execute("SELECT to_regclass('half_done')")).fetchone() == (None,)


async def prepared(tx):
    found = await (await tx.execute("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'onsale%'")).fetchone()
    return found[0]


async def test_a_statement_is_prepared_once_and_for_each_kind_of_number(database):
    async with database.batch() as tx:
        before = await prepared(tx)
        for number in (1, 2, 3, 70_000, 80_000):
            cursor = await tx.execute("SELECT %s::bigint + 1", (number,))
            assert await cursor.fetchone() == (number + 1,)
            assert await cursor.fetchone() is None
        assert await prepared(tx) - before == 2


async def test_what_was_skipped_behind_a_fault_is_prepared_by_the_next_who_needs_it(database):
    async def fail():
        async with database.batch() as tx:
            await tx.execute("SELECT 1 / %s::integer", (0,))
            await tx.execute("SELECT %(word)s::text", {"word": "skipped"})

    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await fail()
    async with database.batch() as tx:
        cursors = [await tx.execute("SELECT %(word)s::text", {"word": word}) for word in ("one", "two", None)]
        assert [await cursor.fetchall() for cursor in cursors] == [[("one",)], [("two",)], [(None,)]]


async def test_when_psycopg_lets_go_of_all_statements_ours_are_prepared_again(database):
    """It does so when a transaction is rolled back, if it has prepared any itself: those it has met three times."""

    async def look(tx):
        return await (await tx.execute("SELECT %s::integer", (1,))).fetchone()

    async def on_every_connection(way, and_raise=None):
        for _ in range(4 * limits.WRITE_CONNECTIONS_MAX):
            with suppress(KeyError):
                async with way() as tx:
                    assert await look(tx) == (1,)
                    if and_raise:
                        raise and_raise

    await on_every_connection(database.pipelined)
    await on_every_connection(database.transaction)
    await on_every_connection(database.transaction, KeyError())
    await on_every_connection(database.pipelined)


async def test_a_statement_whose_table_was_migrated_fails_once_and_is_prepared_again(database):
    async def look(way):
        async with way() as tx:
            return await (await tx.execute("SELECT lamp FROM lamp WHERE lamp = %(lamp)s", {"lamp": 7})).fetchone()

    async with database.transaction() as tx:
        await tx.execute("CREATE TABLE lamp (lamp integer)")
        await tx.execute("INSERT INTO lamp VALUES (7)")
    assert await look(database.batch) == (7,)
    async with database.transaction() as tx:
        await tx.execute("ALTER TABLE lamp ALTER lamp TYPE bigint")
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        await look(database.batch)
    assert await look(database.batch) == (7,)


async def test_what_psycopg_has_queued_keeps_its_turn(database):
    """It closes statements it no longer wants, after the statement that made it so: their answers come in between."""
    async with database.pipelined() as tx:
        tx._pipeline.command_queue.append(tx.pgconn.pipeline_sync)
        tx._pipeline.result_queue.append(None)
        first, second = [await tx.execute("SELECT %s::integer", (number,)) for number in (1, 2)]
        assert (await first.fetchone(), await second.fetchone()) == ((1,), (2,))


async def test_a_block_that_was_cancelled_leaves_connections_and_names_in_order(database):
    async def sleep():
        async with database.batch() as tx:
            await (await tx.execute("SELECT pg_sleep(%(long_s)s)", {"long_s": 30.0})).fetchone()

    for _ in range(3):
        sleeping = asyncio.create_task(sleep())
        await asyncio.sleep(0.1)
        sleeping.cancel()
        with suppress(asyncio.CancelledError, psycopg.errors.QueryCanceled, Contended):
            await sleeping
        async with database.batch() as tx:
            cursors = [await tx.execute("SELECT %(word)s::text", {"word": word}) for word in ("one", "two")]
            assert [await cursor.fetchone() for cursor in cursors] == [("one",), ("two",)]


async def test_past_their_bound_statements_travel_unprepared(database, monkeypatch):
    async with database.batch() as tx:
        await prepared(tx)
        monkeypatch.setattr(limits, "PREPARED_STATEMENTS_MAX", 0)
        before = await prepared(tx)
        cursors = [await tx.execute(f"SELECT {number} + %s::integer", (number,)) for number in range(3)]
        assert [await cursor.fetchone() for cursor in cursors] == [(0,), (2,), (4,)]
        assert await prepared(tx) == before


async def test_how_many_rows_were_touched_is_known_once_the_answer_is_fetched(database):
    async with database.batch() as tx:
        await tx.execute("CREATE TEMPORARY TABLE lamp (lamp integer)")
        written = await tx.execute("INSERT INTO lamp SELECT generate_series(1, 7)")
        assert written.rowcount == -1
        assert await written.fetchall() == []
        assert written.rowcount == 7


async def test_a_cursor_of_psycopgs_own_travels_among_the_others(database):
    """The job queue puts its jobs into our transactions with cursors."""
    async with database.batch() as tx:
        first = await tx.execute("SELECT 1")
        async with tx.cursor() as cursor:
            await cursor.execute("SELECT %s::integer", (2,))
            third = await tx.execute("SELECT 3")
            assert await third.fetchone() == (3,)
            assert await cursor.fetchone() == (2,)
        assert await first.fetchone() == (1,)


async def test_a_block_that_raises_commits_nothing(database):
    async def fail():
        async with database.batch() as tx:
            await tx.execute("CREATE TABLE half_done (one integer)")
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    async with database.transaction() as tx:
        assert await (await tx.execute("SELECT to_regclass('half_done')")).fetchone() == (None,)

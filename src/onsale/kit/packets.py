"""Statements that travel together: psycopg's pipeline, but what needs no answer leaves with what does, and cheaply.

psycopg sends each statement of a pipeline by itself, and a server that has just gone to sleep is woken for every one:
on two cores a batch of holds spent a fifth of its time in a dozen sends. Held back, a round trip is one packet.
A statement of such a packet is not a cursor, which costs a web process 50 us, but what a store needs of one: a fourth.

This builds on parts of psycopg that are not documented, so tests/integration/kit/test_packets.py counts the packets and
looks at what comes back: should another psycopg do it differently, those say so.
"""

from collections.abc import Generator, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from psycopg import errors, pq
from psycopg._queries import _query2pg
from psycopg.adapt import PyFormat, Transformer
from psycopg.generators import send

from onsale import limits

FATAL_ERROR = pq.ExecStatus.FATAL_ERROR

Row = tuple[Any, ...]
Params = Mapping[str, Any] | Sequence[Any]


Form = tuple[str, tuple[int, ...]]
"""Text of a statement and types of its parameters."""


class Prepared:
    """The statements that one connection has prepared by `Packets`, and their names.

    `fresh` are on their way, and good inside their pipeline at once: had preparing one failed, all behind it would be
    skipped.
    """

    def __init__(self) -> None:
        self.names: dict[Form, bytes] = {}
        self.fresh: dict[Form, bytes] = {}
        self._made = 0

    def forget(self) -> None:
        """The connection lets go of all of them."""
        self.names.clear()
        self.fresh.clear()

    def new_name(self) -> bytes | None:
        """For one more; None when there are as many as there may be."""
        if len(self.names) >= limits.PREPARED_STATEMENTS_MAX:
            return None
        self._made += 1
        return b"onsale_%d" % self._made


# The plan of a prepared statement no longer fits its table (another version has migrated it), or there is none.
_GONE_BAD = (b"0A000", b"26000")


class Packets(psycopg.AsyncPipeline):
    """A pipeline that sends when a result is fetched, or at its end."""

    def __init__(self, connection: psycopg.AsyncConnection[Any], prepared: Prepared) -> None:
        super().__init__(connection)
        self._prepared = prepared
        prepared.fresh.clear()
        self._transformer = Transformer(connection)

    def put(self, query: str, params: Params | None) -> "Statement":
        """Add a statement. Its answer is waited for where somebody wants to see it, or at the end."""
        self._pass_on()
        text, values = _positional(query, params)
        sent = self._transformer.dump_sequence(values, [PyFormat.AUTO] * len(values))
        form = (query, self._transformer.types or ())
        formats = self._transformer.formats
        name = self._name(form, text)
        if name is None:
            self.pgconn.send_query_params(text, sent, form[1], formats, pq.Format.BINARY)
        else:
            self.pgconn.send_query_prepared(name, sent, formats, pq.Format.BINARY)
        statement = Statement(self, form)
        self.result_queue.append(statement)  # type: ignore[arg-type]  # See `_process_results`.
        return statement

    def _name(self, form: Form, text: bytes) -> bytes | None:
        """The name it is prepared under, from now on if need be. None: it travels unprepared."""
        name = self._prepared.names.get(form) or self._prepared.fresh.get(form)
        if name is None and (name := self._prepared.new_name()):
            self.pgconn.send_prepare(name, text, form[1])
            self.result_queue.append(form)  # type: ignore[arg-type]  # See `_process_results`.
            self._prepared.fresh[form] = name
        return name

    async def fetch(self) -> None:
        """Wait for all answers that are due. Raises the first fault among them."""
        async with self._lock:
            await self._conn.wait(self._fetch_gen(flush=True))

    def _process_results(self, queued: Any, results: list[Any]) -> None:
        """Answers come in the order of what was sent: statements of ours, forms to prepare, and psycopg's own."""
        if isinstance(queued, Statement):
            result = results[-1]
            if result.status == FATAL_ERROR and result.error_field(pq.DiagnosticField.SQLSTATE) in _GONE_BAD:
                self._prepared.names.pop(queued.form, None)
            queued.answered(result)
        elif isinstance(queued, tuple) and isinstance(queued[0], str):
            name = self._prepared.fresh.pop(queued, None)
            super()._process_results(None, results)
            if name is not None:
                self._prepared.names[queued] = name
        else:
            super()._process_results(queued, results)

    def _pass_on(self) -> None:
        """Put what psycopg's own parts have queued into libpq's buffer, in its turn: answers come in that order."""
        while self.command_queue:
            self.command_queue.popleft()()

    def _communicate_gen(self) -> Generator[Any, Any, None]:
        """After each statement of a cursor. Nothing is sent, so there is nothing to wait for."""
        self._pass_on()
        return
        yield

    def _fetch_gen(self, *, flush: bool) -> Generator[Any, Any, None]:
        """Where results are wanted. `flush` asks the server not to keep them back; else a sync has done so."""
        self._pass_on()
        if not flush:
            yield from send(self.pgconn)
        yield from super()._fetch_gen(flush=flush)

    def _exit_gen(self) -> Generator[Any, Any, None]:
        """A sync, which also makes the server answer everything."""
        self._enqueue_sync()
        yield from self._communicate_gen()
        yield from self._fetch_gen(flush=False)


class Statement:
    """What stores use of a cursor. Rows come in binary, as on every connection of ours."""

    __slots__ = ("_packets", "_result", "_rows", "form")

    def __init__(self, packets: Packets, form: Form) -> None:
        self.form = form
        self._packets = packets
        self._result: pq.abc.PGresult | None = None
        self._rows: Iterator[Row] | None = None

    def answered(self, result: "pq.abc.PGresult") -> None:
        """Raises what went wrong in it, or PipelineAborted when something went wrong before it."""
        if result.status == FATAL_ERROR:
            raise errors.error_from_result(result)
        if result.status == pq.ExecStatus.PIPELINE_ABORTED:
            raise errors.PipelineAborted("pipeline aborted")
        self._result = result

    @property
    def rowcount(self) -> int:
        """Rows it touched or found; -1 before its answer has been fetched."""
        touched = self._result.command_tuples if self._result else None
        return -1 if touched is None else touched

    async def fetchone(self) -> Row | None:
        return next(await self._fetched(), None)

    async def fetchall(self) -> list[Row]:
        return list(await self._fetched())

    async def _fetched(self) -> Iterator[Row]:
        if self._result is None:
            await self._packets.fetch()
        if self._rows is None:
            assert self._result is not None, "fetching raises, or gives every answer that is due"
            loading = Transformer(self._packets._conn)
            loading.set_pgresult(self._result, format=pq.Format.BINARY)
            self._rows = iter(loading.load_rows(0, self._result.ntuples, tuple))
        return self._rows


def _positional(query: str, params: Params | None) -> tuple[bytes, list[Any]]:
    """The text with $1, $2..., and the values in that order. As in psycopg, `%%` is one only where there are params."""
    if params is None:
        return query.encode(), []
    text, _, names, _ = _query2pg(query.encode(), "utf-8")
    if isinstance(params, Mapping):
        return text, [params[name] for name in names or ()]
    assert not names, "named placeholders take a mapping"
    return text, list(params)

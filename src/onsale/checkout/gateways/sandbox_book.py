"""The sandbox's book: every charge and every answer given under a key, durable before anybody hears of it.

One thread owns the SQLite connection. Requests that arrive while it commits travel together in the next transaction,
so 1,000 bookings/s share some hundred commits, and requests with the same key can only come one after the other.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from onsale.checkout.gateways import sandbox_charges as charges
from onsale.checkout.gateways import sandbox_limits
from onsale.checkout.gateways.sandbox_charges import Charge, Refused
from onsale.kit import db
from onsale.kit.coalesce import Coalescer

SQL = db.load(__package__, "sandbox.sql")


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back over HTTP: the same bytes each time it is replayed."""

    status: int
    body: bytes
    replayed: bool = False


def refusal(refused: Refused) -> Answer:
    return Answer(refused.status, msgspec.json.encode(charges.error_json(refused)))


class Store:
    """The book's rows. Used on the book's thread only, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def add(self, charge: Charge) -> None:
        self._connection.execute(SQL.add_charge, asdict(charge))

    def change(self, charge: Charge) -> None:
        changed = self._connection.execute(SQL.change_charge, asdict(charge)).rowcount
        assert changed == 1, "a charge never leaves the book"

    def charge(self, intent: str) -> Charge:
        """Raises Refused (404) for an intent that is not in the book."""
        row = self._connection.execute(SQL.charge, {"intent": intent}).fetchone()
        if row is None:
            raise Refused(404, f"No such payment_intent: '{intent}'", code="resource_missing", param="intent")
        return Charge(*row)

    def charges_of_order(self, order_id: str) -> list[Charge]:
        bounds = {"order_id": order_id, "rows": sandbox_limits.SEARCH_ROWS_MAX}
        return [Charge(*row) for row in self._connection.execute(SQL.charges_of_order, bounds)]

    def page(self, after: int, rows: int) -> list[dict[str, Any]]:
        """Charges in the order they came, each with the `seq` that the next page starts after."""
        cursor = self._connection.execute(SQL.page, {"after": after, "rows": rows})
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor]

    def answer(self, key: str, request_hash: bytes) -> Answer | None:
        """What this key was answered before. Raises Refused when that was another request."""
        row = self._connection.execute(SQL.answer, {"key": key}).fetchone()
        if row is None:
            return None
        if row[0] != request_hash:
            message = f"Keys for idempotent requests can only be used with the same parameters. Key: '{key}'"
            raise Refused(400, message, kind="idempotency_error")
        return Answer(row[1], row[2], replayed=True)

    def keep(self, key: str, request_hash: bytes, answer: Answer) -> None:
        values = {"key": key, "request_hash": request_hash, "status": answer.status, "body": answer.body}
        self._connection.execute(SQL.keep_answer, values)


Work = Callable[[Store], Answer]
"""What one request does with the book. Decides first and writes last, so that a Refused has written nothing."""


def once(key: str, path: str, fields: dict[str, str], work: Work) -> Work:
    """The same work, done once for its key: a repeated request gets the answer first given, refusals included.

    A payment nobody knows (404) is not an answer to keep: the same request may find it later.
    """
    request_hash = hashlib.sha256(msgspec.json.encode([path, sorted(fields.items())])).digest()

    def done_once(store: Store) -> Answer:
        kept = store.answer(key, request_hash)
        if kept is not None:
            return kept
        answer = _answered(store, work)
        if answer.status != 404:
            store.keep(key, request_hash, answer)
        return answer

    return done_once


def _answered(store: Store, work: Work) -> Answer:
    try:
        return work(store)
    except Refused as refused:
        return refusal(refused)


class Book:
    """The book, open. Raises sqlite3.OperationalError when another process has it open."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, timeout=0, check_same_thread=False)
        self._connection.executescript(SQL.settings)
        self._connection.executescript(SQL.schema)
        self._store = Store(self._connection)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-book")
        self._coalescer: Coalescer[Work, Answer] = Coalescer(
            self._run,
            name="sandbox_book",
            batch_max=sandbox_limits.BATCH_MAX,
            queue_max=sandbox_limits.QUEUE_MAX,
        )

    async def ask(self, work: Work) -> Answer:
        """Do the work and answer once it is on disk. Raises kit.problems.Overloaded at once when too many wait."""
        return await self._coalescer.ask(work)

    def close(self) -> None:
        """Wait for the commit under way, then close. A second call does nothing."""
        self._thread.shutdown()
        self._connection.close()

    async def _run(self, batch: Sequence[Work]) -> list[Answer]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, batch)

    def _commit(self, batch: Sequence[Work]) -> list[Answer]:
        """One transaction. A fault (a full disk, a bug) rolls all of it back, and nobody is told that it happened."""
        with self._connection:
            return [_answered(self._store, work) for work in batch]

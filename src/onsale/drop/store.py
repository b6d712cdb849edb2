"""The referee's eyes: read-only, one moment at a time, in the tables of every room (`drop` alone may look there)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg.rows import dict_row

from onsale.drop import drop_limits
from onsale.kit import db

SQL = db.load(__package__, "audit.sql")

# Queries of audit.sql that look, and judge nothing.
_NO_CHECKS = frozenset(("looked_at", "payments", "holds_of_sale", "changes_of_sale"))

CHECKS = tuple(name for name in SQL.texts if name not in _NO_CHECKS)

Rows = list[dict[str, Any]]


class Eyes:
    """A connection that cannot write even by mistake, and sees one moment for as long as a `moment` lasts."""

    def __init__(self, connection: psycopg.AsyncConnection[dict[str, Any]]) -> None:
        self._connection = connection

    @asynccontextmanager
    async def moment(self) -> AsyncIterator[None]:
        """Everything read inside is of the same instant."""
        async with self._connection.transaction():
            yield

    async def rows(self, name: str, **values: object) -> AsyncIterator[Rows]:
        """The rows of a query of audit.sql, some thousand at a time. Only inside a moment."""
        async with self._connection.cursor(name) as cursor:
            await cursor.execute(getattr(SQL, name), values)
            while rows := await cursor.fetchmany(drop_limits.FETCH_MAX_ROWS):
                yield rows


@asynccontextmanager
async def eyes(database_url: str) -> AsyncIterator[Eyes]:
    """Open them. Raises db.DatabaseAway when PostgreSQL does not answer, now or later."""
    timeout_ms = int(drop_limits.STATEMENT_TIMEOUT_S * 1000)
    options = f"-c default_transaction_read_only=on -c statement_timeout={timeout_ms} -c timezone=UTC"
    try:
        connection = await psycopg.AsyncConnection.connect(
            database_url, options=options, autocommit=True, row_factory=dict_row
        )
        async with connection:
            await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
            yield Eyes(connection)
    except psycopg.OperationalError as error:
        raise db.DatabaseAway from error

"""Migrations: numbered plain SQL files, forward only, each in a transaction of its own, one runner at a time."""

from hashlib import sha256
from importlib import resources

import psycopg
from procrastinate.schema import SchemaManager
from psycopg.rows import TupleRow

from onsale.kit import db

SQL = db.load(__package__)

# Whoever migrates waits for a server that is just starting, and not for one that is not there.
CONNECT_TIMEOUT_S = 10

JOBS_MIGRATION = "0000_procrastinate.sql"
"""The job queue's own tables, from its own package: first, and once."""


class MigrationError(Exception):
    """A migration that was already applied says something else now."""


def files(package: str = "onsale.migrations") -> dict[str, str]:
    """Name -> SQL of every migration, in order."""
    found = {JOBS_MIGRATION: SchemaManager.get_schema()}
    for path in sorted(resources.files(package).iterdir(), key=lambda entry: entry.name):
        if path.name.endswith(".sql"):
            found[path.name] = path.read_text()
    return found


def pending(database_url: str) -> list[str]:
    """Names of the migrations this database has not had. Changes nothing. Raises DatabaseAway."""
    with _connected(database_url) as connection:
        if connection.execute(SQL.migrations_known).fetchone() == (None,):
            return list(files())
        known: dict[str, str] = dict(connection.execute(SQL.applied_migrations).fetchall())
    return [name for name in files() if name not in known]


async def is_migrated(database: db.Database) -> bool:
    """Whether the database has had every migration, by a process that is at work. Raises what a transaction raises."""
    async with database.transaction() as tx:
        if await (await tx.execute(SQL.migrations_known)).fetchone() == (None,):
            return False
        known = dict(await (await tx.execute(SQL.applied_migrations)).fetchall())
    return all(name in known for name in files())


def migrate(database_url: str) -> list[str]:
    """Bring the database up to date; gives the names of what was applied. Raises MigrationError, DatabaseAway."""
    applied = []
    with _connected(database_url) as connection:
        connection.execute(SQL.lock_migrations)
        try:
            connection.execute(SQL.create_migrations)
            known: dict[str, str] = dict(connection.execute(SQL.applied_migrations).fetchall())
            for name, text in files().items():
                if _is_new(name, text, known):
                    _apply(connection, name, text)
                    applied.append(name)
        finally:
            connection.execute(SQL.unlock_migrations)
    return applied


def _connected(database_url: str) -> psycopg.Connection[TupleRow]:
    """A connection on which each statement commits by itself. Raises DatabaseAway, saying what the driver said."""
    try:
        return psycopg.connect(database_url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
    except psycopg.OperationalError as error:
        raise db.DatabaseAway(f"PostgreSQL does not answer: {str(error).splitlines()[0]}") from error


def _is_new(name: str, text: str, known: dict[str, str]) -> bool:
    if name not in known:
        return True
    if name != JOBS_MIGRATION and known[name] != _hash(text):
        raise MigrationError(f"{name} was applied with another text; migrations only go forward, so write a new one")
    return False


def _apply(connection: psycopg.Connection[TupleRow], name: str, text: str) -> None:
    with connection.transaction():
        connection.execute(text.encode())
        connection.execute(SQL.note_migration, {"name": name, "sha256": _hash(text)})


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()

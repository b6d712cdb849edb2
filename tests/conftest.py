"""What tests stand on: a real PostgreSQL and a real Valkey, one database per test, cloned from a migrated template."""

import itertools
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from onsale import limits
from onsale.kit import db, redis
from onsale.kit.embedded import Addresses, Embedded, postgres
from onsale.kit.migrate import migrate

# Tests do not survive a power cut, so they need not wait for the disk. The product never runs like this.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "200"}

# A machine that is busy with tests may stand still for longer than a Redis that answers ever does.
limits.REDIS_TIMEOUT_S = 5.0

_numbers = itertools.count(1)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres-bin",
        type=Path,
        help="Run on the PostgreSQL whose programs lie in this folder, instead of the wheel's.",
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def postgres_bin(request: pytest.FixtureRequest) -> Path | None:
    """The folder of another PostgreSQL than the wheel's, if this run is on one."""
    folder: Path | None = request.config.getoption("--postgres-bin")
    return folder


@pytest.fixture(scope="session")
def servers(postgres_bin: Path | None) -> Iterator[Addresses]:
    """PostgreSQL and Valkey of this test run alone, in a folder of their own."""
    if postgres_bin is not None:
        _use(postgres_bin)
    folder = Path(tempfile.mkdtemp(prefix="onsale-tests-"))
    try:
        with Embedded.start(folder, settings=FAST) as embedded:
            yield embedded.addresses
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class Clones:
    """Migrated databases, cloned from one that nobody connects to. The next is made while a test runs on the last."""

    def __init__(self, server_url: str) -> None:
        self._url = server_url
        self._template = f"template_{os.getpid()}"
        self._behind = ThreadPoolExecutor(1)
        self._do("CREATE DATABASE {}", self._template)
        migrate(make_conninfo(server_url, dbname=self._template))
        self._next = self._behind.submit(self._clone)

    def take(self) -> str:
        """The address of an empty, migrated database."""
        name = self._next.result()
        self._next = self._behind.submit(self._clone)
        return make_conninfo(self._url, dbname=name)

    def give_back(self, url: str) -> None:
        self._behind.submit(self._do, "DROP DATABASE {} WITH (FORCE)", str(conninfo_to_dict(url)["dbname"]))

    def close(self) -> None:
        self._behind.shutdown()

    def _clone(self) -> str:
        name = f"test_{os.getpid()}_{next(_numbers)}"
        self._do("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY", name, self._template)
        return name

    def _do(self, statement: LiteralString, *names: str) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


@pytest.fixture(scope="session")
def clones(servers: Addresses) -> Iterator[Clones]:
    with closing(Clones(servers.database_url)) as clones:
        yield clones


@pytest.fixture
def database_url(clones: Clones) -> Iterator[str]:
    """An empty, migrated database for this test alone."""
    url = clones.take()
    yield url
    clones.give_back(url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[db.Database]:
    database = db.Database(database_url)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def redis_client(redis_url: str) -> AsyncIterator[redis.Client]:
    client = redis.connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def redis_url(servers: Addresses) -> str:
    """The run's Valkey, emptied."""
    client = redis.connect(servers.redis_url)
    await client.flushall()
    await client.aclose()
    return servers.redis_url


def _use(folder: Path) -> None:
    """Let the embedded server be another installation: its programs, its version, and options that old ones know."""
    named = subprocess.run([folder / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    version = re.search(r"\) (\d+)", named)
    assert version, f"{folder} holds no PostgreSQL"
    newer = ("--locale-provider", "--builtin-locale", "--no-instructions")
    options = postgres._initdb_options

    def older_options(folder: Path, locale: str) -> list[str]:
        return [option for option in options(folder, locale) if not option.startswith(newer)]

    postgres.VERSION = version[1]
    postgres.find = lambda: postgres.Programs(folder)
    postgres._initdb_options = older_options

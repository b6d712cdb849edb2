"""The schema for reading, and every named query, against a migrated database."""

import pkgutil
import re
import subprocess
from collections.abc import Iterator
from importlib import resources

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from psycopg.conninfo import make_conninfo

import onsale
from onsale.kit import db
from onsale.kit.embedded import Addresses, postgres

# Its table is looked for before the first migration has made it.
BEFORE_MIGRATIONS = {"create_migrations"}


@pytest.fixture
def empty_url(servers: Addresses) -> Iterator[str]:
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS schema_for_reading")
        connection.execute("CREATE DATABASE schema_for_reading")
        yield make_conninfo(servers.database_url, dbname="schema_for_reading")
        connection.execute("DROP DATABASE schema_for_reading WITH (FORCE)")


def test_the_schema_for_reading_is_the_sum_of_the_migrations(database_url: str, empty_url: str) -> None:
    with psycopg.connect(empty_url, autocommit=True) as connection:
        connection.execute(SchemaManager.get_schema().encode())
        connection.execute(resources.files(onsale).joinpath("schema.sql").read_text().encode())
    assert _dumped(empty_url) == _dumped(database_url)


def _dumped(url: str) -> str:
    """The database's own description of itself, without what differs from dump to dump."""
    program = postgres.find().postgres.with_name("pg_dump")
    command = [program, "--schema-only", "--no-owner", "--exclude-table=schema_migration", f"--dbname={url}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


def _queries() -> Iterator[tuple[str, str]]:
    for module in pkgutil.walk_packages(onsale.__path__, "onsale."):
        if module.ispkg and (file := resources.files(module.name).joinpath("queries.sql")).is_file():
            for name, text in db.parse(file.read_text()).items():
                if name not in BEFORE_MIGRATIONS:
                    yield f"{module.name.removeprefix('onsale.')}.{name}", text


QUERIES = dict(_queries())


@pytest.mark.parametrize("name", sorted(QUERIES))
def test_every_named_query_can_be_prepared_on_the_migrated_schema(shared_url: str, name: str) -> None:
    with psycopg.connect(shared_url) as connection:
        connection.execute(f"PREPARE this AS {_numbered(QUERIES[name])}".encode())


def _numbered(text: str) -> str:
    """The query as PostgreSQL knows it: $1 in the place of %(name)s."""
    names: dict[str, int] = {}
    return re.sub(r"%\((\w+)\)s", lambda found: f"${names.setdefault(found[1], len(names) + 1)}", text)


@pytest.fixture(scope="module")
def shared_url(servers: Addresses, template: str) -> str:
    return make_conninfo(servers.database_url, dbname=template)


def test_a_query_with_a_typing_error_would_be_noticed(shared_url: str) -> None:
    with psycopg.connect(shared_url) as connection, pytest.raises(psycopg.errors.UndefinedColumn):
        connection.execute("PREPARE this AS SELECT seat_nr FROM seat")

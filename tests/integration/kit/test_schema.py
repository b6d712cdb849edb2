"""The schema for reading, against a migrated database."""

import subprocess
from collections.abc import Iterator
from importlib import resources

import psycopg
import pytest
from procrastinate.schema import SchemaManager
from psycopg.conninfo import make_conninfo

import onsale
from onsale.kit.embedded import Addresses, postgres


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
    command = [str(program), "--schema-only", "--no-owner", "--exclude-table=schema_migration", f"--dbname={url}"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))

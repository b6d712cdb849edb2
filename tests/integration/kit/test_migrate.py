"""Migrations: once each, in order, whoever runs them, whole or not at all."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from onsale.kit import migrate as migrations
from onsale.kit.migrate import JOBS_MIGRATION, MigrationError, files, migrate

LAMP = "CREATE TABLE lamp (a int);"


@pytest.fixture
def empty_url(servers):
    """A database in which nothing was migrated."""
    name = "migrations_test"
    with psycopg.connect(servers.database_url, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        yield make_conninfo(servers.database_url, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def known(monkeypatch):
    """What the migrations are, for a test that writes its own."""
    texts: dict[str, str] = {}
    monkeypatch.setattr(migrations, "files", lambda: texts)
    return texts


def ask(url, query):
    with psycopg.connect(url) as connection:
        return connection.execute(query).fetchall()


def tables(url):
    return {row[0] for row in ask(url, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_an_empty_database_gets_all_of_them_in_order_and_then_none(empty_url):
    applied = migrate(empty_url)
    assert applied == list(files())
    assert applied[0] == JOBS_MIGRATION
    assert applied == sorted(applied)
    assert migrate(empty_url) == []
    assert {"fact", "account", "seat", "procrastinate_jobs", "schema_migration"} <= tables(empty_url)
    assert [row[0] for row in ask(empty_url, "SELECT name FROM schema_migration ORDER BY name")] == applied


def test_processes_that_start_together_migrate_once(empty_url):
    start = threading.Barrier(4)

    def run(_):
        start.wait()
        return migrate(empty_url)

    with ThreadPoolExecutor(4) as threads:
        assert sorted(threads.map(run, range(4))) == [[], [], [], list(files())]


def test_a_new_one_is_applied_to_a_database_that_has_the_old(empty_url, known):
    known["0001_a.sql"] = LAMP
    assert migrate(empty_url) == ["0001_a.sql"]
    known["0002_b.sql"] = "ALTER TABLE lamp ADD b int; -- 100 % of them\nINSERT INTO lamp VALUES (1, 2);"
    assert migrate(empty_url) == ["0002_b.sql"]
    assert ask(empty_url, "SELECT a, b FROM lamp") == [(1, 2)]


def test_one_that_fails_leaves_nothing_of_itself_and_keeps_those_before(empty_url, known):
    known.update(
        {"0001_a.sql": LAMP, "0002_b.sql": "CREATE TABLE half (a int); SELECT 1/0;", "0003_c.sql": "SELECT 1;"}
    )
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_url)
    assert tables(empty_url) == {"lamp", "schema_migration"}
    known["0002_b.sql"] = "CREATE TABLE half (a int);"
    assert migrate(empty_url) == ["0002_b.sql", "0003_c.sql"]


def test_after_a_failure_nobody_waits_for_its_lock(empty_url, known):
    known["0001_a.sql"] = "SELECT 1/0;"
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(empty_url)
    [(free,)] = ask(empty_url, "SELECT pg_try_advisory_lock(7203114)")
    assert free


def test_one_that_says_something_else_now_is_refused_before_anything_is_done(empty_url, known):
    known["0001_a.sql"] = LAMP
    migrate(empty_url)
    known.update({"0001_a.sql": LAMP + " ", "0002_b.sql": "CREATE TABLE other (a int);"})
    with pytest.raises(MigrationError, match=r"0001_a\.sql"):
        migrate(empty_url)
    assert "other" not in tables(empty_url)


def test_the_job_queue_of_another_version_is_no_edited_migration(empty_url, known):
    """Its text comes with its library, which brings migrations of its own."""
    known[JOBS_MIGRATION] = LAMP
    migrate(empty_url)
    known[JOBS_MIGRATION] = "CREATE TABLE lamp (a int, b int);"
    assert migrate(empty_url) == []


def test_a_database_that_is_newer_than_the_code_is_left_alone(empty_url, known):
    """During an upgrade an old process may start once more."""
    known.update({"0001_a.sql": LAMP, "0002_b.sql": "SELECT 1;"})
    migrate(empty_url)
    del known["0002_b.sql"]
    assert migrate(empty_url) == []


def test_constraints_refuse_what_they_say(database_url):
    for statement, refused in (
        ("INSERT INTO account (person, email) VALUES (gen_random_uuid(), 'Ann@b.c')", psycopg.errors.CheckViolation),
        (
            "INSERT INTO account (person, email) VALUES (gen_random_uuid(), repeat('a', 255))",
            psycopg.errors.CheckViolation,
        ),
        (
            "INSERT INTO account (person, email, roles) VALUES (gen_random_uuid(), 'a@b.c', '{emperor}')",
            psycopg.errors.CheckViolation,
        ),
        (
            "INSERT INTO account (person, email) SELECT gen_random_uuid(), 'a@b.c' FROM generate_series(1, 2)",
            psycopg.errors.UniqueViolation,
        ),
    ):
        with psycopg.connect(database_url) as connection, pytest.raises(refused):
            connection.execute(statement)

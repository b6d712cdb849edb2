"""`/readyz`: away, crowded and not migrated are three things."""

import httpx
import psycopg
import pytest
from fastapi import FastAPI
from psycopg.conninfo import make_conninfo

from onsale import limits
from onsale.kit.db import Database
from onsale.kit.migrate import migrate
from onsale.ops import DatabaseCheck, health_router

pytestmark = pytest.mark.anyio


async def readiness(database: Database) -> tuple[int, str]:
    app = FastAPI()
    app.include_router(health_router({"database": DatabaseCheck(database)}, {}))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://shop.test") as client:
        answer = await client.get("/readyz")
    return answer.status_code, answer.json()["parts"]["database"]


async def test_a_migrated_database_that_answers_is_ready_and_a_closed_one_is_away(database_url):
    database = Database(database_url)
    await database.open()
    assert await readiness(database) == (200, "ok")
    await database.close()
    assert await readiness(database) == (503, "away")


async def test_a_process_whose_connections_are_all_busy_stays_in_the_traffic(database_url, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTION_WAIT_S", 0.2)
    database = Database(database_url, connections_max=1)
    await database.open()
    check = DatabaseCheck(database)
    assert await check() == "ok"
    async with database.transaction():
        assert await check() == "ok"
    await database.close()


async def test_a_process_that_came_before_the_migrations_is_ready_after_them(database_url):
    empty = make_conninfo(database_url, dbname="not_migrated")
    with psycopg.connect(database_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE not_migrated")
        try:
            database = Database(empty)
            await database.open()
            assert await readiness(database) == (503, "not migrated")
            migrate(empty)
            assert await readiness(database) == (200, "ok")
            await database.close()
        finally:
            admin.execute("DROP DATABASE not_migrated WITH (FORCE)")

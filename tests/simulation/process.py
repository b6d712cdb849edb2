"""One process of the simulation, as a web process is: pools, collectors of batches and pictures of its own.

Each line it hears is an ask in JSON; each line it says is the answer with the same `id`, in whatever order they come.
A line {"fate": ...} makes its next writing transaction its last: it kills itself before that commits, or just after.
Dying is added here, around the product's transactions; the product knows nothing of it.
"""

import asyncio
import json
import logging
import os
import signal
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any
from uuid import UUID

from tests.integration.inventory.shop import Shop, in_one_process

from onsale import limits
from onsale.inventory import HoldView, Inventory, MapCache
from onsale.inventory.service import Best
from onsale.kit import clock, db, redis, tasks
from onsale.kit.ids import PersonKey, ShardId, new_id
from onsale.kit.problems import Problem, Unavailable

Ask = dict[str, Any]

BEFORE_COMMIT, AFTER_COMMIT = "before commit", "after commit"


class Mortal(db.Database):
    """Transactions at whose ends the process may die."""

    fate = ""

    @asynccontextmanager
    async def transaction(self, shard_id: ShardId | None = None) -> AsyncIterator[db.Tx]:
        async with self._to_its_end(super().transaction(shard_id)) as tx:
            yield tx

    @asynccontextmanager
    async def pipelined(self, shard_id: ShardId | None = None) -> AsyncIterator[db.Tx]:
        async with self._to_its_end(super().pipelined(shard_id)) as tx:
            yield tx

    @asynccontextmanager
    async def batch(self, *shard_ids: ShardId) -> AsyncIterator[db.Tx]:
        async with self._to_its_end(super().batch(*shard_ids)) as tx:
            yield tx

    @asynccontextmanager
    async def _to_its_end(self, transaction: AbstractAsyncContextManager[db.Tx]) -> AsyncIterator[db.Tx]:
        wrote = False
        async with transaction as tx:
            yield tx
            # A transaction that has written something has a number of its own by now.
            wrote = bool(self.fate) and await _wrote(tx)
            if wrote and self.fate == BEFORE_COMMIT:
                os.kill(os.getpid(), signal.SIGKILL)
        if wrote and self.fate == AFTER_COMMIT:
            os.kill(os.getpid(), signal.SIGKILL)


async def _wrote(tx: db.Tx) -> bool:
    row = await (await tx.execute("SELECT pg_current_xact_id_if_assigned() IS NOT NULL")).fetchone()
    return row is not None and row[0]


def _held(view: HoldView) -> Ask:
    return _told(view.hold) | {"seats": view.hold.seats}


def _told(hold: Any) -> Ask:
    return {"hold": hold.hold_id, "until_us": round(hold.expires_at.timestamp() * 1_000_000)}


async def hold(shop: Shop, person: PersonKey, ask: Ask) -> Ask:
    key = ask["key"].to_bytes(32)
    if "best" in ask:
        return _held(await shop.inventory.hold_best(shop.event_id, person, Best(ask["best"]), key))
    return _held(await shop.hold(person, *ask["seats"], key_hash=key))


async def careless_hold(shop: Shop, person: PersonKey, ask: Ask) -> Ask:
    """The negative control: it refuses without looking, answers without writing, takes what is taken."""
    manner, seats, hold_id = ask["key"] % 8, ask.get("seats"), new_id()
    if seats is None or manner > 2:
        return await hold(shop, person, ask)
    if manner == 0:
        return {"code": "seats_taken", "status": 409}
    named = {"seats": seats, "hold_id": hold_id, "person": person}
    if manner == 1:
        for statement in _STEAL:
            await shop.rows(statement, **named)
    return {"hold": hold_id, "until_us": 0, "seats": seats}


_STEAL = (
    """
    INSERT INTO hold (shard_id, hold_id, person, seats, tiers, expires_at, max_until)
    SELECT shard_id, %(hold_id)s, %(person)s, %(seats)s, array_fill(1, ARRAY[cardinality(%(seats)s::integer[])]),
           now() + make_interval(secs => hold_s), now() + make_interval(secs => hold_s + 300)
    FROM sale WHERE shard_id = %(shard_id)s RETURNING true
    """,
    """
    UPDATE seat SET state = 1, hold_id = %(hold_id)s, held_until = hold.expires_at, order_id = NULL
    FROM hold WHERE hold.hold_id = %(hold_id)s AND seat.seat_no = ANY (hold.seats) AND seat.shard_id = hold.shard_id
    RETURNING true
    """,
)


async def extend(shop: Shop, person: PersonKey, ask: Ask) -> Ask:
    async with shop.database.transaction(shop.shard_id) as tx:
        [extended] = await shop.inventory.extend(tx, shop.shard_id, [ask["hold"]], ask["at_least_s"])
    return _told(extended) if extended else {"code": "hold_expired", "status": 409}


async def prolong(shop: Shop, person: PersonKey, ask: Ask) -> Ask:
    return _told((await shop.inventory.prolong(shop.shard_id, ask["hold"], person)).hold)


async def confirm(shop: Shop, person: PersonKey, ask: Ask) -> Ask:
    sold = await shop.pay(ask["hold"], order_id=ask["order"])
    return {} if sold[ask["hold"]] else {"code": "hold_expired", "status": 409}


async def release(shop: Shop, person: PersonKey, ask: Ask) -> Ask:
    await shop.inventory.let_go(shop.shard_id, ask["hold"], person)
    return {}


async def take_back(shop: Shop, person: PersonKey, ask: Ask) -> Ask:
    async with shop.database.transaction(shop.shard_id) as tx:
        count = await shop.inventory.take_back(tx, shop.shard_id, person, ask["order"], ask["seats"])
    return {} if count else {"code": "not_sold", "status": 409}


async def block(shop: Shop, person: PersonKey, ask: Ask) -> Ask:
    await shop.inventory.block(shop.event_id, ask["blocked"], ask["seats"])
    return {}


async def sweep(shop: Shop, person: PersonKey, ask: Ask) -> Ask:
    await shop.inventory.sweep()
    return {}


VERBS: dict[str, Callable[[Shop, PersonKey, Ask], Awaitable[Ask]]] = {
    verb.__name__: verb for verb in (hold, extend, prolong, confirm, release, take_back, block, sweep)
}


async def answer(shop: Shop, ask: Ask, line: asyncio.StreamWriter) -> None:
    """One ask from beginning to end. What is no refusal and no operational fault is a bug, and told as one."""
    try:
        said = await VERBS[ask["verb"]](shop, PersonKey(UUID(int=ask["person"])), ask)
    except Problem as problem:
        said = {"code": problem.code, "status": problem.status}
    except Exception:  # noqa: BLE001 - the driver fails for whatever it was
        said = {"code": "bug", "status": 500, "trace": traceback.format_exc()}
    say(line, said | {"id": ask["id"]})


def say(line: asyncio.StreamWriter, what: Ask) -> None:
    line.write(json.dumps(what).encode() + b"\n")


def compose(database: db.Database, database_url: str, redis_url: str, event_id: int) -> Shop:
    """The parts of this process, the map of seats among them."""
    shop = in_one_process(database, database_url, event_id)
    inventory = Inventory(database, shop.catalog, shop.facts, MapCache(redis.connect(redis_url)))
    return replace(shop, inventory=inventory)


async def heal(shop: Shop) -> None:
    """What the worker does for the map; here each process does it, which harms nobody."""
    while True:
        with suppress(Unavailable):
            await shop.inventory.heal()
        await clock.sleep(limits.HEAL_EVERY_S)


async def run(orders: Ask) -> None:
    """Answer until the driver hangs up."""
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)  # That PostgreSQL restarts is the point.
    if orders["careless"]:
        VERBS["hold"] = careless_hold
    database = Mortal(orders["database_url"])
    await database.open()
    shop = compose(database, orders["database_url"], orders["redis_url"], orders["event"])
    behind = [tasks.spawn(shop.inventory.seat_map.run(), name="seat map"), tasks.spawn(heal(shop), name="healer")]
    asks, line = await asyncio.open_unix_connection(orders["socket"])
    say(line, {"number": orders["number"], "pid": os.getpid()})
    while text := await asks.readline():
        ask = json.loads(text)
        if "fate" in ask:
            database.fate = ask["fate"]
        else:
            tasks.spawn(answer(shop, ask, line), name=ask["verb"])
    line.close()
    await tasks.cancel(*behind)
    await database.close()


def nursery() -> None:
    """Fork a process for each line of orders: it has imported everything already, so that one who dies is replaced in
    no time."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # Nobody asks how they ended.
    for orders in iter(sys.stdin.readline, ""):
        if os.fork() == 0:
            asyncio.run(run(json.loads(orders)))
            return


if __name__ == "__main__":
    nursery()

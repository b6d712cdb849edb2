"""One process of a race, with pools of its own: a line of JSON tells what to play, and a second line to start.

It says "ready" in between, answers with one line of JSON, and waits for the next race.
What is unprotected exists only here: `rush_unprotected`, and the product's own verbs with `FOR UPDATE` struck out of
their queries, where the task says {"locks": false}.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

from tests.integration.inventory.shop import Shop, in_one_process

from onsale.inventory import SeatState, settle, store
from onsale.inventory.service import Best
from onsale.kit import clock, db
from onsale.kit.ids import PersonKey, new_id
from onsale.kit.problems import Problem

Task = dict[str, Any]
AT_ONCE_MAX = 40
_LOOK = "SELECT count(*) FROM seat WHERE shard_id = %(shard_id)s AND seat_no = ANY (%(seats)s) AND state <> 0"
_TAKE = """
UPDATE seat SET state = 1, hold_id = %(hold_id)s, held_until = now() + interval '5 minutes'
WHERE shard_id = %(shard_id)s AND seat_no = ANY (%(seats)s)
"""


async def answered(work: Awaitable[Any]) -> Any:
    """What came of it: its value, or the code of the refusal with what it names. A bug ends the process."""
    try:
        return await work
    except Problem as problem:
        return {"code": problem.code, **problem.extra}


async def together(works: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """All of them, at most `AT_ONCE_MAX` under way, in their order."""
    room = asyncio.Semaphore(AT_ONCE_MAX)

    async def one(work: Callable[[], Awaitable[Any]]) -> Any:
        async with room:
            return await answered(work())

    return await asyncio.gather(*(one(work) for work in works))


async def rush(shop: Shop, task: Task) -> list[Any]:
    """Each wish is of one person: [person, seats]. Answers seats held, or the refusal."""

    async def ask(person: str, seats: list[int]) -> list[int]:
        return list((await shop.hold(PersonKey(UUID(person)), *seats)).hold.seats)

    return await together([partial(ask, person, seats) for person, seats in task["wishes"]])


async def rush_unprotected(shop: Shop, task: Task) -> list[Any]:
    """The same by looking first and writing then, as everybody writes it once: two may look before either writes."""

    async def ask(seats: list[int]) -> Any:
        named = {"shard_id": shop.shard_id, "seats": seats, "hold_id": new_id()}
        async with shop.database.transaction() as tx:
            row = await (await tx.execute(_LOOK, named)).fetchone()
            if row is None or row[0]:
                return {"code": "seats_taken", "taken": seats}
            await tx.execute(_TAKE, named)
        return seats

    return await together([partial(ask, seats) for _, seats in task["wishes"]])


async def best(shop: Shop, task: Task) -> list[Any]:
    async def ask(person: str) -> list[int]:
        wish = Best(task["quantity"])
        return list((await shop.inventory.hold_best(shop.event_id, PersonKey(UUID(person)), wish)).hold.seats)

    return await together([partial(ask, person) for person in task["persons"]])


async def block(shop: Shop, task: Task) -> list[Any]:
    """Block seats one by one. Answers the seats that are blocked then."""

    async def ask(seat_no: int) -> int | None:
        stand = await shop.inventory.block(shop.event_id, True, [seat_no])
        return seat_no if stand[seat_no] is SeatState.NOT_FOR_SALE else None

    return await together([partial(ask, seat_no) for seat_no in task["seats"]])


async def confirm(shop: Shop, task: Task) -> list[Any]:
    """Sell holds, each to an order of its own. Answers those that were sold."""

    async def ask(hold_id: int) -> int | None:
        return hold_id if (await shop.pay(hold_id, order_id=new_id()))[hold_id] else None

    return await together([partial(ask, hold_id) for hold_id in task["holds"]])


async def sweep(shop: Shop, task: Task) -> int:
    return await shop.inventory.sweep()


async def mixed(shop: Shop, task: Task) -> dict[str, int]:
    """Every verb at random over few seats and few persons, so that each waits for the other all the time."""
    dice = random.Random(task["seed"])
    persons = [PersonKey(UUID(person)) for person in task["persons"]]
    made: list[tuple[int, PersonKey]] = []
    orders: list[tuple[int, PersonKey, tuple[int, ...]]] = []
    counted: Counter[str] = Counter()

    async def hold() -> None:
        person = dice.choice(persons)
        view = await shop.hold(person, *dice.sample(range(task["seats"]), dice.randint(1, 4)))
        made.append((view.hold.hold_id, person))

    async def extend() -> None:
        some = dice.sample(made, min(3, len(made)))
        async with shop.database.transaction(shop.shard_id) as tx:
            await shop.inventory.extend(tx, shop.shard_id, [hold_id for hold_id, _ in some], 60)

    async def prolong() -> None:
        if made:
            await shop.inventory.prolong(shop.shard_id, *dice.choice(made))

    async def confirm() -> None:
        some, order_id = dict(dice.sample(made, min(2, len(made)))), new_id()
        answers = await shop.pay(*some, order_id=order_id)
        sold = [(order_id, hold.person, hold.seats) for hold in answers.values() if hold]
        orders.extend(sold)

    async def release() -> None:
        if made:
            await shop.inventory.let_go(shop.shard_id, *dice.choice(made))

    async def take_back() -> None:
        if orders:
            order_id, person, seats = orders.pop(dice.randrange(len(orders)))
            async with shop.database.transaction(shop.shard_id) as tx:
                await shop.inventory.take_back(tx, shop.shard_id, person, order_id, seats)

    async def sweep() -> None:
        later = clock.utcnow() + timedelta(hours=1)
        await settle.sweep(shop.database, shop.inventory.changes, later)

    async def block() -> None:
        some = dice.sample(range(task["seats"]), 3)
        stand = await shop.inventory.block(shop.event_id, True, some)
        assert set(stand) == set(some) and SeatState.FREE not in stand.values()

    async def unblock() -> None:
        stand = await shop.inventory.block(shop.event_id, False, range(task["seats"]))
        assert SeatState.NOT_FOR_SALE not in stand.values()

    async def forget() -> None:
        await shop.inventory.forget_ended()

    verbs = [hold] * 8 + [extend] * 4 + [confirm] * 4 + [release] * 2 + [take_back] * 4 + [sweep] * 2 + [forget]
    verbs += [block] * 2 + [unblock] * 2 + [prolong] * 2

    async def fan() -> None:
        for _ in range(task["rounds"]):
            verb = dice.choice(verbs)
            answer = await answered(verb())
            counted[f"{verb.__name__} {answer['code'] if answer else 'done'}"] += 1

    await asyncio.gather(*(fan() for _ in range(task["fans"])))
    return dict(counted)


PLAYS: dict[str, Callable[[Shop, Task], Awaitable[Any]]] = {
    "rush": rush,
    "rush_unprotected": rush_unprotected,
    "best": best,
    "block": block,
    "confirm": confirm,
    "sweep": sweep,
    "mixed": mixed,
}


@contextmanager
def without_locks() -> Iterator[None]:
    """Everything as it is, but that no row is locked before it is decided on."""
    queries = dict(store.SQL.texts)
    store.SQL.texts.update({name: text.replace("FOR UPDATE", "") for name, text in queries.items()})
    try:
        yield
    finally:
        store.SQL.texts.update(queries)


async def run(task: Task) -> None:
    database = db.Database(task["url"])
    await database.open()
    shop = in_one_process(database, task["url"], task["event"])
    await shop.catalog.layout(await shop.catalog.event(shop.event_id))
    await shop.inventory.seat_map.picture(shop.shard_id)
    print("ready", flush=True)
    sys.stdin.readline()
    with nullcontext() if task.get("locks", True) else without_locks():
        print(json.dumps(await PLAYS[task["play"]](shop, task)), flush=True)
    await database.close()


if __name__ == "__main__":
    while line := sys.stdin.readline():
        asyncio.run(run(json.loads(line)))

"""A sale of few seats in which everything fails that can: processes die between statement and answer or stand still,
PostgreSQL restarts, Redis forgets. Every answer goes into the log, and the witness judges the log with the tables.
"""

import asyncio
import os
import shutil
import signal
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from tests.integration.inventory.opening import open_shop
from tests.integration.inventory.shop import Shop
from tests.simulation import plan
from tests.simulation.crew import Crew, Member
from tests.simulation.plan import Fault, Kind

from onsale.drop import AnswerLog, Heard, Judgement, Verb, referee, slow_changes, witness
from onsale.kit import clock, db, ids, redis
from onsale.kit.embedded import Addresses, Embedded
from onsale.kit.ids import PersonKey
from onsale.kit.migrate import migrate

PROCESSES = 3
FANS = 24
HOLD_S = 2
THINKS_S = 0.06
# What the referee can say of a sale without orders, payments and tickets.
CHECKS = {
    *(
        "seat_in_two_holds",
        "held_seat_without_its_hold",
        "free_seat_of_an_ended_hold",
        "hold_not_whole",
        "hold_over_the_limit",
    ),
    *("buyer_over_the_limit", "buyer_with_two_holds", "hold_unknown_to_its_buyer"),
    *("sale_seats_not_laid_down", "change_not_told"),
}
VERBS = {"hold": Verb.HOLD, "extend": Verb.EXTEND, "prolong": Verb.EXTEND, "confirm": Verb.CONFIRM}
VERBS |= {"release": Verb.RELEASE, "take_back": Verb.RETURN, "block": Verb.TEND, "sweep": Verb.TEND}


class Servers:
    """A PostgreSQL of its own, with fsync, that notes when each transaction committed, and a Valkey."""

    def __init__(self, embedded: Embedded, folder: Path) -> None:
        self.embedded = embedded
        self.folder = folder
        self._databases = count(1)

    @classmethod
    @contextmanager
    def started(cls) -> "Iterator[Servers]":
        folder = Path(tempfile.mkdtemp(prefix="onsale-simulation-"))
        # A restart syncs every file of the cluster; one call for all of them is as safe and many times as fast.
        settings = {"track_commit_timestamp": "on", "max_connections": "200", "shared_buffers": "32MB"}
        settings["recovery_init_sync_method"] = "syncfs"
        try:
            with Embedded.start(folder, settings=settings) as embedded:
                yield cls(embedded, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def addresses(self) -> Addresses:
        return self.embedded.addresses

    def fresh_database(self) -> str:
        """The address of an empty, migrated database."""
        name = f"simulation_{next(self._databases)}"
        with psycopg.connect(self.addresses.database_url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = make_conninfo(self.addresses.database_url, dbname=name)
        migrate(url)
        return url

    async def restart_postgres(self) -> None:
        """As after a crash: nothing is written that was not already, and the log is replayed."""
        os.kill(self.embedded.pids["postgres"], signal.SIGQUIT)
        while self.embedded.alive():
            await clock.sleep(0.01)
        while not self.embedded.alive() or not await asyncio.to_thread(self._answers):
            if not self.embedded.alive():
                await asyncio.to_thread(self.embedded.revive)
            await clock.sleep(0.05)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.addresses.database_url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    async def flush_redis(self) -> None:
        client = redis.connect(self.addresses.redis_url)
        await client.flushall()
        await client.aclose()


@dataclass
class Run:
    """What is known of one simulation from outside: the log, the faults, and what was asked of whom."""

    crew: Crew
    ends_s: float
    log: AnswerLog = field(default_factory=AnswerLog)
    windows: list[tuple[int, int]] = field(default_factory=list)
    counted: Counter[str] = field(default_factory=Counter)
    bugs: list[str] = field(default_factory=list)
    turns: dict[int | str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    """What befalls the same server or process waits for its turn."""

    @property
    def goes_on(self) -> bool:
        return clock.monotonic() < self.ends_s

    async def ask(self, member: Member, person: PersonKey, verb: str, **what: Any) -> dict[str, Any] | None:
        """Ask and write down what was heard. None when nobody knows whether it was done."""
        sent_us = now_us()
        answer = await member.ask(verb=verb, person=person.int, **what)
        answered_us = now_us()
        heard = heard_of(answer)
        if answer and answer.get("code") == "bug":
            self.bugs.append(answer["trace"])
        told = answer if answer and heard is Heard.DONE else {}
        self.log.add(
            sent_us,
            answered_us,
            person,
            VERBS[verb],
            heard,
            seats=told.get("seats") or what.get("seats", ()),
            hold_id=told.get("hold") or what.get("hold", 0),
            until_us=told.get("until_us", 0),
        )
        self.counted[f"{verb} {heard.name.lower()}"] += 1
        return None if heard is Heard.UNKNOWN else answer


def now_us() -> int:
    return time.time_ns() // 1000


def heard_of(answer: dict[str, Any] | None) -> Heard:
    if answer is None or answer.get("status", 200) >= 500:
        return Heard.UNKNOWN  # A 503 may have been done all the same: a commit whose answer was lost.
    if "code" not in answer:
        return Heard.DONE
    return Heard.TAKEN if answer["code"] == "seats_taken" else Heard.REFUSED


class Fan:
    """One person who takes seats and does with them whatever people do."""

    def __init__(self, run: Run, dice: Random) -> None:
        self._run = run
        self._dice = dice
        self._person = ids.new_person()
        self._hold: dict[str, Any] | None = None
        self._orders: list[dict[str, Any]] = []

    async def go_on(self) -> None:
        while self._run.goes_on:
            await clock.sleep(self._dice.uniform(0, THINKS_S))
            if self._hold is None or self._dice.random() < 0.2:
                await self._take()
            else:
                await self._settle(self._hold)
            if self._orders and self._dice.random() < 0.6:
                order = self._orders.pop()
                await self._ask("take_back", **order)

    async def _ask(self, verb: str, **what: Any) -> dict[str, Any] | None:
        present = [member for member in self._run.crew.members if member.ready.is_set()]
        while not present:
            if not self._run.goes_on:
                return None
            await clock.sleep(0.05)
            present = [member for member in self._run.crew.members if member.ready.is_set()]
        return await self._run.ask(self._dice.choice(present), self._person, verb, **what)

    async def _take(self) -> None:
        """Who hears nothing asks again under the same key, of whichever process is there."""
        wish = plan.wish(self._dice) | {"key": self._dice.getrandbits(256)}
        answer = await self._ask("hold", **wish)
        if answer is None:
            answer = await self._ask("hold", **wish)
        if answer and "hold" in answer:
            self._hold = answer

    async def _settle(self, hold: dict[str, Any]) -> None:
        chance = self._dice.random()
        named = {"hold": hold["hold"]}
        if chance < 0.3:
            order = {"order": ids.new_id()}
            answer = await self._ask("confirm", **named, **order)
            if answer is None or "code" not in answer:
                self._orders.append(order | named | {"seats": hold["seats"]})
            self._hold = None
        elif chance < 0.55:
            await self._ask("release", **named)
            self._hold = None
        elif chance < 0.75:
            await self._ask("extend", **named, at_least_s=HOLD_S * 0.75)
        elif chance < 0.78:
            await self._ask("prolong", **named)
        elif chance < 0.9:
            self._hold = None  # Forgotten: it runs out.


async def _tend(run: Run, dice: Random) -> None:
    """The organiser's blocks and the sweeper, twice a second."""
    nobody = ids.new_person()
    while run.goes_on:
        await clock.sleep(0.25)
        present = [member for member in run.crew.members if member.ready.is_set()]
        if not present:
            continue
        member = dice.choice(present)
        if dice.random() < 0.5:
            await run.ask(member, nobody, "sweep")
        else:
            seats = dice.sample(range(plan.SEATS), 3)
            await run.ask(member, nobody, "block", blocked=dice.random() < 0.4, seats=seats)


async def _fail(fault: Fault, run: Run, servers: Servers, began_s: float) -> None:
    """A fault at its time. It is a window in which news of seats may come late."""
    await clock.sleep(max(0.0, began_s + fault.at_s - clock.monotonic()))
    member = run.crew.members[fault.who]
    async with run.turns["postgres" if fault.kind is Kind.POSTGRES_RESTARTS else fault.who]:
        await member.await_ready()
        if not run.goes_on:
            return
        begin_us = now_us()
        await _happens(fault, member, run, servers)
        run.windows.append((begin_us, now_us()))
    run.counted[f"fault {fault.kind}"] += 1
    print(f"{fault.at_s:6.2f} s {fault.kind}, {(now_us() - begin_us) / 1e6:.2f} s")


async def _happens(fault: Fault, member: Member, run: Run, servers: Servers) -> None:
    match fault.kind:
        case Kind.POSTGRES_RESTARTS:
            await servers.restart_postgres()
        case Kind.REDIS_FORGETS:
            await servers.flush_redis()
        case Kind.STANDS_STILL:
            member.signal(signal.SIGSTOP)
            await clock.sleep(fault.lasts_s)
            member.signal(signal.SIGCONT)
        case Kind.KILLED:
            await member.die()
        case _:
            deaths = member.deaths
            member.doom(fault.kind.value)
            while member.deaths == deaths and run.goes_on:
                await clock.sleep(0.01)
            if member.deaths == deaths:  # In the end nobody asked it for anything that it would have written.
                await member.die()
            await member.await_ready()


@dataclass
class Ended:
    """A simulation and what was found."""

    judgement: Judgement
    broken: list[str]
    counted: Counter[str]
    bugs: list[str]

    @property
    def good(self) -> bool:
        return self.judgement.good and not self.broken and not self.bugs


async def _open(url: str, several_holds: bool) -> Shop:
    """A hall on sale whose holds last for moments: shorter than any organiser may choose."""
    database = db.Database(url)
    await database.open()
    shop = await open_shop(database, url, several_holds=several_holds)
    await shop.rows(f"UPDATE sale SET hold_s = {HOLD_S} WHERE shard_id = %(shard_id)s RETURNING true")
    await database.close()
    return shop


async def simulate(servers: Servers, seed: int, seconds: float, *, careless: bool = False) -> Ended:
    """Play one seed and judge it. `careless` processes are for showing that what goes wrong is seen."""
    print("seed", seed)
    dice = Random(seed)
    url = servers.fresh_database()
    await servers.flush_redis()  # The maps there are of another database, whose event has the same number.
    shop = await _open(url, several_holds=dice.random() < 0.3)
    run = await _play(servers, url, shop.event_id, dice, seconds, careless)
    windows = run.windows + slow_changes(run.log)
    judgement = await witness(url, shop.shard_id, run.log, windows)
    verdict = await referee(url)
    broken = [f"{check.name}: {check.examples}" for check in verdict.broken if check.name in CHECKS]
    return Ended(judgement, broken, run.counted, run.bugs + run.crew.bugs)


async def _play(servers: Servers, url: str, event_id: int, dice: Random, seconds: float, careless: bool) -> Run:
    orders = {"database_url": url, "redis_url": servers.addresses.redis_url, "event": event_id, "careless": careless}
    async with Crew(PROCESSES, servers.folder, **orders) as crew, asyncio.TaskGroup() as together:
        began_s = clock.monotonic()
        run = Run(crew, began_s + seconds)
        for _ in range(FANS):
            together.create_task(Fan(run, Random(dice.getrandbits(64))).go_on())
        together.create_task(_tend(run, Random(dice.getrandbits(64))))
        for fault in plan.faults(dice, seconds, PROCESSES):
            together.create_task(_fail(fault, run, servers, began_s))
    return run

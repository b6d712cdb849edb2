"""What the worker does again and again: sweep, reconcile, count, forget. Each is safe in many workers at once."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from onsale import limits
from onsale.accounts import Accounts
from onsale.checkout import Payments
from onsale.inventory import SEATS_CHANGED, Inventory, SaleLaidDown
from onsale.kit import clock, db, facts, idempotency, ids, tasks, telemetry
from onsale.kit.ids import ShardId
from onsale.kit.problems import Unavailable
from onsale.ops.sale import SaleControl

housekeeping_failures = telemetry.counter(
    "onsale_housekeeping_failures_total",
    "Failed rounds of the worker's regular work; the next tries again.",
    ["work"],
)


class Housekeeping:
    def __init__(
        self, database: db.Database, accounts: Accounts, inventory: Inventory, payments: Payments, sales: SaleControl
    ) -> None:
        self._database = database
        self._accounts = accounts
        self._inventory = inventory
        self._payments = payments
        self._sales = sales

    async def run(self) -> None:
        """All of it, until cancelled."""
        rounds = [
            tasks.spawn(_every(limits.EXPIRY_EVERY_S, "sweep", self.sweep), name="sweep"),
            tasks.spawn(_every(limits.HEAL_EVERY_S, "heal maps", self._inventory.heal), name="heal maps"),
            tasks.spawn(_every(limits.RECONCILE_EVERY_S, "reconcile", self._payments.reconcile), name="reconcile"),
            tasks.spawn(_every(limits.FORGET_EVERY_S, "forget holds", self._forget_holds), name="forget holds"),
            tasks.spawn(_every(limits.FORGET_EVERY_S, "forget facts", self._forget_facts), name="forget facts"),
            tasks.spawn(_every(limits.FORGET_EVERY_S, "forget answers", self._forget_answers), name="forget answers"),
            tasks.spawn(
                _every(limits.FORGET_EVERY_S, "forget sessions", self._accounts.forget_revocations),
                name="forget sessions",
            ),
            tasks.spawn(_every(limits.COUNT_SEATS_EVERY_S, "count seats", self._count_seats), name="count seats"),
        ]
        try:
            # None of them ends by itself; should one, all end and its error is raised, instead of a silent standstill.
            await asyncio.gather(*rounds)
        finally:
            await tasks.cancel(*rounds)

    async def sweep(self) -> None:
        """Sweep until no full batch is left: after a burst, many holds run out in the same second."""
        while await self._inventory.sweep() >= limits.EXPIRY_BATCH_MAX:
            pass

    async def _forget_holds(self) -> None:
        while await self._inventory.forget_ended() >= limits.FORGET_BATCH_MAX:
            pass

    async def _forget_sessions(self) -> None:
        await self._accounts.forget_revocations()

    async def _forget_facts(self) -> None:
        await self._forget(facts.forget)

    async def _forget_answers(self) -> None:
        await self._forget(idempotency.forget)

    async def _forget(self, some: Callable[[db.Tx, int], Awaitable[int]]) -> None:
        """Delete what is past its time in limits.py, a batch a transaction, until a batch is not full."""
        deleted = limits.FORGET_BATCH_MAX
        while deleted >= limits.FORGET_BATCH_MAX:
            async with self._database.transaction() as tx:
                deleted = await some(tx, limits.FORGET_BATCH_MAX)

    async def _count_seats(self) -> None:
        """Tell the catalogue the seats left of events whose seats change, about once a second each."""
        kinds = (SaleLaidDown, *SEATS_CHANGED)
        every_s = limits.COUNT_SEATS_EVERY_S
        async for batch in facts.follow(self._database, kinds, every_s, again_s=limits.COUNT_SEATS_AGAIN_S):
            changed = {ids.event_of(ShardId(fact.shard_id)) for fact in batch}
            while not await _tried("count seats", partial(self._sales.tell_left, sorted(changed))):
                await clock.sleep(every_s)


async def _every(seconds: float, name: str, work: Callable[[], Awaitable[object]]) -> None:
    while True:
        await _tried(name, work)
        await clock.sleep(seconds)


async def _tried(name: str, work: Callable[[], Awaitable[object]]) -> bool:
    """Do it once. False when it is worth another try; a failure is counted, and must not end what comes after."""
    try:
        await work()
    except Unavailable:
        housekeeping_failures.labels(name).inc()
        return False
    except Exception:  # noqa: BLE001 - a bug in one round must not end the others
        housekeeping_failures.labels(name).inc()
        telemetry.log.exception("housekeeping_failed", work=name)
    return True

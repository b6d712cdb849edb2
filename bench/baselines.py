"""Three usual ways to take seats, a request a transaction. Each stands in for `Inventory` behind its endpoint."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from onsale.app import House
from onsale.inventory.errors import SeatsTaken
from onsale.inventory.model import Hold, HoldState, HoldView
from onsale.kit import db, ids
from onsale.kit.ids import PersonKey

SQL = db.load(__package__)
HOLD_S = 600
SWAPS_MAX = 3
LOCK_MS = 5_000


class _Baseline:
    """All of `Inventory` but `hold`."""

    def __init__(self, house: House) -> None:
        self._house = house

    def __getattr__(self, name: str) -> Any:
        return getattr(self._house.inventory, name)

    async def hold(
        self, event_id: int, person: PersonKey, seats: Sequence[int], key_hash: bytes | None = None
    ) -> HoldView:
        await self._house.catalog.event(event_id)
        named = {
            "shard_id": ids.shard_of(event_id),
            "person": person,
            "seats": sorted(seats),
            "hold_id": ids.new_id(),
        }
        return await self._take(named)

    async def _take(self, named: dict[str, Any]) -> HoldView:
        raise NotImplementedError

    async def _write(self, tx: db.Tx, named: dict[str, Any], rows: list[Any]) -> HoldView:
        now = rows[0][3]
        named |= {"until": now + timedelta(seconds=HOLD_S), "tiers": [row[1] for row in rows]}
        await tx.execute(SQL.add_hold, named)
        hold = Hold(
            named["hold_id"], named["person"], HoldState.ACTIVE, tuple(named["seats"]), tuple(named["tiers"]),
            named["until"], named["until"],
        )  # fmt: skip
        return HoldView(named["shard_id"], hold, True, now)


class ForUpdate(_Baseline):
    """Baseline 1: SELECT ... FOR UPDATE."""

    async def _take(self, named: dict[str, Any]) -> HoldView:
        async with self._house.database.transaction() as tx:
            rows = await (await tx.execute(SQL.lock_seats, named)).fetchall()
            if taken := [row[0] for row in rows if not row[2]]:
                raise SeatsTaken(taken=taken)
            view = await self._write(tx, named, rows)
            await tx.execute(SQL.take_seats, named)
            return view


class CompareAndSwap(_Baseline):
    """Baseline 2: an optimistic write, on the version that was read."""

    async def _take(self, named: dict[str, Any]) -> HoldView:
        for _ in range(SWAPS_MAX):
            async with self._house.database.transaction() as tx:
                rows = await (await tx.execute(SQL.read_seats, named)).fetchall()
                if taken := [row[0] for row in rows if not row[2]]:
                    raise SeatsTaken(taken=taken)
                named |= {"versions": [row[4] for row in rows], "until": rows[0][3] + timedelta(seconds=HOLD_S)}
                if (await tx.execute(SQL.swap_seats, named)).rowcount == len(rows):
                    return await self._write(tx, named, rows)
                await tx.execute("ROLLBACK AND CHAIN")
        raise SeatsTaken(taken=named["seats"])


class RedisLock(ForUpdate):
    """Baseline 3: a lock a seat in Redis, then the row lock."""

    async def _take(self, named: dict[str, Any]) -> HoldView:
        keys = [f"lock:{named['shard_id']}:{seat}" for seat in named["seats"]]
        got = await self._set(keys, str(named["hold_id"]))
        try:
            if lost := [seat for seat, mine in zip(named["seats"], got, strict=True) if not mine]:
                raise SeatsTaken(taken=lost)
            return await super()._take(named)
        finally:
            await self._house.redis.delete(*[key for key, mine in zip(keys, got, strict=True) if mine] or ["none"])

    async def _set(self, keys: list[str], value: str) -> list[Any]:
        async with self._house.redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.set(key, value, nx=True, px=LOCK_MS)
            return list(await pipe.execute())


KINDS = {"for_update": ForUpdate, "compare_and_swap": CompareAndSwap, "redis_lock": RedisLock}

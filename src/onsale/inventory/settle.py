"""What becomes of a hold: more time, a sale, a release, the end of its time. Each acts on all its seats or on none.
Beside it, what the organiser does with seats nobody has.

The functions that take a transaction are called by rooms above, which commit them together with their own rows.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from onsale import limits
from onsale.inventory import store
from onsale.inventory.errors import HoldExpired, HoldNotFound, NotOnSale, problem_of
from onsale.inventory.model import (
    Hold,
    HoldView,
    Own,
    Refused,
    SeatState,
    decide_blocks,
    decide_confirmations,
    decide_expiries,
    decide_extensions,
    decide_releases,
    decide_returns,
    decide_unblocks,
    is_owner,
    owned,
)
from onsale.inventory.told import Changes
from onsale.kit import db
from onsale.kit.ids import PersonKey, ShardId


async def extend(
    changes: Changes,
    tx: db.Tx,
    shard_id: ShardId,
    hold_ids: Sequence[int],
    at_least_s: float,
    now: datetime | None = None,
) -> list[Hold | None]:
    """Keep each hold's seats for at least that long from now; None for a hold that is lost or at its bound.

    Each seat is said to be held again: its deadline has moved, and with it the version of the map.
    """
    locked = await store.lock_holds(tx, shard_id, hold_ids, now)
    answers, writes = decide_extensions(hold_ids, at_least_s, locked)
    await store.write(tx, {shard_id: writes})
    await changes.record(tx, {shard_id: writes})
    return answers


async def prolong(
    changes: Changes, tx: db.Tx, shard_id: ShardId, asks: Sequence[Own], at_least_s: float, now: datetime | None = None
) -> list[HoldView | Exception]:
    """`extend` for the owners themselves: the hold as it is then, HoldExpired, or HoldNotFound for somebody else's."""
    locked = await store.lock_holds(tx, shard_id, [ask.hold_id for ask in asks], now)
    hold_ids = owned(asks, locked)
    answers, writes = decide_extensions(hold_ids, at_least_s, locked)
    await store.write(tx, {shard_id: writes})
    await changes.record(tx, {shard_id: writes})
    views = {
        hold_id: HoldExpired() if hold is None else HoldView(shard_id, hold, True, locked.now)
        for hold_id, hold in zip(hold_ids, answers, strict=True)
    }
    return [views[ask.hold_id] if is_owner(ask, locked) else HoldNotFound() for ask in asks]


async def confirm(
    changes: Changes, tx: db.Tx, shard_id: ShardId, orders: Mapping[int, int], now: datetime | None = None
) -> dict[int, Hold | None]:
    """Sell the seats of each hold to its order (hold -> order); None for a hold that lost a seat meanwhile."""
    locked = await store.lock_holds(tx, shard_id, list(orders), now)
    answers, writes = decide_confirmations(orders, locked)
    await store.write(tx, {shard_id: writes})
    await changes.record(tx, {shard_id: writes})
    return answers


async def release(
    changes: Changes, tx: db.Tx, shard_id: ShardId, asks: Sequence[Own], now: datetime | None = None
) -> list[Exception | None]:
    """Let go of each hold, in whatever state it is by now; HoldNotFound for somebody else's, which stays."""
    locked = await store.lock_holds(tx, shard_id, [ask.hold_id for ask in asks], now)
    _, writes = decide_releases(owned(asks, locked), locked)
    await store.write(tx, {shard_id: writes})
    await changes.record(tx, {shard_id: writes})
    return [None if is_owner(ask, locked) else HoldNotFound() for ask in asks]


async def take_back(
    changes: Changes, tx: db.Tx, shard_id: ShardId, person: PersonKey, order_id: int, seat_nos: Sequence[int]
) -> int:
    """Put the seats an order bought back on sale; how many still were the order's."""
    locked = await store.lock_sold(tx, shard_id, person, order_id, seat_nos)
    count, writes = decide_returns(locked)
    await store.write(tx, {shard_id: writes})
    await changes.record(tx, {shard_id: writes})
    return count


async def block(
    changes: Changes, tx: db.Tx, shard_id: ShardId, seat_nos: Sequence[int], blocked: bool, now: datetime | None = None
) -> dict[int, SeatState]:
    """Take seats off sale, or put them back, as many as possible; how each stands then.

    Raises NotOnSale, and UnknownSeat with nothing changed.
    """
    locked = await store.lock_seats(tx, shard_id, seat_nos, now)
    if locked is None:
        raise NotOnSale
    answers, writes = (decide_blocks if blocked else decide_unblocks)(seat_nos, locked)
    if isinstance(answers, Refused):
        raise problem_of(answers)
    await store.write(tx, {shard_id: writes})
    await changes.record(tx, {shard_id: writes})
    return answers


async def sweep(database: db.Database, changes: Changes, now: datetime | None = None) -> int:
    """Show the seats of holds past their deadline as free, one transaction a shard; how many holds that were.

    Only for the eyes: taking such a seat never waits for this.
    """
    async with database.reading() as tx:
        candidates = await store.holds_past_deadline(tx, limits.EXPIRY_BATCH_MAX, now)
    by_shard: dict[ShardId, list[int]] = {}
    for shard_id, hold_id in candidates:
        by_shard.setdefault(shard_id, []).append(hold_id)
    swept = 0
    for shard_id, hold_ids in sorted(by_shard.items()):
        async with database.batch(shard_id) as tx:
            locked = await store.lock_holds(tx, shard_id, hold_ids, now)
            count, writes = decide_expiries(hold_ids, locked)
            await store.write(tx, {shard_id: writes})
            await changes.record(tx, {shard_id: writes})
            swept += count
    return swept

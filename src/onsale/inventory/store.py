"""The rows of seats, holds, buyers and sales: locked, read and written in whole batches."""

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any

from onsale.inventory.model import Buyer, Hold, HoldState, Locked, Sale, Seat, SeatState, Writes, in_hand
from onsale.kit import db
from onsale.kit.ids import PersonKey, ShardId

SQL = db.load(__package__)

# Where no deadline is looked at, or no row was found, no time is needed.
_NEVER = datetime.min.replace(tzinfo=UTC)


async def lock_for_asks(
    tx: db.Tx, shard_id: ShardId, persons: Sequence[PersonKey], wanted: Sequence[int], now: datetime | None
) -> tuple[Sale, Locked] | None:
    """Lock what a batch of asks depends on, in one round trip on a pipelined `tx`. None: nothing is on sale here."""
    named = {"shard_id": shard_id, "persons": sorted(persons), "wanted": sorted(wanted), "now": now}
    sale = await tx.execute(SQL.read_sale, named)
    await tx.execute(SQL.add_buyers, named)
    buyers = await tx.execute(SQL.lock_buyers, named)
    seats = await tx.execute(SQL.lock_seats_to_take, named)
    holds = await tx.execute(SQL.lock_holds_of_buyers, named)
    row = await sale.fetchone()
    if row is None:
        return None
    return Sale(*row[1:]), _locked(row[0], await buyers.fetchall(), await seats.fetchall(), await holds.fetchall())


async def lock_holds(tx: db.Tx, shard_id: ShardId, hold_ids: Sequence[int], now: datetime | None) -> Locked:
    """Lock holds with their buyers and the seats that still carry them."""
    named = {"shard_id": shard_id, "hold_ids": sorted(hold_ids), "now": now}
    buyers = await tx.execute(SQL.lock_buyers_of_holds, named)
    seats = await tx.execute(SQL.lock_seats_of_holds, named)
    holds = await tx.execute(SQL.lock_holds, named)
    rows = await holds.fetchall()
    at = rows[0][8] if rows else _NEVER
    return _locked(at, await buyers.fetchall(), await seats.fetchall(), [row[:8] for row in rows])


async def lock_sold(tx: db.Tx, shard_id: ShardId, person: PersonKey, order_id: int, seat_nos: Sequence[int]) -> Locked:
    """Lock the buyer of an order and those of the seats that are still the order's."""
    named = {"shard_id": shard_id, "persons": [person], "order_id": order_id, "seat_nos": sorted(seat_nos)}
    buyers = await tx.execute(SQL.lock_buyers, named)
    seats = await tx.execute(SQL.lock_sold_seats, named)
    return _locked(_NEVER, await buyers.fetchall(), await seats.fetchall(), [])


def _locked(now: datetime, buyers: list[Any], seats: list[Any], holds: list[Any]) -> Locked:
    return Locked(
        now,
        {person: Buyer(person, bought, tuple(ids)) for person, bought, ids in buyers},
        {row[0]: Seat(row[0], row[1], row[2], SeatState(row[3]), row[4], row[5]) for row in seats},
        {row[0]: _hold(row) for row in holds},
    )


def _hold(row: Sequence[Any]) -> Hold:
    hold_id, person, state, seats, tiers, expires_at, max_until, key_hash = row[:8]
    return Hold(hold_id, person, HoldState(state), tuple(seats), tuple(tiers), expires_at, max_until, key_hash)


async def write(tx: db.Tx, shard_id: ShardId, writes: Writes) -> None:
    """Write what was decided, tables in the order they were locked.

    On a pipelined `tx` all of it is one round trip. Each statement returns a row per row it wrote, and as many must
    come back as were meant: a write that misses a locked row is a bug, and must not commit.
    """
    statements = [
        (SQL.write_buyers, len(writes.buyers), _buyer_arrays(list(writes.buyers.values()))),
        (SQL.write_seats, len(writes.seats), _seat_arrays(writes)),
        (SQL.write_new_holds, len(writes.new_holds), _new_hold_arrays(writes.new_holds)),
        (SQL.write_holds, len(writes.holds), _hold_arrays(list(writes.holds.values()))),
    ]
    sent = [
        (await tx.execute(query, {"shard_id": shard_id, **arrays}), expected)
        for query, expected, arrays in statements
        if expected
    ]
    for cursor, expected in sent:
        written = len(await cursor.fetchall())
        assert written == expected, f"wrote {written} rows instead of {expected}"


def _buyer_arrays(buyers: list[Buyer]) -> dict[str, list[Any]]:
    return {
        "persons": [buyer.person for buyer in buyers],
        "bought": [buyer.bought for buyer in buyers],
        "holds": ["{" + ",".join(map(str, buyer.holds)) + "}" for buyer in buyers],
    }


def _seat_arrays(writes: Writes) -> dict[str, list[Any]]:
    rows = [(seat_no, *new) for seat_no, new in sorted(writes.seats.items())]
    return {
        "seat_nos": [row[0] for row in rows],
        "states": [int(row[1]) for row in rows],
        "hold_ids": [row[2] for row in rows],
        "untils": [row[3] for row in rows],
        "order_ids": [row[4] for row in rows],
    }


def _new_hold_arrays(holds: list[Hold]) -> dict[str, list[Any]]:
    """Seats and tiers of all holds as one flat array each, cut by the first and last index (from 1) of each hold."""
    lasts = list(accumulate(len(hold.seats) for hold in holds))
    return {
        "hold_ids": [hold.hold_id for hold in holds],
        "persons": [hold.person for hold in holds],
        "seats": [seat_no for hold in holds for seat_no in hold.seats],
        "tiers": [tier for hold in holds for tier in hold.tiers],
        "firsts": [last - len(hold.seats) + 1 for last, hold in zip(lasts, holds, strict=True)],
        "lasts": lasts,
        "expiries": [hold.expires_at for hold in holds],
        "bounds": [hold.max_until for hold in holds],
        "key_hashes": [hold.key_hash for hold in holds],
    }


def _hold_arrays(holds: list[Hold]) -> dict[str, list[Any]]:
    return {
        "hold_ids": [hold.hold_id for hold in holds],
        "states": [int(hold.state) for hold in holds],
        "expiries": [hold.expires_at for hold in holds],
    }


async def lay_down(tx: db.Tx, shard_id: ShardId, sale: Sale, tiers: Sequence[int]) -> bool:
    """Write the sale and a row for each seat, `tiers` in seat order. False: they were there already."""
    named = {
        "shard_id": shard_id,
        "seats": sale.seats,
        "opens_at": sale.opens_at,
        "closes_at": sale.closes_at,
        "hold_s": sale.hold_s,
        "seats_per_hold": sale.seats_per_hold,
        "seats_per_person": sale.seats_per_person,
        "several_holds": sale.several_holds,
        "called_off": sale.called_off,
    }
    assert len(tiers) == sale.seats
    if await (await tx.execute(SQL.lay_down_sale, named)).fetchone() is None:
        return False
    await tx.execute(SQL.lay_down_seats, {"shard_id": shard_id, "tiers": list(tiers)})
    return True


async def read_hold(
    tx: db.Tx, shard_id: ShardId, hold_id: int, now: datetime | None
) -> tuple[Hold, bool, datetime] | None:
    """A hold, whether all its seats still carry it, and the shard's time."""
    row = await (await tx.execute(SQL.read_hold, {"shard_id": shard_id, "hold_id": hold_id, "now": now})).fetchone()
    if row is None:
        return None
    hold = _hold(row)
    return hold, row[8] == len(hold.seats), row[9]


async def holds_of_person(
    tx: db.Tx, shard_id: ShardId, person: PersonKey, now: datetime | None
) -> list[tuple[Hold, datetime]]:
    """The person's holds that have not run out, each with the shard's time."""
    cursor = await tx.execute(SQL.holds_of_person, {"shard_id": shard_id, "person": person, "now": now})
    found = [(_hold(row), row[8]) for row in await cursor.fetchall()]
    return [(hold, at) for hold, at in found if in_hand(hold, at)]


async def holds_past_deadline(tx: db.Tx, rows_max: int, now: datetime | None) -> list[tuple[ShardId, int]]:
    cursor = await tx.execute(SQL.holds_past_deadline, {"rows_max": rows_max, "now": now})
    return [(ShardId(shard_id), hold_id) for shard_id, hold_id in await cursor.fetchall()]


async def forget_ended_holds(tx: db.Tx, kept_s: float, rows_max: int, now: datetime | None) -> int:
    return (await tx.execute(SQL.forget_ended_holds, {"kept_s": kept_s, "rows_max": rows_max, "now": now})).rowcount


async def picture(tx: db.Tx, shard_id: ShardId) -> tuple[int, bytes]:
    """Version, and the state of every seat as one ASCII digit."""
    row = await (await tx.execute(SQL.picture, {"shard_id": shard_id})).fetchone()
    assert row is not None
    return row[0], row[1].encode()


async def snapshot(tx: db.Tx, shard_id: ShardId) -> tuple[int, bytes]:
    """Version, and all seats as `mirror.pack_map` takes them. On the writing side: it must have every commit."""
    row = await (await tx.execute(SQL.snapshot, {"shard_id": shard_id})).fetchone()
    assert row is not None
    return row[0], row[1]


async def seats_as_they_are(
    tx: db.Tx, shard_id: ShardId, seat_nos: Sequence[int]
) -> list[tuple[int, int, SeatState, datetime | None, PersonKey | None]]:
    """Number, change_no, state, end of the hold and its person, of each of these seats."""
    cursor = await tx.execute(SQL.seats_as_they_are, {"shard_id": shard_id, "seat_nos": list(seat_nos)})
    return [(row[0], row[1], SeatState(row[2]), row[3], row[4]) for row in await cursor.fetchall()]


async def count_free(tx: db.Tx, shard_id: ShardId) -> dict[int, int]:
    """Tier -> seats left."""
    return dict(await (await tx.execute(SQL.count_free, {"shard_id": shard_id})).fetchall())


async def write_stopped(tx: db.Tx, shard_id: ShardId, stopped: bool) -> bool:
    """False when nothing is on sale on that shard."""
    cursor = await tx.execute(SQL.write_stopped, {"shard_id": shard_id, "stopped": stopped})
    return await cursor.fetchone() is not None


async def write_called_off(tx: db.Tx, shard_id: ShardId, called_off: bool) -> None:
    """Changes nothing while nothing is on sale on that shard."""
    await tx.execute(SQL.write_called_off, {"shard_id": shard_id, "called_off": called_off})

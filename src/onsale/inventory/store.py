"""The rows of seats, holds, buyers and sales: locked, read and written in whole batches.

Arrays travel as text (`db.array`) and are cast in the SQL.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import accumulate, chain
from typing import Any

from onsale.inventory.model import Ask, Buyer, Hold, HoldState, Locked, NewSeat, Sale, Seat, SeatState, Writes, in_hand
from onsale.kit import db
from onsale.kit.ids import PersonKey, ShardId

SQL = db.load(__package__)

# By their numbers, which are 0, 1, 2...: asking an enum for its member takes as long as making a seat.
_STATES = tuple(SeatState)

# Where no deadline is looked at, or no row was found, no time is needed.
_NEVER = datetime.min.replace(tzinfo=UTC)


async def lock_for_asks(
    tx: db.Tx, asks: Mapping[ShardId, Sequence[Ask]], now: datetime | None
) -> dict[ShardId, tuple[Sale, Locked]]:
    """Lock what a batch of asks depends on, in one round trip on a pipelined `tx`. Without shards with nothing on sale.

    The time is read last, when all locks are held: a batch that waited decides by the time at which it has them, so
    that no hold begins before the one it follows has ended.
    """
    shard_ids = sorted(asks)
    persons = [[ask.person for ask in asks[shard_id]] for shard_id in shard_ids]
    wanted = [[seat_no for ask in asks[shard_id] for seat_no in ask.seats] for shard_id in shard_ids]
    named = {"shard_ids": db.array(shard_ids), "now": now}
    named |= {"persons": _persons(chain(*persons)), **_cuts(persons, "first_persons", "last_persons")}
    named |= {"wanted": db.array(chain(*wanted)), **_cuts(wanted, "first_seats", "last_seats")}
    buyers = await tx.execute(SQL.lock_askers, named)
    seats = await tx.execute(SQL.lock_seats_to_take, named)
    holds = await tx.execute(SQL.lock_holds_of_askers, named)
    sales = await tx.execute(SQL.read_sales, named)
    rows = {row[0]: row[1:] for row in await sales.fetchall()}
    found = [_by_shard(shard_ids, await part.fetchall()) for part in (buyers, seats, holds)]
    return {
        shard_id: (Sale(*rows[shard_id][1:]), _locked(rows[shard_id][0], *(part[shard_id] for part in found)))
        for shard_id in shard_ids
        if shard_id in rows
    }


def _cuts(parts: Sequence[Sequence[object]], first: str, last: str) -> dict[str, str]:
    """Where each part lies in the flat array of all: its first and last index, from 1."""
    lasts = list(accumulate(map(len, parts)))
    return {
        first: db.array(end - len(part) + 1 for part, end in zip(parts, lasts, strict=True)),
        last: db.array(lasts),
    }


def _by_shard(shard_ids: Iterable[ShardId], rows: Iterable[Sequence[Any]]) -> dict[ShardId, list[Sequence[Any]]]:
    """Rows that begin with their shard, without it."""
    found: dict[ShardId, list[Sequence[Any]]] = {shard_id: [] for shard_id in shard_ids}
    for row in rows:
        found[row[0]].append(row[1:])
    return found


async def lock_holds(tx: db.Tx, shard_id: ShardId, hold_ids: Sequence[int], now: datetime | None) -> Locked:
    """Lock holds with their buyers and the seats that still carry them."""
    named = {"shard_id": shard_id, "hold_ids": db.array(hold_ids), "now": now}
    buyers = await tx.execute(SQL.lock_buyers_of_holds, named)
    seats = await tx.execute(SQL.lock_seats_of_holds, named)
    holds = await tx.execute(SQL.lock_holds, named)
    rows = await holds.fetchall()
    at = rows[0][8] if rows else _NEVER
    return _locked(at, await buyers.fetchall(), await seats.fetchall(), [row[:8] for row in rows])


async def lock_sold(tx: db.Tx, shard_id: ShardId, person: PersonKey, order_id: int, seat_nos: Sequence[int]) -> Locked:
    """Lock the buyer of an order and those of the seats that are still the order's."""
    named = {
        "shard_id": shard_id,
        "persons": _persons([person]),
        "order_id": order_id,
        "seat_nos": db.array(seat_nos),
    }
    buyers = await tx.execute(SQL.lock_buyers, named)
    seats = await tx.execute(SQL.lock_sold_seats, named)
    return _locked(_NEVER, await buyers.fetchall(), await seats.fetchall(), [])


async def lock_seats(tx: db.Tx, shard_id: ShardId, seat_nos: Sequence[int], now: datetime | None) -> Locked | None:
    """Lock seats by their numbers, whoever has them. None: nothing is on sale here."""
    named = {"shard_id": shard_id, "seat_nos": db.array(seat_nos)}
    seats = await tx.execute(SQL.lock_seats, named)
    sale = await tx.execute(SQL.read_sales, {"shard_ids": db.array([shard_id]), "now": now})
    row = await sale.fetchone()
    return None if row is None else _locked(row[1], [], await seats.fetchall(), [])


def _locked(now: datetime, buyers: list[Any], seats: list[Any], holds: list[Any]) -> Locked:
    return Locked(
        now,
        {person: Buyer(person, bought, tuple(ids)) for person, bought, ids in buyers},
        {row[0]: Seat(row[0], row[1], row[2], _STATES[row[3]], row[4], row[5]) for row in seats},
        {row[0]: _hold(row) for row in holds},
    )


def _hold(row: Sequence[Any]) -> Hold:
    hold_id, person, state, seats, tiers, expires_at, max_until, key_hash = row[:8]
    return Hold(hold_id, person, HoldState(state), tuple(seats), tuple(tiers), expires_at, max_until, key_hash)


async def write(tx: db.Tx, written: Mapping[ShardId, Writes]) -> None:
    """Write what was decided on each shard, tables in the order they were locked.

    Nothing is waited for: on a pipelined `tx` it travels with the COMMIT. A write that touches another number of rows
    than were meant fails there. Raises db.Contended, there, when another batch has added a new buyer since we looked.
    """
    new_buyers = [(shard_id, buyer) for shard_id, writes in written.items() for buyer in writes.new_buyers.values()]
    seats = [(shard_id, *seat) for shard_id, writes in written.items() for seat in writes.seats.items()]
    new_holds = [(shard_id, hold) for shard_id, writes in written.items() for hold in writes.new_holds]
    if new_buyers:
        arrays = _buyer_arrays([buyer for _, buyer in new_buyers])
        await tx.execute(SQL.write_new_buyers, {"shard_ids": _shards(new_buyers), **arrays})
    for shard_id, writes in written.items():
        if writes.buyers:
            arrays = _buyer_arrays(writes.buyers.values())
            await tx.execute(SQL.write_buyers, {"shard_id": shard_id, **arrays})
    if seats:
        await tx.execute(SQL.write_seats, {"shard_ids": _shards(seats), **_seat_arrays(seats)})
    if new_holds:
        arrays = _new_hold_arrays([hold for _, hold in new_holds])
        await tx.execute(SQL.write_new_holds, {"shard_ids": _shards(new_holds), **arrays})
    for shard_id, writes in written.items():
        if writes.holds:
            await tx.execute(SQL.write_holds, {"shard_id": shard_id, **_hold_arrays(writes.holds.values())})


def _shards(rows: Iterable[Sequence[Any]]) -> str:
    return db.array(row[0] for row in rows)


def _persons(persons: Iterable[PersonKey]) -> str:
    return db.array(person.hex for person in persons)


class _Moments:
    """Different times of a batch, each sent once; rows name them by their place, from 1."""

    def __init__(self) -> None:
        self._places: dict[datetime, int] = {}

    def place(self, moment: datetime | None) -> int | None:
        return None if moment is None else self._places.setdefault(moment, len(self._places) + 1)

    @property
    def sent(self) -> list[datetime]:
        return list(self._places)


def _buyer_arrays(buyers: Iterable[Buyer]) -> dict[str, Any]:
    buyers = list(buyers)
    return {
        "persons": _persons(buyer.person for buyer in buyers),
        "bought": db.array(buyer.bought for buyer in buyers),
        "holds": db.array(f'"{db.array(buyer.holds)}"' for buyer in buyers),
    }


def _seat_arrays(seats: Sequence[tuple[ShardId, int, NewSeat]]) -> dict[str, Any]:
    moments = _Moments()
    states, hold_ids, untils, order_ids = zip(*(form for _, _, form in seats), strict=True)
    return {
        "seat_nos": db.array(seat_no for _, seat_no, _ in seats),
        "states": db.array(map(int, states)),
        "hold_ids": db.array(hold_ids),
        "untils": db.array(map(moments.place, untils)),
        "order_ids": db.array(order_ids),
        "moments": moments.sent,
    }


def _new_hold_arrays(holds: list[Hold]) -> dict[str, Any]:
    """Seats and tiers of all holds as one flat array each, cut by the first and last index (from 1) of each hold."""
    lasts, moments = list(accumulate(len(hold.seats) for hold in holds)), _Moments()
    return {
        "hold_ids": db.array(hold.hold_id for hold in holds),
        "persons": _persons(hold.person for hold in holds),
        "seats": db.array(seat_no for hold in holds for seat_no in hold.seats),
        "tiers": db.array(tier for hold in holds for tier in hold.tiers),
        "firsts": db.array(last - len(hold.seats) + 1 for last, hold in zip(lasts, holds, strict=True)),
        "lasts": db.array(lasts),
        "expiries": db.array(moments.place(hold.expires_at) for hold in holds),
        "bounds": db.array(moments.place(hold.max_until) for hold in holds),
        "key_hashes": db.array(hold.key_hash and hold.key_hash.hex() for hold in holds),
        "moments": moments.sent,
    }


def _hold_arrays(holds: Iterable[Hold]) -> dict[str, Any]:
    holds, moments = list(holds), _Moments()
    return {
        "hold_ids": db.array(hold.hold_id for hold in holds),
        "states": db.array(int(hold.state) for hold in holds),
        "expiries": db.array(moments.place(hold.expires_at) for hold in holds),
        "moments": moments.sent,
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
    cursor = await tx.execute(SQL.seats_as_they_are, {"shard_id": shard_id, "seat_nos": db.array(seat_nos)})
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

"""`onsale bench storage`: bytes a seat takes untouched, after a sell-out, and after many holds that ran out."""

import asyncio
from collections.abc import Sequence

import msgspec

from onsale import app as composition
from onsale.bench.attempts import GROUP_MAX
from onsale.bench.stage import Stage, held_seats
from onsale.inventory import HoldView
from onsale.kit import chance, clock, db, ids
from onsale.kit.ids import PersonKey

SQL = db.load(__package__, "looks.sql")

Crowd = list[tuple[PersonKey, range]]

AT_ONCE = 250
# Payments come one by one, or a few in a batch.
SOLD_AT_ONCE = 20
# Holds of the event that is held again and again: the shortest there are.
HOLD_S = 10
CYCLES = 10
CYCLES_BEFORE = 2
SWEPT_LOOK_S = 0.5

UNTOUCHED_MAX_BYTES = 110.0
SOLD_OUT_MAX_BYTES = 200.0
GROWTH_MAX = 1.1


class Size(msgspec.Struct, frozen=True):
    """Bytes of tables with their indexes, for each seat of the one event that is in them."""

    seat: float
    buyer: float
    hold: float

    @property
    def lasting(self) -> float:
        """Seats and buyers; holds are deleted an hour after their end."""
        return self.seat + self.buyer


class Storage(msgspec.Struct, frozen=True):
    """`cycled` has the size after each time that every seat was held and every hold ran out, by the same crowd."""

    seats: int
    buyers: int
    untouched: Size
    sold_out: Size
    cycled: list[Size]
    growth: float
    passed: bool


def judged(sold: tuple[int, Size, Size], cycled: list[Size], seats: int) -> Storage:
    """Both halves, held against what design.md section 9 allows."""
    buyers, untouched, sold_out = sold
    growth = cycled[-1].lasting / cycled[CYCLES_BEFORE - 1].lasting
    passed = untouched.seat <= UNTOUCHED_MAX_BYTES and sold_out.lasting <= SOLD_OUT_MAX_BYTES and growth <= GROWTH_MAX
    return Storage(seats, buyers, untouched, sold_out, cycled, growth, passed)


async def sell_out(stage: Stage) -> tuple[int, Size, Size]:
    """An event looked at untouched, then sold: held in the order of the seats, paid for in any order."""
    [event] = stage.events
    async with stage.house() as house:
        untouched, crowd = await _size(house, stage.seats), _crowd(stage.seats)
        views = await _hold_all(house, event, crowd)
        chance.seeded(1).shuffle(views)
        await _sell(house, event, views)
        sold = await _size(house, stage.seats)
    stage.say(
        f"untouched {untouched.seat:.1f} B a seat; sold out {sold.seat:.1f} B, and {sold.buyer:.1f} B for its buyer"
    )
    return len(crowd), untouched, sold


async def cycles(stage: Stage) -> list[Size]:
    """An event held whole and let run out, again and again; the sweep is the running worker's."""
    [event] = stage.events
    made, crowd = [], _crowd(stage.seats)
    async with stage.house() as house:
        for number in range(CYCLES):
            await _hold_all(house, event, crowd)
            while await held_seats(house, event):
                await clock.sleep(SWEPT_LOOK_S)
            made.append(await _size(house, stage.seats))
            stage.say(f"cycle {number + 1}: {made[-1].seat:.1f} B a seat, and {made[-1].buyer:.1f} B for its buyer")
    return made


def _crowd(seats: int) -> Crowd:
    """Groups of 1 to 4 neighbouring seats, all of them wanted by somebody."""
    draw, crowd, first = chance.seeded(1), [], 0
    while first < seats:
        end = min(seats, first + draw.randint(1, GROUP_MAX))
        crowd.append((ids.new_person(), range(first, end)))
        first = end
    return crowd


async def _hold_all(house: composition.House, event: int, crowd: Crowd) -> list[HoldView]:
    """Each of the crowd holds its seats; so many at once that batches fill."""
    views: list[HoldView] = []
    for first in range(0, len(crowd), AT_ONCE):
        some = crowd[first : first + AT_ONCE]
        views += await asyncio.gather(*(house.inventory.hold(event, person, seats) for person, seats in some))
    return views


async def _sell(house: composition.House, event: int, views: Sequence[HoldView]) -> None:
    for first in range(0, len(views), SOLD_AT_ONCE):
        orders = {view.hold.hold_id: ids.new_id() for view in views[first : first + SOLD_AT_ONCE]}
        async with house.database.pipelined(ids.shard_of(event)) as tx:
            sold = await house.inventory.confirm(tx, ids.shard_of(event), orders)
        assert all(sold.values()), "a hold was lost before it could be sold"


async def _size(house: composition.House, seats: int) -> Size:
    async with house.database.transaction() as tx:
        rows = await (await tx.execute(SQL.sizes)).fetchall()
    found = {name: size / seats for name, size in rows}
    return Size(found["seat"], found["buyer"], found["hold"])

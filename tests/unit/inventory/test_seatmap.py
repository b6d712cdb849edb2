"""The packed picture of all seats against a naive packer, and how old a picture may be."""

import asyncio
from contextlib import asynccontextmanager
from struct import unpack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale import limits
from onsale.inventory.seatmap import Picture, SeatMap, pack_states
from onsale.kit.ids import ShardId

SHARD = ShardId(64)


def naive(version, states):
    packed = bytearray((len(states) + 3) // 4)
    for seat_no, state in enumerate(states):
        packed[seat_no // 4] |= state << 2 * (seat_no % 4)
    return version.to_bytes(8, "big") + len(states).to_bytes(4, "big") + bytes(packed)


@given(version=st.integers(0, 2**64 - 1), states=st.lists(st.integers(0, 3), max_size=70))
def test_two_bits_a_seat_are_as_a_naive_packer_writes_them(version, states):
    assert pack_states(version, "".join(map(str, states)).encode()) == naive(version, states)


def test_a_stadium_is_packed_into_a_quarter_of_a_byte_a_seat():
    states = b"0123" * 25_000 + b"2"
    packed = pack_states(7, states)
    assert len(packed) == 12 + 25_001 and unpack(">QI", packed[:12]) == (7, 100_001)
    assert packed[12] == 0b11100100 and packed[-1] == 0b10, "seat 0 is in the lowest bits"


def test_a_picture_counts_its_states():
    picture = Picture(1, b"0012223", b"", 0.0)
    assert [picture.count(state) for state in range(4)] == [2, 1, 3, 1]


class Shelf:
    """Stands in for the database and the store: each look takes until it is let through, and sees the next version."""

    def __init__(self, monkeypatch):
        self.looks = 0
        self.now_s = 100.0
        self.gate = asyncio.Event()
        self.gate.set()
        monkeypatch.setattr("onsale.inventory.seatmap.store.picture", self._picture)
        monkeypatch.setattr("onsale.inventory.seatmap.clock.monotonic", lambda: self.now_s)

    @asynccontextmanager
    async def reading(self, shard_id):
        yield None

    async def _picture(self, tx, shard_id):
        self.looks += 1
        version = self.looks
        await self.gate.wait()
        return version, b"0"


@pytest.fixture
def shelf(monkeypatch):
    return Shelf(monkeypatch)


@pytest.mark.anyio
async def test_a_picture_is_kept_for_a_moment_and_no_longer(shelf):
    seats = SeatMap(shelf)
    assert (await seats.picture(SHARD)).version == 1
    shelf.now_s += limits.AVAILABILITY_AGE_MAX_S
    assert (await seats.picture(SHARD)).version == 1
    shelf.now_s += 0.001
    assert (await seats.picture(SHARD)).version == 2


@pytest.mark.anyio
async def test_many_askers_share_one_look(shelf):
    seats = SeatMap(shelf)
    pictures = await asyncio.gather(*(seats.picture(SHARD) for _ in range(100)))
    assert {picture.version for picture in pictures} == {1} and shelf.looks == 1


@pytest.mark.anyio
async def test_a_fresh_picture_is_never_one_whose_look_began_before_it_was_asked_for(shelf):
    seats = SeatMap(shelf)
    shelf.gate.clear()
    early = asyncio.create_task(seats.picture(SHARD))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    shelf.now_s += 0.01
    late = [asyncio.create_task(seats.picture(SHARD, fresh=True)) for _ in range(50)]
    await asyncio.sleep(0)
    shelf.gate.set()
    assert (await early).version == 1
    assert {(await task).version for task in late} == {2}, "and they share that, too"


@pytest.mark.anyio
async def test_an_asker_who_leaves_does_not_take_the_picture_from_the_others(shelf):
    seats = SeatMap(shelf)
    shelf.gate.clear()
    leaver, stayer = (asyncio.create_task(seats.picture(SHARD)) for _ in range(2))
    await asyncio.sleep(0)
    leaver.cancel()
    await asyncio.sleep(0)
    shelf.gate.set()
    assert (await stayer).version == 1 and leaver.cancelled()


@pytest.mark.anyio
async def test_who_comes_in_the_very_moment_a_look_ends_begins_the_next(shelf, monkeypatch):
    """A look that is done and not yet cleared away can be awaited without end and without giving way to anybody."""
    seats = SeatMap(shelf)
    late: list[asyncio.Task[Picture]] = []
    look = shelf._picture

    async def last_word(tx, shard_id):
        seen = await look(tx, shard_id)
        if not late:
            shelf.now_s += 0.01
            late.append(asyncio.create_task(seats.picture(SHARD, fresh=True)))
        return seen

    monkeypatch.setattr("onsale.inventory.seatmap.store.picture", last_word)
    assert (await seats.picture(SHARD)).version == 1
    assert (await late[0]).version == 2

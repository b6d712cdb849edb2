"""The mirror of a map, without Redis: a model of the scripts publishes, the network delays, repeats and loses."""

from datetime import UTC, datetime, timedelta
from struct import pack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale import limits
from onsale.inventory.mirror import (
    CHANGE,
    SECONDS_FROM,
    STEP,
    Delta,
    Mirror,
    pack_changes,
    pack_map,
    seconds,
    tag_of,
    word_of,
)
from onsale.inventory.model import SeatState
from onsale.kit.ids import new_person

EPOCH, OTHER = b"epoch--1", b"epoch--2"
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
MINE, THEIRS = 7, 9


class Map:
    """What Redis does, in Python: changes move a seat forward only, and each step is published once."""

    def __init__(self, seats, epoch=EPOCH):
        self.epoch = epoch
        self.seats = [(0, 0, 0)] * seats
        self.version = 0

    def tell(self, *changes):
        before, applied = self.version, []
        for seat_no, change_no, word, tag in changes:
            known = self.seats[seat_no][0]
            if change_no > known:
                self.seats[seat_no] = (change_no, word, tag)
                self.version += change_no - known
                applied.append((seat_no, change_no, word, tag))
        return STEP.pack(self.epoch, before, self.version) + pack_changes(applied)

    def body(self):
        seats = b"".join(pack(">3I", *seat) for seat in self.seats)
        return pack_map(self.epoch, seats, self.version)

    def states(self):
        return bytes(ord("0") + (word & 3) for _, word, _ in self.seats)


def mirror_of(there, said=None):
    mirror = Mirror((said if said is not None else []).append)
    mirror.begin()
    assert mirror.load(there.body())
    return mirror


def held(until=NOON):
    return word_of(SeatState.HELD, until)


def test_a_word_carries_state_and_the_second_in_which_the_hold_ends():
    word = word_of(SeatState.HELD, NOON + timedelta(milliseconds=999))
    assert (word & 3, SECONDS_FROM + timedelta(seconds=word >> 2)) == (1, NOON)
    assert [word_of(SeatState(state), NOON) for state in (0, 2, 3)] == [0, 2, 3]
    assert word_of(SeatState.HELD, datetime(2053, 12, 31, tzinfo=UTC)) < 2**32


def test_a_load_takes_over_everything_and_begins_a_new_story():
    there, said = Map(4), list[Delta | None]()
    there.tell((1, 3, held(), THEIRS), (2, 1, 2, 0))
    mirror = mirror_of(there, said)
    assert (mirror.epoch, mirror.version, bytes(mirror.states)) == (EPOCH, 4, b"0120")
    assert mirror.in_step and said == [None]


def test_a_step_that_nobody_can_see_is_still_a_step():
    there, said = Map(4), list[Delta | None]()
    mirror = mirror_of(there, said)
    mirror.hear(there.tell((1, 1, held(), THEIRS)))
    mirror.hear(there.tell((1, 2, held(NOON + timedelta(minutes=1)), THEIRS)))
    assert said[1:] == [Delta(0, 1, ((1, 1),)), Delta(1, 2, ())]
    assert mirror.since(EPOCH, 0) == said[1:]
    assert mirror.since(EPOCH, 1) == said[2:] and mirror.since(EPOCH, 2) == []


def test_nobody_resumes_from_another_epoch_a_version_between_steps_or_one_forgotten(monkeypatch):
    monkeypatch.setattr(limits, "MAP_STEPS_MAX", 2)
    there = Map(4)
    mirror = mirror_of(there)
    for change_no in (2, 3, 4):
        mirror.hear(there.tell((0, change_no, held(), THEIRS)))
    assert mirror.since(EPOCH, 2) is not None
    assert [mirror.since(*place) for place in ((OTHER, 3), (EPOCH, 1), (EPOCH, 0), (EPOCH, 99))] == [None] * 4


def test_the_steps_kept_are_bounded_by_their_seats_too(monkeypatch):
    monkeypatch.setattr(limits, "MAP_STEPS_SEATS_MAX", 2)
    there = Map(4)
    mirror = mirror_of(there)
    for seat_no in range(4):
        mirror.hear(there.tell((seat_no, 1, held(), THEIRS)))
    assert mirror.since(EPOCH, 1) is None and len(mirror.since(EPOCH, 2)) == 2


@pytest.mark.parametrize("message", [b"", STEP.pack(OTHER, 1, 2), STEP.pack(EPOCH, 5, 6)])
def test_a_message_that_does_not_follow_on_ends_the_step(message):
    mirror = mirror_of(Map(4))
    mirror.hear(message)
    assert not mirror.in_step


def test_an_old_message_is_no_gap():
    there = Map(4)
    old = there.tell((1, 1, held(), THEIRS))
    mirror = mirror_of(there)
    mirror.hear(old)
    assert mirror.in_step and mirror.version == 1


def test_what_was_missed_in_one_epoch_is_one_step_for_who_watches():
    there, said = Map(4), list[Delta | None]()
    mirror = mirror_of(there, said)
    mirror.lose()
    there.tell((1, 1, held(), THEIRS))
    there.tell((1, 2, 0, 0), (3, 1, 2, 0))
    mirror.begin()
    assert mirror.load(there.body()) and said[1:] == [Delta(0, 3, ((3, 2),))]
    assert mirror.since(EPOCH, 0) == said[1:]


def test_what_is_heard_during_a_load_waits_for_it_and_too_much_ends_it(monkeypatch):
    there = Map(4)
    mirror = Mirror(list[Delta | None]().append)
    mirror.begin()
    before = there.tell((0, 1, held(), THEIRS))
    body = there.body()
    for message in (before, there.tell((1, 1, held(), THEIRS))):
        mirror.hear(message)
    assert mirror.load(body) and bytes(mirror.states) == b"1100"
    monkeypatch.setattr(limits, "MAP_HELD_BACK_MAX", 1)
    mirror.begin()
    for _ in range(2):
        mirror.hear(before)
    assert not mirror.load(there.body()) and not mirror.in_step


def test_only_what_is_surely_taken_is_named():
    there, now = Map(8), seconds(NOON)
    margin = now + 2
    there.tell(
        (1, 1, held(NOON + timedelta(minutes=5)), THEIRS),
        (2, 1, held(NOON + timedelta(seconds=2)), THEIRS),
        (3, 1, held(NOON - timedelta(seconds=9)), THEIRS),
        (4, 1, 2, 0),
        (5, 1, 3, 0),
        (6, 1, held(NOON + timedelta(minutes=5)), MINE),
    )
    mirror = mirror_of(there)
    assert mirror.taken((0, 1, 2, 3, 4, 5), MINE, margin) == (1, 4, 5)
    assert mirror.taken((2, 3), MINE, margin) == (), "near its end a hold is in doubt"
    assert mirror.taken((0, 7), MINE, margin) == ()
    assert mirror.taken((1, 4, 6), MINE, margin) == (), "a request repeated, or seats changed for others"
    assert mirror.taken((1, 8), MINE, margin) == (), "no such seat: PostgreSQL says so"
    assert mirror.taken((4,), 0, margin) == (), "a person whose tag is nobody's is never refused from here"


def test_what_this_process_freed_is_not_refused_until_it_has_come_back():
    there = Map(4)
    there.tell((1, 1, held(), THEIRS))
    mirror = mirror_of(there)
    first, second, third = (
        there.tell((1, number, word, THEIRS)) for number, word in ((2, held()), (3, 0), (4, held()))
    )
    mirror.free(1, 3)
    assert mirror.taken((1,), MINE, 0) == ()
    mirror.hear(first)
    assert mirror.taken((1,), MINE, 0) == (), "an older change comes back first"
    mirror.hear(second)
    mirror.hear(third)
    assert mirror.taken((1,), MINE, 0) == (1,)
    mirror.free(1, 4)
    mirror.begin()
    assert mirror.load(there.body()) and mirror.taken((1,), MINE, 0) == (1,), "or with a load"


def test_a_tag_is_the_low_half_of_a_quarter():
    person = new_person()
    assert tag_of(person) == int(person.hex[-8:], 16)
    assert CHANGE.size == 16


CHANGES = st.tuples(
    st.integers(0, 5),
    st.integers(1, 9),
    st.sampled_from([0, 2, 3, held(), held(NOON + timedelta(hours=1))]),
    st.just(5),
)


@given(
    batches=st.lists(st.lists(CHANGES, min_size=1, max_size=4), max_size=30),
    network=st.lists(st.sampled_from(["heard", "lost", "twice", "load"]), min_size=30, max_size=30),
    started=st.integers(0, 5),
)
def test_whatever_the_network_does_a_mirror_in_step_is_the_map_and_steps_add_up(batches, network, started):
    """Snapshot + deltas == a fresh snapshot at that version, for whoever took the snapshot whenever."""
    there, said = Map(6), list[Delta | None]()
    mirror = Mirror(said.append)
    true, snapshots = {0: there.states()}, dict[int, bytes]()
    for number, (batch, fate) in enumerate(zip(batches, network, strict=False)):
        message = there.tell(*batch)
        true[there.version] = there.states()
        for _ in range({"heard": 1, "lost": 0, "twice": 2, "load": 1}[fate]):
            if len(message) > STEP.size:
                mirror.hear(message)
        if fate == "load" or number == started:
            mirror.begin()
            assert mirror.load(there.body())
        if mirror.in_step:
            assert bytes(mirror.states) == true[mirror.version]
            snapshots[mirror.version] = bytes(mirror.states)
    for taken_at, states in snapshots.items():
        steps = mirror.since(EPOCH, taken_at)
        assert steps is not None, "every version a mirror had in step is the end of a step"
        version, seen = taken_at, bytearray(states)
        for step in steps:
            assert step.before == version
            version = step.version
            for seat_no, state in step.seats:
                seen[seat_no] = ord("0") + state
        assert (version, bytes(seen)) == (mirror.version, bytes(mirror.states))

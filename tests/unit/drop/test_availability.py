"""The availability answer, read: 12 bytes of head, then 2 bits a seat, seat 0 lowest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.drop.availability import Availability

STATES = st.lists(st.integers(0, 3), max_size=70)


def body(states, version=1):
    bits = sum(state << 2 * seat_no for seat_no, state in enumerate(states))
    packed = bits.to_bytes((len(states) + 3) // 4, "little")
    return version.to_bytes(8, "big") + len(states).to_bytes(4, "big") + packed


def test_the_example_of_the_contract_is_read():
    seen = Availability.parse(bytes.fromhex("000000000000010200000005e401"))
    assert (seen.version, seen.seats) == (258, 5)
    assert [seen.status(seat_no) for seat_no in range(5)] == [0, 1, 2, 3, 1]
    assert seen.counts() == (1, 2, 1, 1)


@given(STATES)
def test_seats_are_counted_by_status(states):
    seen = Availability.parse(body(states))
    assert seen.counts() == tuple(states.count(status) for status in range(4))


@given(STATES, st.integers(0, 69), st.integers(0, 8))
def test_the_next_free_seats_are_found_once_each_from_anywhere(states, first, quantity):
    first = min(first, max(0, len(states) - 1))
    free = [seat_no for seat_no, status in enumerate(states) if status == 0]
    in_order = [seat_no for seat_no in free if seat_no >= first] + [seat_no for seat_no in free if seat_no < first]
    assert Availability.parse(body(states)).free_from(first, quantity) == in_order[:quantity]


@pytest.mark.parametrize("broken", [b"", b"\0" * 11, body([0] * 5)[:-1], body([0] * 5) + b"\0"])
def test_a_body_of_another_length_is_refused(broken):
    with pytest.raises(ValueError, match="availability"):
        Availability.parse(broken)

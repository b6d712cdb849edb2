"""The best seats together, on a hall of 60: Stalls 0-23, Circle 24-47 in rows of 8, Floor 48-59 (hall.py)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.inventory.hall import ACCESSIBLE, CIRCLE, FLOOR, HALL, STALLS

from onsale.catalog import Layout
from onsale.catalog.chart import check
from onsale.inventory.best import Finder

LAYOUT = Layout(HALL)
FINDER = Finder(LAYOUT)


def states(free):
    """Only these seats are free."""
    return bytearray(b"01"[n not in free] for n in range(60))


def everything_but(*taken):
    return states(set(range(60)) - set(taken))


def test_the_hall_is_a_chart_that_can_be_sold_from():
    check(HALL)
    assert FINDER.kept_back == list(ACCESSIBLE)


@pytest.mark.parametrize(("quantity", "expected"), [(1, (3,)), (2, (3, 4)), (4, (2, 3, 4, 5)), (8, tuple(range(8)))])
def test_seats_are_in_the_middle_of_the_nearest_row(quantity, expected):
    assert FINDER.find(everything_but(), quantity) == expected


def test_the_next_best_are_beside_or_behind_and_the_far_zone_comes_last():
    choices, found = FINDER.choosable(everything_but()), []
    while seats := FINDER.find(choices, 2):
        found.append(seats)
        for seat in seats:
            choices[seat] = ord("1")
    zones = [LAYOUT.zone_of(seats[0]) for seats in found]
    assert zones == sorted(zones)
    taken = [seat for pair in found for seat in pair]
    assert len(taken) == len(set(taken)) and not set(taken) & set(ACCESSIBLE)
    assert all(b"00" not in choices[first : first + 8] for first in range(0, 48, 8)) and set(FLOOR) <= set(taken)


def test_seats_together_are_never_in_two_rows():
    assert FINDER.find(states({6, 7, 8, 9}), 4) is None
    assert FINDER.find(states({6, 7, 8, 9}), 2) == (6, 7)


def test_a_gap_is_not_together():
    assert FINDER.find(states({1, 2, 4, 5}), 3) is None


def test_no_single_seat_is_left_where_that_can_be_avoided():
    """Of five in a row two are taken at an end; in the middle they would strand one."""
    assert FINDER.find(states({1, 2, 3, 4, 5}), 2) in ((1, 2), (4, 5))
    assert FINDER.find(states({2, 3, 4, 16, 17}), 2) == (16, 17), "three metres further back, and nobody is left alone"


def test_a_single_seat_is_left_where_it_cannot_be_avoided():
    assert FINDER.find(states({2, 3, 4}), 2) in ((2, 3), (3, 4))


def test_a_single_seat_that_is_wanted_is_not_an_orphan_left():
    assert FINDER.find(states({7, 9, 10}), 1) == (7,)


def test_a_tier_narrows_the_search_to_its_zones():
    assert FINDER.find(everything_but(), 2, zones={1}) == (27, 28)
    assert FINDER.find(states(set(STALLS)), 2, zones={1, 2}) is None


def test_a_section_narrows_the_search_to_itself():
    assert FINDER.find(everything_but(), 2, within=CIRCLE) == (27, 28)
    assert FINDER.find(everything_but(), 2, zones={0}, within=CIRCLE) is None


def test_standing_places_need_not_be_beside_each_other():
    assert FINDER.find(states({48, 51, 59}), 3) == (48, 51, 59)
    assert FINDER.find(states({48, 51, 59}), 4) is None


def test_seats_for_wheelchair_users_are_kept_back():
    free = bytes(states({20, 21, 22, 23}))
    assert FINDER.find(FINDER.choosable(free), 2) == (20, 21)
    assert FINDER.find(FINDER.choosable(free), 3) is None
    assert FINDER.choosable(free).count(b"0") == 2


def test_nothing_is_found_where_everything_is_gone():
    assert FINDER.find(bytearray(b"2" * 60), 1) is None
    assert FINDER.find(bytearray(b"123" * 20), 1) is None


@given(free=st.sets(st.integers(0, 59)), quantity=st.integers(1, 8))
def test_what_is_found_is_free_and_together_and_is_found_whenever_there_is_any(free, quantity):
    found = FINDER.find(states(free), quantity)
    rows = [set(range(first, first + 8)) for first in range(0, 48, 8)]
    runs = [set(range(n, n + quantity)) for row in rows for n in row if set(range(n, n + quantity)) <= row & free]
    if found is None:
        assert not runs and len(free & set(FLOOR)) < quantity
        return
    assert len(set(found)) == quantity and set(found) <= free
    assert set(found) in runs or set(found) <= set(FLOOR)
    best = min(map(LAYOUT.zone_of, {seat for run in runs for seat in run} or {FLOOR[0]}))
    assert LAYOUT.zone_of(found[0]) == best, "a better zone with room is never passed over"

"""The best seats together, on a hall of 60: Stalls 0-23, Circle 24-47 in rows of 8, Floor 48-59 (hall.py)."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.inventory.hall import ACCESSIBLE, CIRCLE, FLOOR, HALL, STALLS

from onsale.catalog import Chart, Layout, generate_chart
from onsale.catalog.chart import Row, Section, Shape, check
from onsale.inventory.best import ORPHAN_COST_CM, ROWS_COMPARED, Choices, Finder

LAYOUT = Layout(HALL)
FINDER = Finder(LAYOUT)
THEATRE = Layout(generate_chart("theatre", 250, "The Old House"))
ROW_CM = 79


def states(free, seats=60):
    """Only these seats are free."""
    return Choices(bytearray(b"01"[n not in free] for n in range(seats)))


def everything_but(*taken):
    return states(set(range(60)) - set(taken))


def test_the_hall_is_a_chart_that_can_be_sold_from():
    check(HALL)
    assert FINDER.kept_back == list(ACCESSIBLE)


@pytest.mark.parametrize(("quantity", "expected"), [(1, (3,)), (2, (3, 4)), (4, (2, 3, 4, 5)), (8, tuple(range(8)))])
def test_seats_are_in_the_middle_of_the_nearest_row(quantity, expected):
    assert FINDER.find(everything_but(), quantity) == expected


def test_the_next_best_are_beside_or_behind_and_the_far_zone_comes_last():
    choices, found = FINDER.choosable(b"0" * 60), []
    while seats := FINDER.find(choices, 2):
        found.append(seats)
        FINDER.take(choices, seats)
    zones = [LAYOUT.zone_of(seats[0]) for seats in found]
    assert zones == sorted(zones)
    taken = [seat for pair in found for seat in pair]
    assert len(taken) == len(set(taken)) and not set(taken) & set(ACCESSIBLE)
    assert all(b"00" not in choices.states[first : first + 8] for first in range(0, 48, 8)) and set(FLOOR) <= set(taken)


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
    free = bytes(states({20, 21, 22, 23}).states)
    assert FINDER.find(FINDER.choosable(free), 2) == (20, 21)
    assert FINDER.find(FINDER.choosable(free), 3) is None
    assert FINDER.choosable(free).states.count(b"0") == 2


def test_nothing_is_found_where_everything_is_gone():
    assert FINDER.find(Choices(bytearray(b"2" * 60)), 1) is None
    assert FINDER.find(Choices(bytearray(b"123" * 20)), 1) is None


def test_more_than_any_row_has_are_found_in_a_standing_area_or_nowhere():
    assert FINDER.find(everything_but(), 9) == tuple(range(48, 57))
    assert FINDER.find(everything_but(), 9, zones={0, 1}) is None
    assert FINDER.find(everything_but(), 13) is None


def slope(rows):
    """One section of rows of 8, `ROW_CM` apart, straight before the focus."""
    drawn = tuple(Row(str(n + 1), 8, 1, 1, line=(-175, 900 + n * ROW_CM, 175, 900 + n * ROW_CM)) for n in range(rows))
    deep = 1000 + rows * ROW_CM
    outline, shape = (-200, 850, 200, 850, 200, deep, -200, deep), (-200, -100, 200, -100, 200, 0, -200, 0)
    section = Section("Slope", 0, False, outline, (0, 900), 0, rows * 8, drawn)
    shapes = (Shape("stage", "Stage", shape),)
    return Chart(1, "Slope", "club", rows * 8, (-500, -300, 500, deep), (0, 0), ("All",), shapes, (section,), (), ())


@pytest.mark.parametrize(("rows_behind", "avoided"), [(1, True), (5, True), (6, False)])
def test_a_single_seat_is_not_left_while_five_rows_behind_would_avoid_it(rows_behind, avoided):
    """Two of three leave one alone. Behind are two by themselves; every row between leaves one alone as well."""
    assert ORPHAN_COST_CM // ROW_CM == ROWS_COMPARED - 1 == 5
    layout = Layout(slope(8))
    free = {row * 8 + seat for row in range(rows_behind) for seat in (3, 4, 5)}
    behind = (rows_behind * 8 + 3, rows_behind * 8 + 4)
    found = Finder(layout).find(states(free | set(behind), layout.seats), 2)
    assert found == (behind if avoided else (3, 4))


# -- many asks of one picture ------------------------------------------------------------------------------------------


def plainly(layout, free, quantity, zones, within):
    """The reference: every row, best first, looked at anew; what the Finder remembers must not show."""
    rows = [range(*row) for row in pairwise(layout.row_starts)]
    rows.sort(key=lambda row: (layout.zone_of(row[0]), min(layout.quality[row.start : row.stop])))
    found, zone_found = [], None
    for row in rows:
        zone = layout.zone_of(row[0])
        if zone_found is not None and (zone != zone_found or len(found) >= ROWS_COMPARED):
            break
        if (zones is None or zone in zones) and (within is None or row[0] in within):
            left = [seat for seat in row if seat in free]
            if layout.is_standing(row[0]):
                places = [(layout.quality[row[0]], tuple(left[:quantity]))] if len(left) >= quantity else []
            else:
                starts = [n for n in left if all(n + k in free and n + k in row for k in range(quantity))]
                places = [scored(layout, free, row, n, quantity) for n in starts]
            if places:
                found.append(min(places))
                zone_found = zone
    return min(found)[1] if found else None


def scored(layout, free, row, first, quantity):
    seats = tuple(range(first, first + quantity))

    def alone(near, next_to_it):
        return near in free and near in row and not (next_to_it in free and next_to_it in row)

    orphans = alone(first - 1, first - 2) + alone(first + quantity, first + quantity + 1)
    return sum(layout.quality[n] for n in seats) / quantity + orphans * ORPHAN_COST_CM, seats


@pytest.mark.parametrize("layout", [LAYOUT, THEATRE], ids=["hall", "theatre"])
@given(data=st.data())
def test_ask_after_ask_is_answered_as_if_every_row_were_looked_at_anew(layout, data):
    """Of whatever is free, for whatever is wished; some take what they were shown, and others take seats meanwhile."""
    finder, numbers = Finder(layout), st.integers(0, layout.seats - 1)
    sections = sorted({layout.section_of(seat).name for seat in layout.row_starts[:-1]})
    part = data.draw(st.integers(0, 10))
    free = {n for n, drawn in enumerate(data.draw(st.randoms()).choices(range(10), k=layout.seats)) if drawn < part}
    choices = states(free, layout.seats)
    for _ in range(data.draw(st.integers(1, 12))):
        quantity = data.draw(st.integers(1, 9))
        zones = data.draw(st.none() | st.sets(st.integers(0, 3)))
        section = data.draw(st.none() | st.sampled_from(sections))
        within = layout.section_range(section) if section else None
        found = finder.find(choices, quantity, zones, within)
        assert found == plainly(layout, free, quantity, zones, within)
        for gone in (found if found and data.draw(st.booleans()) else (), data.draw(st.sets(numbers, max_size=3))):
            finder.take(choices, gone)
            free.difference_update(gone)


def test_a_row_without_room_is_looked_at_once_and_a_row_with_room_until_a_seat_of_it_goes(monkeypatch):
    layout = Layout(generate_chart("stadium", 20_000, "The Bowl"))
    finder, looked_at = Finder(layout), []
    look = Finder._best_in_row

    def counted(self, states, row, quantity):
        looked_at.append(row)
        return look(self, states, row, quantity)

    monkeypatch.setattr(Finder, "_best_in_row", counted)
    sold = {seat for first, end in finder._rows[:200] for seat in range(first, end)}
    choices = states(set(range(layout.seats)) - sold, layout.seats)
    for _ in range(50):
        seats = finder.find(choices, 2)
        assert seats is not None
        finder.take(choices, seats)
    assert len(looked_at) <= 200 + ROWS_COMPARED + 2 * 50, "one anew for each ask, and a new one as rows fill"
    looked_at.clear()
    for _ in range(50):
        assert finder.find(choices, 2) is not None
    assert len(looked_at) <= 2


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

"""Generated venues: exact, believable in their measures, and the same for the same seed."""

import math
from functools import cache
from itertools import combinations

import pytest

from onsale.catalog.chart import Chart, Kind, Layout, check, decode, encode, seat_points
from onsale.catalog.generate import CAPACITIES, generate

Point = tuple[float, float]
Outline = list[Point]

HOUSES: list[tuple[Kind, int]] = [
    ("stadium", 50),
    ("stadium", 733),
    ("stadium", 1_499),
    ("stadium", 1_500),
    ("stadium", 9_001),
    ("stadium", 25_000),
    ("stadium", 61_999),
    ("arena", 50),
    ("arena", 301),
    ("arena", 4_999),
    ("arena", 12_345),
    ("arena", 40_000),
    ("theatre", 20),
    ("theatre", 97),
    ("theatre", 261),
    ("theatre", 451),
    ("theatre", 1_237),
    ("theatre", 6_000),
    ("club", 20),
    ("club", 53),
    ("club", 151),
    ("club", 650),
    ("club", 2_999),
    ("club", 10_000),
]
BIG: tuple[Kind, int] = ("stadium", 100_000)


@cache
def house(kind: Kind, capacity: int, seed: int = 1) -> Chart:
    return generate(kind, capacity, f"The {kind} of {capacity}", seed)


def outline(flat: tuple[int, ...]) -> Outline:
    return list(zip(flat[::2], flat[1::2], strict=True))


def edges(corners: Outline) -> list[tuple[Point, Point]]:
    return list(zip(corners, corners[1:] + corners[:1], strict=True))


def inside(point: Point, corners: Outline) -> bool:
    """Whether a ray from the point to the right crosses the outline an odd number of times."""
    x, y = point
    crossings = 0
    for (x1, y1), (x2, y2) in edges(corners):
        if (y1 > y) != (y2 > y):
            crossings += x < (x2 - x1) * (y - y1) / (y2 - y1) + x1
    return crossings % 2 == 1


def crosses(a: Point, b: Point, c: Point, d: Point) -> bool:
    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def overlap(one: Outline, other: Outline) -> bool:
    for axis in (0, 1):
        for a, b in ((one, other), (other, one)):
            if max(p[axis] for p in a) < min(p[axis] for p in b):
                return False
    if any(inside(p, other) for p in one) or any(inside(p, one) for p in other):
        return True
    return any(crosses(*edge, *across) for edge in edges(one) for across in edges(other))


def nearest_cm(chart: Chart) -> float:
    """The smallest distance between two seats, by a grid with cells wider than any distance of interest."""
    cell, best = 60.0, math.inf
    grid: dict[tuple[int, int], Outline] = {}
    for section in chart.sections:
        for x, y in (point for row in section.rows for point in seat_points(row)):
            column, line = int(x // cell), int(y // cell)
            for i, j in ((column + dx, line + dy) for dx in (-1, 0, 1) for dy in (-1, 0, 1)):
                for near in grid.get((i, j), ()):
                    best = min(best, math.dist(near, (x, y)))
            grid.setdefault((column, line), []).append((x, y))
    return best


def people(runs: tuple[tuple[int, int], ...]) -> int:
    return sum(count for _, count in runs)


def seated(chart: Chart) -> int:
    return sum(section.count for section in chart.sections if not section.standing)


every_house = pytest.mark.parametrize(("kind", "capacity"), [*HOUSES, BIG])


@every_house
def test_a_venue_has_exactly_the_places_asked_for_and_passes_the_check(kind, capacity):
    chart = house(kind, capacity)
    check(chart)
    assert chart.seats == Layout(chart).seats == sum(section.count for section in chart.sections) == capacity


def test_every_capacity_of_a_stretch_is_met_exactly():
    stretches: list[tuple[Kind, range]] = [
        ("theatre", range(240, 290)),
        ("club", range(130, 180)),
        ("arena", range(4_980, 5_010, 3)),
    ]
    for kind, stretch in stretches:
        for capacity in stretch:
            check(generate(kind, capacity, "Stretch", seed=capacity))


@every_house
def test_no_two_seats_are_closer_than_a_chair(kind, capacity):
    assert nearest_cm(house(kind, capacity)) > 44


@every_house
def test_every_seat_lies_inside_the_outline_of_its_section(kind, capacity):
    for section in house(kind, capacity).sections:
        corners = outline(section.outline)
        assert inside(section.at, corners), section.name
        assert all(inside(point, corners) for row in section.rows for point in seat_points(row)), section.name


@every_house
def test_no_two_sections_overlap_and_none_lies_under_the_stage(kind, capacity):
    chart = house(kind, capacity)
    grounds = {section.name: outline(section.outline) for section in chart.sections}
    stage = next(shape for shape in chart.shapes if shape.kind == "stage")
    grounds["the stage"] = outline(stage.outline)
    assert [pair for pair in combinations(grounds, 2) if overlap(grounds[pair[0]], grounds[pair[1]])] == []


@every_house
def test_the_wire_form_round_trips(kind, capacity):
    chart = house(kind, capacity)
    assert decode(encode(chart)) == chart


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_stadium_of_100_000_takes_at_most_150_kb(seed):
    assert len(encode(generate("stadium", 100_000, "Aurora Stadium", seed))) <= 150_000


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_venue():
    for kind, (least, most) in CAPACITIES.items():
        capacity = min(most, 50 * least)
        once, again, other = (encode(generate(kind, capacity, "Twice", seed)) for seed in (7, 7, 8))
        assert once == again
        assert once != other


@every_house
def test_about_one_seat_in_a_hundred_is_accessible_and_at_a_row_end(kind, capacity):
    chart = house(kind, capacity)
    layout = Layout(chart)
    seats = seated(chart)
    assert max(2, 0.008 * seats - 2) <= people(chart.accessible) <= max(2, 0.011 * seats + 1)
    for first, count in chart.accessible:
        row = layout.row_index[first]
        start, end = layout.row_starts[row], layout.row_starts[row + 1]
        assert not layout.is_standing(first)
        assert layout.row_index[first + count - 1] == row
        assert first == start or first + count == end


def test_accessible_seats_are_spread_over_the_sections():
    layout = Layout(house(*BIG))
    having = {layout.section_of(first).name for first, _ in house(*BIG).accessible}
    assert having == {section.name for section in house(*BIG).sections if not section.standing}


@every_house
def test_restricted_views_are_few_and_lie_further_aside_than_the_others(kind, capacity):
    chart = house(kind, capacity)
    layout = Layout(chart)
    assert people(chart.restricted) <= 0.25 * seated(chart)
    aside: dict[bool, list[float]] = {True: [0.0], False: [0.0]}
    for section in chart.sections:
        points = [point for row in section.rows for point in seat_points(row)]
        for seat_no, (x, y) in enumerate(points, section.first):
            angle = abs(math.atan2(x - chart.focus[0], y - chart.focus[1]))
            aside[layout.is_restricted(seat_no)].append(angle)
    if chart.restricted:
        assert min(aside[True][1:]) >= max(aside[False]) - 1e-9


def test_stadiums_and_clubs_have_standing_room_and_the_others_have_none():
    for kind, capacity in [*HOUSES, BIG]:
        chart = house(kind, capacity)
        standing = chart.seats - seated(chart)
        least, most = {"stadium": (0.02, 0.25), "club": (0.6, 0.95)}.get(kind, (0, 0))
        assert least * capacity <= standing <= most * capacity, (kind, capacity)


def test_rows_are_lettered_without_i_and_o_and_doubled_after_z():
    names = {row.name for section in house(*BIG).sections for row in section.rows}
    assert {"A", "H", "J", "N", "P", "Z", "AA"} <= names
    assert not any("I" in name or "O" in name for name in names)


def test_seat_numbers_run_on_through_the_blocks_of_a_theatre_row():
    for level in ("Front Stalls", "Rear Stalls", "Circle"):
        chart = house("theatre", 1_237)
        sections = [section for section in chart.sections if section.name.startswith(f"{level} ")]
        assert len(sections) > 1
        for blocks in zip(*(section.rows for section in sections), strict=True):
            assert len({row.name for row in blocks}) == 1
            numbers = [row.first_number + i for row in blocks for i in range(row.count)]
            assert numbers == list(range(1, len(numbers) + 1))


def test_a_large_stadium_has_three_tiers_and_a_floor():
    names = [section.name for section in house(*BIG).sections]
    assert names[:2] == ["Golden Circle", "Floor"]
    assert {name[0] for name in names[2:]} == {"1", "2", "3"}
    assert {"101", "201", "301"} <= set(names)


def test_every_zone_is_used():
    for kind, capacity in HOUSES:
        chart = house(kind, capacity)
        assert {section.zone for section in chart.sections} == set(range(len(chart.zones))), (kind, capacity)


@pytest.mark.parametrize("kind", CAPACITIES)
def test_a_capacity_that_no_such_house_has_is_refused(kind):
    least, most = CAPACITIES[kind]
    for capacity in (least - 1, most + 1, 0, -5):
        with pytest.raises(ValueError, match="places, not"):
            generate(kind, capacity, "Impossible")

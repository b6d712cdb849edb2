"""The wire form of a chart, what its validator refuses, and that Layout agrees with a naive reading."""

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.catalog.chart import (
    Chart,
    ChartError,
    Layout,
    Row,
    Section,
    chart_hash,
    check,
    decode,
    encode,
    seat_points,
)
from onsale.limits import CHART_BYTES_MAX, CHART_OUTLINE_POINTS_MAX, CHART_ZONES_MAX

SMALL: dict[str, Any] = {
    "v": 1,
    "name": "The Small Room",
    "kind": "club",
    "seats": 21,
    "box": [-1000, -1000, 1000, 1000],
    "focus": [0, -500],
    "zones": ["Seats", "Standing"],
    "shapes": [{"kind": "stage", "label": "Stage", "outline": [-200, -600, 200, -600, 200, -500, -200, -500]}],
    "sections": [
        {
            "name": "Left",
            "zone": 0,
            "standing": False,
            "outline": [-600, -100, -100, -100, -100, 200, -600, 200],
            "at": [-350, 50],
            "first": 0,
            "count": 7,
            "rows": [
                {"name": "A", "count": 4, "from": 1, "step": 1, "line": [-400, 0, -250, 0]},
                {"name": "B", "count": 3, "from": 12, "step": -2, "arc": [-350, 0, 100, 0, 15708]},
            ],
        },
        {
            "name": "Floor",
            "zone": 1,
            "standing": True,
            "outline": [-100, 300, 400, 300, 400, 800, -100, 800],
            "at": [0, 500],
            "first": 7,
            "count": 12,
            "rows": [],
        },
        {
            "name": "Right",
            "zone": 0,
            "standing": False,
            "outline": [100, -100, 600, -100, 600, 200],
            "at": [400, 0],
            "first": 19,
            "count": 2,
            "rows": [
                {"name": "A", "count": 1, "from": 5, "step": 1, "line": [300, 0, 400, 0]},
                {"name": "B", "count": 1, "from": 0, "step": 1, "line": [300, 90, 400, 90]},
            ],
        },
    ],
    "accessible": [[0, 2], [2, 1]],
    "restricted": [[19, 2]],
}


def wire(change: Callable[[dict[str, Any]], object] = lambda chart: None) -> bytes:
    """The small chart as compact JSON, after a change."""
    chart = json.loads(json.dumps(SMALL))
    change(chart)
    return json.dumps(chart, separators=(",", ":")).encode()


def test_the_wire_form_is_read_and_written_byte_for_byte():
    assert encode(decode(wire())) == wire()


def test_the_address_of_a_chart_is_the_hash_of_its_bytes():
    assert chart_hash(wire()) == hashlib.sha256(wire()).hexdigest()


def test_a_line_spreads_its_seats_evenly_from_end_to_end():
    row = Row("A", 4, 1, 1, line=(-400, 0, -250, 30))
    assert seat_points(row) == [(-400, 0), (-350, 10), (-300, 20), (-250, 30)]


def test_an_arc_spreads_its_seats_evenly_in_angle():
    quarter = round(math.pi / 2 * 10_000)
    points = seat_points(Row("A", 3, 1, 1, arc=(100, 200, 50, 0, quarter)))
    expected = [(150, 200), (100 + 50 * math.sqrt(0.5), 200 + 50 * math.sqrt(0.5)), (100, 250)]
    assert points == [pytest.approx(point, abs=0.01) for point in expected]


def test_a_row_of_one_seat_stands_at_the_first_end():
    assert seat_points(Row("A", 1, 1, 1, line=(300, 5, 400, 6))) == [(300, 5)]
    assert seat_points(Row("A", 1, 1, 1, arc=(0, 0, 100, 0, 9_000))) == [(100, 0)]


def put(path: str, value: object) -> Callable[[dict[str, Any]], object]:
    """A change that puts a value at a place like "sections.0.zone"."""
    *way, last = [int(step) if step.isdigit() else step for step in path.split(".")]

    def change(chart: dict[str, Any]) -> None:
        inner: Any = chart
        for step in way:
            inner = inner[step]
        inner[last] = value

    return change


FAULTS = [
    (put("v", 2), "wire version"),
    (put("name", ""), "the chart is called"),
    (put("name", "two\nlines"), "cannot be printed"),
    (put("name", " padded"), "cannot be printed"),
    (put("name", "x" * 81), "cannot be printed"),
    (put("kind", "circus"), "not a chart"),
    (put("seats", 22), "sections hold 21 places, the chart says 22"),
    (put("seats", 0), "not between"),
    (put("seats", 10**7), "not between"),
    (put("box", [1000, -1000, -1000, 1000]), "empty or turned over"),
    (put("box", [-1000, -1000, 1000, 10**6]), "larger than any venue"),
    (put("focus", [0, 10**6]), "focus"),
    (put("zones", []), "zones"),
    (put("zones", ["Seats", "Seats"]), "two zone names"),
    (put("zones", [f"Zone {i}" for i in range(CHART_ZONES_MAX + 1)]), "zones"),
    (put("shapes.0.kind", "tower"), "not a chart"),
    (put("shapes.0.label", "x" * 81), "too long"),
    (put("shapes.0.outline", [0, 0, 5000, 0, 0, 5]), "leaves the box"),
    (put("sections", []), "0 sections"),
    (put("sections.1.name", "Left"), "two section names are 'Left'"),
    (put("sections.0.name", ""), "a section is called"),
    (put("sections.1.first", 8), "begins at seat 8, expected 7"),
    (put("sections.0.count", 8), "says 8 seats, its rows hold 7"),
    (put("sections.1.count", 0), "no places"),
    (put("sections.0.zone", 2), "zone 2 of 2"),
    (put("sections.0.zone", -1), "zone -1 of 2"),
    (put("sections.0.standing", True), "standing area with rows"),
    (put("sections.0.outline", [0, 0, 1, 1]), "three points"),
    (put("sections.0.outline", [0, 0, 1, 1, 2, 2, 3]), "three points"),
    (put("sections.0.outline", [0, 0] * (CHART_OUTLINE_POINTS_MAX + 1)), "too many points"),
    (put("sections.0.at", [2000, 0]), "outside the box"),
    (put("sections.0.rows.1.name", "A"), "two row in section 'Left', names are 'A'"),
    (put("sections.0.rows.0.name", "\u202eA"), "a row is called"),
    (put("sections.0.rows.0.count", 0), "says 7 seats, its rows hold 3"),
    (put("sections.0.rows.0.step", 0), "same number"),
    (put("sections.0.rows.0.from", -1), "below 0"),
    (put("sections.0.rows.1.from", 3), "below 0"),
    (put("sections.0.rows.0.arc", [0, 0, 100, 0, 9000]), "and not both"),
    (lambda chart: chart["sections"][0]["rows"][0].pop("line"), "needs a line or an arc"),
    (put("sections.0.rows.0.line", [0, 0, 10**6, 0]), "not near the venue"),
    (put("sections.0.rows.0.line", [0, 0, 30, 0]), "closer than"),
    (put("sections.0.rows.1.arc", [0, 0, -100, 0, 9000]), "radius"),
    (put("sections.0.rows.1.arc", [0, 0, 100, 50, 50]), "closer than"),
    (put("sections.0.rows.0.line", [0, 0, 200.5, 0]), "not a chart"),
    (put("accessible", [[20, 2]]), "past the last seat"),
    (put("accessible", [[-1, 2]]), "overlaps or precedes"),
    (put("accessible", [[0, 3], [2, 2]]), "overlaps or precedes"),
    (put("restricted", [[5, 1], [0, 1]]), "overlaps or precedes"),
    (put("restricted", [[5, 0]]), "is empty"),
    (put("extra", 1), "not a chart"),
    (lambda chart: chart.pop("zones"), "not a chart"),
]


@pytest.mark.parametrize(("change", "message"), FAULTS, ids=range(len(FAULTS)))
def test_a_bad_chart_is_refused_with_the_reason(change, message):
    with pytest.raises(ChartError, match=message):
        decode(wire(change))


def test_bytes_that_are_no_json_or_too_many_are_refused():
    with pytest.raises(ChartError, match="not a chart"):
        decode(b"\xff{")
    with pytest.raises(ChartError, match="bytes, more than"):
        decode(b" " * (CHART_BYTES_MAX + 1))


def test_a_row_in_a_section_of_its_own_with_no_seats_is_refused():
    def change(chart: dict[str, Any]) -> None:
        rows = chart["sections"][0]["rows"]
        rows[0]["count"], rows[1]["count"] = 0, 7
        rows[1].update({"from": 20, "arc": [-350, 0, 200, 0, 15708]})

    with pytest.raises(ChartError, match="row 'A' of section 'Left' has no seats"):
        decode(wire(change))


# -- Layout against a naive reading --------------------------------------------------------------------------


def naive(chart: Chart) -> list[dict[str, Any]]:
    """Every place spelled out, the slow and obvious way."""
    places: list[dict[str, Any]] = []
    row_index = 0
    for section in chart.sections:
        common = {"section": section.name, "zone": section.zone, "standing": section.standing}
        for number in range(section.count if section.standing else 0):
            away = math.dist(section.at, chart.focus)
            places.append({**common, "row": "", "seat": str(number + 1), "index": row_index, "away": away})
        row_index += section.standing
        for row in section.rows:
            for number, point in enumerate(seat_points(row)):
                seat = str(row.first_number + row.step * number)
                away = math.dist(point, chart.focus)
                places.append({**common, "row": row.name, "seat": seat, "index": row_index, "away": away})
            row_index += 1
    for what, runs in (("accessible", chart.accessible), ("restricted", chart.restricted)):
        inside = {seat_no for first, count in runs for seat_no in range(first, first + count)}
        for seat_no, place in enumerate(places):
            place[what] = seat_no in inside
    return places


def assert_layout_agrees(chart: Chart) -> None:
    layout, places = Layout(chart), naive(chart)
    assert layout.seats == len(places) == len(layout.row_index) == len(layout.quality) == len(layout.zones())
    for seat_no, place in enumerate(places):
        assert layout.label(seat_no) == (place["section"], place["row"], place["seat"])
        assert layout.section_of(seat_no).name == place["section"]
        assert layout.zone_of(seat_no) == layout.zones()[seat_no] == place["zone"]
        assert layout.row_index[seat_no] == place["index"]
        assert layout.row_starts[place["index"]] <= seat_no < layout.row_starts[place["index"] + 1]
        assert abs(layout.quality[seat_no] - place["away"]) <= 1
        assert layout.is_standing(seat_no) == place["standing"]
        assert layout.is_accessible(seat_no) == place["accessible"]
        assert layout.is_restricted(seat_no) == place["restricted"]
    for section in chart.sections:
        assert layout.section_range(section.name) == range(section.first, section.first + section.count)


def test_layout_agrees_with_the_small_chart_read_seat_by_seat():
    assert_layout_agrees(decode(wire()))


def test_layout_prints_what_a_person_expects():
    layout = Layout(decode(wire()))
    assert [layout.label(seat_no) for seat_no in (0, 4, 6, 7, 18, 19)] == [
        ("Left", "A", "1"),
        ("Left", "B", "12"),
        ("Left", "B", "8"),
        ("Floor", "", "1"),
        ("Floor", "", "12"),
        ("Right", "A", "5"),
    ]
    assert list(layout.row_starts) == [0, 4, 7, 19, 20, 21]


@pytest.mark.parametrize("seat_no", [-1, 21, 10**9])
def test_a_seat_outside_the_chart_is_an_error_and_never_another_seat(seat_no):
    layout = Layout(decode(wire()))
    asks = ["label", "section_of", "zone_of", "is_accessible", "is_restricted", "is_standing"]
    for ask in (getattr(layout, name) for name in asks):
        with pytest.raises(IndexError):
            ask(seat_no)


def test_an_unknown_section_is_a_key_error():
    with pytest.raises(KeyError):
        Layout(decode(wire())).section_range("Nowhere")


def test_the_zones_handed_out_are_a_copy():
    layout = Layout(decode(wire()))
    layout.zones()[0] = 9
    assert layout.zone_of(0) == 0


@st.composite
def rows(draw: st.DrawFn, name: str) -> Row:
    count, first = draw(st.integers(1, 9)), draw(st.integers(20, 99))
    step = draw(st.sampled_from([1, 2, -1, -2]))
    at = draw(st.tuples(st.integers(-900, 900), st.integers(-900, 900)))
    if draw(st.booleans()):
        return Row(name, count, first, step, line=(*at, at[0] + 60 * count, at[1]))
    return Row(name, count, first, step, arc=(*at, draw(st.integers(100, 900)), -31_000, 31_000))


@st.composite
def runs(draw: st.DrawFn, seats: int) -> tuple[tuple[int, int], ...]:
    edges = sorted(draw(st.sets(st.integers(0, seats), max_size=8)))
    return tuple((first, end - first) for first, end in zip(edges[::2], edges[1::2], strict=False))


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    sections: list[Section] = []
    first = 0
    for number in range(draw(st.integers(1, 4))):
        standing, zone = draw(st.booleans()), draw(st.integers(0, 2))
        inner = () if standing else tuple(draw(rows(name)) for name in "ABC"[: draw(st.integers(1, 3))])
        count = draw(st.integers(1, 20)) if standing else sum(row.count for row in inner)
        sections.append(Section(f"S{number}", zone, standing, (0, 0, 9, 0, 9, 9), (5, 3), first, count, inner))
        first += count
    return Chart(
        v=1,
        name="Drawn",
        kind="club",
        seats=first,
        box=(-2000, -2000, 2000, 2000),
        focus=draw(st.tuples(st.integers(-900, 900), st.integers(-900, 900))),
        zones=("Best", "Good", "Fair"),
        shapes=(),
        sections=tuple(sections),
        accessible=draw(runs(first)),
        restricted=draw(runs(first)),
    )


@settings(max_examples=150, deadline=None, print_blob=True)
@given(charts())
def test_any_chart_passes_the_check_round_trips_and_is_looked_up_right(chart):
    check(chart)
    assert decode(encode(chart)) == chart
    assert_layout_agrees(chart)

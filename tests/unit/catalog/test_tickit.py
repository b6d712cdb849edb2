"""Reading the TICKIT files: an invented sample in their form, good and bad."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from onsale.catalog import TICKIT_FILES, BadTickit, generate_chart, read_tickit
from onsale.catalog.draft import check_event, check_venue

NOW = datetime(2027, 5, 1, 12, tzinfo=UTC)
SAMPLE = {
    "venue_pipe.txt": (
        "1|Harbour Stadium|Springfield|IL|0\n"
        "2|Grand Bowl|Riverton|NJ|60000\n"
        "7|The Little Theatre|New York City|NY|0\n"
        "9|Sands Hotel|Las Vegas|NV|\n"
        "12|Maple Centre|Toronto|ON|0\n"
    ),
    "category_pipe.txt": "6|Shows|Musicals|Musical theatre\n9|Concerts|Pop|All rock and pop\n",
    "date2008_pipe.txt": (
        "1827|2020-01-01|WE|1|JAN|1|2020|1\n1886|2020-02-29|SA|9|FEB|1|2020|0\n2192|2020-12-31|TH|1|DEC|4|2020|0\n"
    ),
    "allevents_pipe.txt": (
        "1|7|6|1827|The Ladder|2020-01-01 19:30:00\n"
        "2|9|6|1886|Leap!|2020-03-01 15:00:00\n"
        "3|2|9|2192|Paper Comets|2020-12-31 20:00:00\n"
        "4|12|9|2192|Moss & Marble|2020-12-31 14:30:00\n"
        "\n"
    ),
}


def test_all_of_it_moves_by_the_same_whole_years_past_now() -> None:
    events = read_tickit(SAMPLE, NOW).events
    ny, vegas, toronto = ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles"), ZoneInfo("America/Toronto")
    assert events[0].starts_at == datetime(2028, 1, 1, 19, 30, tzinfo=ny)
    assert events[1].starts_at == datetime(2028, 2, 29, 15, tzinfo=vegas), "the day is the date file's, not the start's"
    assert events[3].starts_at == datetime(2028, 12, 31, 14, 30, tzinfo=toronto)
    assert all(event.starts_at > NOW for event in events)


def test_the_29th_of_february_moves_to_the_28th_where_there_is_none() -> None:
    events = read_tickit(SAMPLE, NOW - timedelta(days=365)).events
    assert events[1].starts_at.date() == date(2027, 2, 28)


def test_a_sample_of_the_future_stays_where_it_is() -> None:
    assert read_tickit(SAMPLE, datetime(2019, 7, 1, tzinfo=UTC)).events[0].starts_at.year == 2020


def test_a_missing_capacity_is_made_up_by_the_kind_of_house() -> None:
    venues = read_tickit(SAMPLE, NOW).venues
    houses = {venue.venue.name: (venue.kind, venue.seats) for venue in venues}
    assert houses == {
        "Harbour Stadium": ("stadium", 40_000),
        "Grand Bowl": ("stadium", 60_000),
        "The Little Theatre": ("theatre", 1_400),
        "Sands Hotel": ("theatre", 1_200),
        "Maple Centre": ("arena", 17_500),
    }
    assert [venue.venue.country for venue in venues] == ["US", "US", "US", "US", "CA"]


def test_what_is_read_can_be_listed() -> None:
    season = read_tickit(SAMPLE, NOW)
    for event in season.events:
        planned = season.venues[event.venue]
        zones = generate_chart(planned.kind, 1_000, planned.venue.name, planned.seed).zones
        check_venue(planned.venue)
        check_event(event.draft(1, 1, "aa", zones), zones)
    assert [event.currency for event in season.events] == ["USD", "USD", "USD", "CAD"]
    assert season.organisers == ("Tickit Box Office",)


@pytest.mark.parametrize(
    ("file", "line", "place"),
    [
        ("venue_pipe.txt", "3|Short|Line", "venue_pipe.txt, line 6"),
        ("venue_pipe.txt", "3|Far Hall|Paris|XX|0", "venue_pipe.txt, line 6"),
        ("venue_pipe.txt", "3|Far Hall|Boston|MA|many", "venue_pipe.txt, line 6"),
        ("category_pipe.txt", "x|Shows|Plays|All", "category_pipe.txt, line 3"),
        ("date2008_pipe.txt", "5|2020-02-30", "date2008_pipe.txt, line 4"),
        ("allevents_pipe.txt", "9|99|6|1827|Nowhere|2020-01-01 19:30:00", "allevents_pipe.txt, line 6"),
        ("allevents_pipe.txt", "9|7|5|1827|Nothing|2020-01-01 19:30:00", "allevents_pipe.txt, line 6"),
        ("allevents_pipe.txt", "9|7|6|1|Never|2020-01-01 19:30:00", "allevents_pipe.txt, line 6"),
        ("allevents_pipe.txt", "9|7|6|1827|Late|2020-01-01", "allevents_pipe.txt, line 6"),
        ("allevents_pipe.txt", "²|7|²|1827|Odd|2020-01-01 19:30:00", "allevents_pipe.txt, line 6"),
    ],
)
def test_a_bad_line_is_named(file: str, line: str, place: str) -> None:
    with pytest.raises(BadTickit, match=place):
        read_tickit(SAMPLE | {file: SAMPLE[file] + line + "\n"}, NOW)


@pytest.mark.parametrize("file", TICKIT_FILES)
def test_a_missing_file_is_named(file: str) -> None:
    with pytest.raises(BadTickit, match=file):
        read_tickit({name: text for name, text in SAMPLE.items() if name != file}, NOW)

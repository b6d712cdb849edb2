"""What an event is at a moment, what can be listed, and how a list goes on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onsale.catalog import EventStatus, Listing, parse_cursor, parse_event_id, status_of
from onsale.catalog.draft import NewEvent, NewTier, NewVenue, check_event, check_venue, slug_of
from onsale.catalog.errors import EventNotFound, InvalidCursor, InvalidEvent, InvalidVenue
from onsale.catalog.model import Cursor, Event, Organiser, Tier, Venue
from onsale.catalog.season import PALETTE, priced

NOW = datetime(2027, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ZONES = ("Front", "Middle", "Back")


def tier(number: int, left: int | None) -> Tier:
    return Tier(number, f"Tier {number}", (number - 1,), 4500, 500, "#0072b2", left)


def event(**changes: Any) -> Event:
    """An event whose sale is open at NOW."""
    base = Event(
        event_id=17,
        slug="winter-gala",
        title="Winter Gala",
        summary="",
        description="",
        image=None,
        genre="opera",
        genre_name="Opera",
        starts_at=NOW + 48 * HOUR,
        doors_at=None,
        ends_at=NOW + 51 * HOUR,
        opens_at=NOW - HOUR,
        closes_at=NOW + 48 * HOUR,
        said=None,
        on_sale=True,
        currency="EUR",
        hold_s=300,
        seats_per_hold=8,
        seats_per_person=8,
        several_holds=False,
        guests=True,
        chart_id=1,
        chart_hash="aa",
        chart_seats=100,
        organiser=Organiser(1, "us", "Us"),
        venue=Venue(1, "hall", "Hall", "", "Lyon", "FR", None, None, "Europe/Paris"),
        tiers=(tier(1, 5), tier(2, 0)),
    )
    return replace(base, **changes)


def draft(**changes: Any) -> NewEvent:
    """An event that can be listed."""
    base = NewEvent(
        organiser_id=1,
        venue_id=1,
        chart_hash="aa",
        genre="Opera",
        title="Winter Gala",
        starts_at=NOW + 48 * HOUR,
        ends_at=NOW + 51 * HOUR,
        opens_at=NOW,
        closes_at=NOW + 48 * HOUR,
        currency="EUR",
        tiers=priced(ZONES, 9000, 3000),
    )
    return replace(base, **changes)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, EventStatus.OPEN),
        ({"opens_at": NOW}, EventStatus.OPEN),
        ({"opens_at": NOW + timedelta(microseconds=1)}, EventStatus.UPCOMING),
        ({"on_sale": False}, EventStatus.UPCOMING),
        ({"closes_at": NOW}, EventStatus.ENDED),
        ({"ends_at": NOW}, EventStatus.ENDED),
        ({"tiers": (tier(1, 0), tier(2, 0))}, EventStatus.SOLD_OUT),
        ({"tiers": (tier(1, 0), tier(2, None))}, EventStatus.OPEN),
        ({"tiers": ()}, EventStatus.OPEN),
        ({"tiers": (tier(1, 0),), "opens_at": NOW + HOUR}, EventStatus.UPCOMING),
        ({"said": "CANCELLED"}, EventStatus.CANCELLED),
        ({"said": "POSTPONED", "ends_at": NOW - HOUR}, EventStatus.POSTPONED),
    ],
)
def test_the_status_follows_from_word_times_and_seats(changes: dict[str, Any], status: EventStatus) -> None:
    assert status_of(event(**changes), NOW) is status


def test_a_price_shown_is_all_in() -> None:
    assert event().price_from_minor == 5000
    assert event(tiers=()).price_to_minor is None


def test_seats_left_are_unknown_until_every_tier_is_known() -> None:
    assert event().seats_left == 5
    assert event(tiers=(tier(1, 5), tier(2, None))).seats_left is None
    assert event(tiers=()).seats_left is None


def test_an_event_is_named_by_its_number() -> None:
    assert parse_event_id("17") == 17


@pytest.mark.parametrize(
    "text",
    ["", "0", "-1", "017", "1.5", "x", "17x", " 17", "\u0661\u0667", "9" * 19, "9" * 400, "²", "17\0", "17-gala"],
)
def test_an_odd_id_is_an_event_that_does_not_exist(text: str) -> None:
    with pytest.raises(EventNotFound):
        parse_event_id(text)


def test_a_cursor_comes_back_as_it_was() -> None:
    for moment in (NOW, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)):
        cursor = Cursor(moment, 2**63 - 1)
        assert parse_cursor(str(cursor)) == cursor


@pytest.mark.parametrize("text", ["", "x", "é", "AAAA", "=" * 24, "A" * 500, "f" * 22, "\0" * 22, "________8A"])
def test_a_cursor_we_did_not_make_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        parse_cursor(text)


def test_a_search_looks_for_each_word_once() -> None:
    assert Listing(q="  Jazz\0 jazz LYON ").words == ["jazz", "lyon"]
    assert len(Listing(q=" ".join(f"w{i}" for i in range(100))).words) == 8


def test_a_page_has_a_bound() -> None:
    assert Listing(limit=10_000).rows == 100
    assert Listing(limit=-5).rows == 1


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Ópera: El Niño & the Sea", "opera-el-nino-the-sea"),
        ("Don't Stop", "dont-stop"),
        ("  --  ", ""),
        ("Straße 9", "strasse-9"),
        ("日本の夜", "日本の夜"),
        ("a/../b?c#d", "a-b-c-d"),
        ("x" * 300, "x" * 80),
    ],
)
def test_a_slug_is_safe_in_an_address(text: str, slug: str) -> None:
    assert slug_of(text) == slug


def test_an_event_that_is_right_can_be_listed() -> None:
    check_event(draft(), ZONES)
    check_event(draft(chart_hash=None, tiers=()), None)
    assert draft(title="!!!").slug == "event"


def _tiers(**changes: Any) -> tuple[NewTier, ...]:
    first, *rest = priced(ZONES, 9000, 3000)
    return (replace(first, **changes), *rest)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"title": ""}, "title"),
        ({"title": "two\nlines"}, "title"),
        ({"title": " padded"}, "title"),
        ({"title": "x" * 161}, "title"),
        ({"title": "\ud800"}, "title"),
        ({"genre": "&"}, "genre"),
        ({"summary": "\0"}, "summary"),
        ({"description": "\0"}, "description"),
        ({"image": "https://elsewhere.example/a.png"}, "image"),
        ({"image": "/static/../account"}, "image"),
        ({"starts_at": datetime(2027, 6, 1)}, "starts_at"),  # noqa: DTZ001 - the fault under test
        ({"doors_at": NOW + 49 * HOUR}, "doors_at"),
        ({"ends_at": NOW + 48 * HOUR}, "ends_at"),
        ({"ends_at": NOW + timedelta(days=34)}, "ends_at"),
        ({"closes_at": NOW}, "closes_at"),
        ({"closes_at": NOW + 52 * HOUR}, "closes_at"),
        ({"currency": "eur"}, "currency"),
        ({"hold_s": 9}, "hold_s"),
        ({"hold_s": 601}, "hold_s"),
        ({"seats_per_hold": 0}, "seats_per_hold"),
        ({"seats_per_hold": 21, "seats_per_person": 21}, "seats_per_hold"),
        ({"seats_per_person": 7}, "seats_per_person"),
        ({"tiers": _tiers(face_minor=-1)}, "tiers"),
        ({"tiers": _tiers(face_minor=10**9)}, "tiers"),
        ({"tiers": _tiers(colour="#0072B2")}, "tiers"),
        ({"tiers": _tiers(colour="red")}, "tiers"),
        ({"tiers": _tiers(name="")}, "tiers"),
        ({"tiers": _tiers(name="Back")}, "tiers"),
        ({"tiers": _tiers(zones=(0, 1))}, "tiers"),
        ({"tiers": _tiers(zones=())}, "tiers"),
        ({"tiers": _tiers(zones=(0, 3))}, "tiers"),
        ({"tiers": priced(ZONES[:2], 9000, 3000)}, "tiers"),
        ({"tiers": ()}, "tiers"),
    ],
)
def test_an_event_that_cannot_stand_is_refused_by_its_field(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidEvent) as refusal:
        check_event(draft(**changes), ZONES)
    assert refusal.value.extra == {"field": field}


def test_zones_without_a_chart_are_refused() -> None:
    with pytest.raises(InvalidEvent):
        check_event(draft(chart_hash=None), None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": "—"}, "name"),
        ({"city": ""}, "city"),
        ({"address": "a\0"}, "address"),
        ({"country": "France"}, "country"),
        ({"timezone": "Mars/Olympus"}, "timezone"),
        ({"timezone": "../../etc/passwd"}, "timezone"),
        ({"timezone": "Europe"}, "timezone"),
        ({"timezone": ""}, "timezone"),
        ({"latitude": 45.0}, "latitude"),
        ({"latitude": 91.0, "longitude": 0.0}, "latitude"),
        ({"latitude": float("nan"), "longitude": 0.0}, "latitude"),
    ],
)
def test_a_venue_that_cannot_stand_is_refused_by_its_field(changes: dict[str, Any], field: str) -> None:
    venue = NewVenue(name="Hall", city="Lyon", country="FR", timezone="Europe/Paris")
    check_venue(venue)
    with pytest.raises(InvalidVenue) as refusal:
        check_venue(replace(venue, **changes))
    assert refusal.value.extra == {"field": field}


@pytest.mark.parametrize("count", [1, 2, 3, 7, 8, 20, 64])
def test_every_zone_gets_one_price_and_no_colour_is_used_twice(count: int) -> None:
    tiers = priced([f"Zone {i}" for i in range(count)], 15000, 2500)
    assert [zone for tier in tiers for zone in tier.zones] == list(range(count))
    assert len({tier.colour for tier in tiers}) == len(tiers) == min(count, len(PALETTE))


def test_prices_fall_from_the_best_zone_to_the_cheapest() -> None:
    prices = [tier.face_minor + tier.fee_minor for tier in priced(ZONES, 9000, 3000)]
    assert prices == [9000, 5200, 3000]
    assert [t.face_minor + t.fee_minor for t in priced(("All",), 2000, 900)] == [2000]
    assert [t.face_minor + t.fee_minor for t in priced(ZONES, 0, 0)] == [0, 0, 0]

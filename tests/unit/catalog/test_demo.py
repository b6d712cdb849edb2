"""The demonstration season: valid at any moment, with one event in each state, in colours everybody can tell apart."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import combinations
from zoneinfo import ZoneInfo

import pytest

from onsale.catalog import Chart, demo_season, generate_chart
from onsale.catalog.draft import check_event, check_venue
from onsale.catalog.season import PALETTE, PlannedEvent, PlannedVenue

NOW = datetime(2027, 5, 1, 12, 34, 56, 789, tzinfo=UTC)
MOMENTS = [NOW, datetime(2028, 2, 29, 23, 59, tzinfo=UTC), datetime(2026, 10, 25, 0, 30, tzinfo=UTC)]


@cache
def chart(venue: PlannedVenue) -> Chart:
    return generate_chart(venue.kind, venue.seats, venue.venue.name, venue.seed)


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_the_season_can_be_listed_whole(now: datetime) -> None:
    season = demo_season(now)
    for venue in season.venues:
        check_venue(venue.venue)
    for event in season.events:
        zones = chart(season.venues[event.venue]).zones
        check_event(event.draft(1, 1, "aa", zones), zones)


def test_the_season_shows_every_kind_of_house() -> None:
    venues = demo_season(NOW).venues
    assert {venue.kind for venue in venues} == {"stadium", "arena", "theatre", "club"}
    assert min(venue.seats for venue in venues) == 80
    assert max(venue.seats for venue in venues) > 60_000
    assert len({venue.venue.slug for venue in venues}) == len(venues)


@pytest.mark.parametrize("now", MOMENTS, ids=str)
def test_most_events_are_on_sale_and_each_other_state_is_there(now: datetime) -> None:
    events = demo_season(now).events
    states = Counter(_state(event, now) for event in events)
    assert states == {"open": len(events) - 4, "soon": 1, "ended": 1, "CANCELLED": 1, "POSTPONED": 1}
    (soon,) = [event for event in events if event.opens_at > now]
    assert soon.opens_at - now < timedelta(hours=1)
    assert len({event.currency for event in events}) == 3
    assert len({event.title for event in events}) == len(events)


def _state(event: PlannedEvent, now: datetime) -> str:
    if event.said:
        return event.said
    if event.closes_at <= now:
        return "ended"
    return "soon" if event.opens_at > now else "open"


def test_events_start_when_the_clocks_of_the_venue_say_so() -> None:
    season = demo_season(NOW)
    (trio,) = [event for event in season.events if event.title == "Trio Aubépine"]
    local = trio.starts_at.astimezone(ZoneInfo(season.venues[trio.venue].venue.timezone))
    assert (local.hour, local.minute, local.weekday()) == (20, 0, 1)
    assert trio.starts_at.tzinfo is UTC


# Machado, Oliveira and Fernandes (2009), severity 1.0: what a linear RGB colour looks like with each blindness.
BLINDNESSES = {
    "none": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "protan": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deutan": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritan": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


@pytest.mark.parametrize("blindness", BLINDNESSES)
def test_no_two_tiers_look_alike_with_any_colour_blindness(blindness: str) -> None:
    """A difference of 2.3 in CIELAB is just noticeable; on a map of small dots it takes several times that."""
    seen = [_lab(colour, blindness) for colour in PALETTE]
    assert min(math.dist(one, other) for one, other in combinations(seen, 2)) > 12


def _lab(colour: str, blindness: str) -> tuple[float, float, float]:
    """The colour in CIELAB (D65), as somebody with the blindness sees it."""
    rgb = [_linear(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5)]
    red, green, blue = (
        min(1.0, max(0.0, sum(weight * part for weight, part in zip(row, rgb, strict=True))))
        for row in BLINDNESSES[blindness]
    )
    x = _cube((0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.9505)
    y = _cube(0.2126 * red + 0.7152 * green + 0.0722 * blue)
    z = _cube((0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.089)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4)


def _cube(part: float) -> float:
    return part ** (1 / 3) if part > 216 / 24389 else (24389 / 27 * part + 16) / 116

"""The catalogue on a real database: what is stored, found, listed in order, remembered and locked."""

import asyncio
import base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onsale.catalog import (
    Catalog,
    Event,
    EventStatus,
    Listing,
    NewEvent,
    NewVenue,
    demo_season,
    generate_chart,
    parse_cursor,
    status_of,
)
from onsale.catalog.errors import (
    ChartNotFound,
    EventNotFound,
    InvalidEvent,
    NameTaken,
    OrganiserNotFound,
    VenueNotFound,
)
from onsale.catalog.memory import Memory
from onsale.catalog.season import priced
from onsale.catalog.service import Repeat
from onsale.kit import db, ids
from onsale.kit.problems import KeyReused, Unavailable

pytestmark = pytest.mark.anyio

NOW = datetime(2027, 5, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
CHART = generate_chart("theatre", 300, "The Hall")


@dataclass(frozen=True)
class House:
    """A catalogue with one organiser, one venue and its chart."""

    catalog: Catalog
    organiser_id: int
    venue_id: int
    chart_hash: str

    def draft(self, **changes: Any) -> NewEvent:
        base = NewEvent(
            organiser_id=self.organiser_id,
            venue_id=self.venue_id,
            chart_hash=self.chart_hash,
            genre="Jazz",
            title="Trio",
            starts_at=NOW + 7 * DAY,
            ends_at=NOW + 7 * DAY + timedelta(hours=2),
            opens_at=NOW - DAY,
            closes_at=NOW + 7 * DAY,
            currency="EUR",
            tiers=priced(CHART.zones, 6000, 2000),
        )
        return replace(base, **changes)

    def on(self, starts_at: datetime, **changes: Any) -> NewEvent:
        ends_at = starts_at + timedelta(hours=2)
        opens_at = min(NOW, starts_at) - 30 * DAY
        return self.draft(
            **{"starts_at": starts_at, "ends_at": ends_at, "closes_at": starts_at, "opens_at": opens_at} | changes
        )


@pytest.fixture
async def house(database: db.Database) -> House:
    catalog = Catalog(database)
    organiser_id = await catalog.create_organiser("Alder Trust")
    venue = NewVenue(name="The Hall", city="Lyon", country="FR", timezone="Europe/Paris", latitude=45.7, longitude=4.8)
    venue_id = await catalog.create_venue(venue)
    return House(catalog, organiser_id, venue_id, await catalog.add_chart(venue_id, CHART))


async def titles(house: House, **wanted: Any) -> list[str]:
    events, _ = await house.catalog.list_at(Listing(**wanted), NOW)
    return [event.title for event in events]


async def put_on_sale(database: db.Database, house: House, event_id: int, left: int | None = None) -> None:
    async with database.transaction() as tx:
        event = await house.catalog.event_for_sale(tx, event_id)
        await house.catalog.mark_on_sale(tx, event_id)
        if left is not None:
            await house.catalog.tell_left(tx, event_id, {tier.tier: left for tier in event.tiers})


async def test_an_event_is_read_back_as_it_was_listed(house: House) -> None:
    draft = house.draft(
        doors_at=NOW + 7 * DAY - timedelta(hours=1), image="/static/a.png", description="One\nTwo", guests=False
    )
    event = await house.catalog.event(await house.catalog.create_event(draft))
    shared = (
        *(
            "title",
            "slug",
            "summary",
            "description",
            "image",
            "doors_at",
            "starts_at",
            "ends_at",
            "opens_at",
            "closes_at",
        ),
        *("currency", "hold_s", "seats_per_hold", "seats_per_person", "several_holds", "guests", "chart_hash"),
    )
    assert {name: getattr(event, name) for name in shared} == {name: getattr(draft, name) for name in shared}
    assert (event.genre, event.genre_name, event.chart_seats) == ("jazz", "Jazz", 300)
    assert (event.organiser.slug, event.venue.slug, event.venue.latitude) == ("alder-trust", "the-hall-lyon", 45.7)
    for tier, new in zip(event.tiers, draft.tiers, strict=True):
        assert (tier.name, tier.zones, tier.face_minor, tier.fee_minor) == (
            new.name,
            new.zones,
            new.face_minor,
            new.fee_minor,
        )
    assert [tier.tier for tier in event.tiers] == [1, 2]
    assert event.starts_at.utcoffset() == timedelta(0)


async def test_an_unknown_event_is_not_found(house: House) -> None:
    for event_id in (999, 2**57):
        with pytest.raises(EventNotFound):
            await house.catalog.event(event_id)


async def test_all_new_events_are_stored_or_none(house: House) -> None:
    with pytest.raises(InvalidEvent):
        await house.catalog.create_events([house.draft(), house.draft(title="")])
    assert await titles(house) == []


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"venue_id": 999}, VenueNotFound),
        ({"chart_hash": "aa"}, ChartNotFound),
        ({"organiser_id": 999}, OrganiserNotFound),
    ],
)
async def test_an_event_stands_on_what_is_there(
    house: House, changes: dict[str, Any], refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await house.catalog.create_event(house.draft(**changes))


async def test_a_chart_of_another_venue_is_refused(house: House) -> None:
    other = await house.catalog.create_venue(NewVenue(name="Barn", city="Lyon", country="FR", timezone="Europe/Paris"))
    with pytest.raises(ChartNotFound):
        await house.catalog.create_event(house.draft(venue_id=other))


async def test_names_of_organisers_and_venues_are_unique(house: House) -> None:
    with pytest.raises(NameTaken):
        await house.catalog.create_organiser("ALDER trust")
    with pytest.raises(NameTaken):
        await house.catalog.create_venue(NewVenue(name="The Hall", city="Lyon", country="FR", timezone="Europe/Paris"))
    assert await house.catalog.organiser_named("Alder Trust") == house.organiser_id
    assert await house.catalog.organiser_named("Nobody") is None


async def test_the_same_request_again_makes_no_second_event(house: House) -> None:
    repeat = Repeat("ann POST /api/v1/events", "key-1", b"{}")
    first, second = await asyncio.gather(*(house.catalog.create_event(house.draft(), repeat) for _ in range(2)))
    assert first == second and await titles(house) == ["Trio"]
    with pytest.raises(KeyReused):
        await house.catalog.create_event(house.draft(), replace(repeat, body=b"{1}"))


async def test_members_act_for_their_organiser_only(house: House) -> None:
    ann = ids.new_person()
    other = await house.catalog.create_organiser("Others")
    await house.catalog.add_member(house.organiser_id, ann)
    await house.catalog.add_member(house.organiser_id, ann)
    assert await house.catalog.is_member(house.organiser_id, ann)
    assert not await house.catalog.is_member(other, ann)
    with pytest.raises(OrganiserNotFound):
        await house.catalog.add_member(999, ann)


# -- charts ------------------------------------------------------------------------------------------------------------


async def test_a_chart_is_stored_once_and_a_new_one_is_a_new_version(house: House, database: db.Database) -> None:
    charts = [generate_chart("theatre", seats, "The Hall") for seats in (300, 310, 320, 310)]
    hashes = await asyncio.gather(*(house.catalog.add_chart(house.venue_id, chart) for chart in charts))
    assert hashes[0] == house.chart_hash and hashes[1] == hashes[3] and len(set(hashes)) == 3
    async with database.reading() as tx:
        cursor = await tx.execute("SELECT version, seats, zones FROM chart ORDER BY version")
        rows = await cursor.fetchall()
    assert [row[0] for row in rows] == [1, 2, 3]
    assert rows[0][1:] == (300, list(CHART.zones))
    with pytest.raises(VenueNotFound):
        await house.catalog.add_chart(999, CHART)


async def test_a_layout_is_built_once_for_everybody(house: House) -> None:
    event = await house.catalog.event(await house.catalog.create_event(house.draft()))
    layouts = await asyncio.gather(*(house.catalog.layout(event) for _ in range(20)))
    assert all(layout is layouts[0] for layout in layouts)
    assert layouts[0].seats == 300
    bare = await house.catalog.event(await house.catalog.create_event(house.draft(chart_hash=None, tiers=())))
    with pytest.raises(ChartNotFound):
        await house.catalog.layout(bare)


# -- finding -----------------------------------------------------------------------------------------------------------


async def test_what_comes_soonest_is_listed_first_and_what_ended_only_when_asked_for(house: House) -> None:
    days = {"Soon": 1, "Later": 40, "Gone": -3, "Long gone": -400, "Next": 2}
    await house.catalog.create_events([house.on(NOW + days[title] * DAY, title=title) for title in days])
    assert await titles(house) == ["Soon", "Next", "Later"]
    assert await titles(house, status=EventStatus.ENDED) == ["Gone", "Long gone"]
    assert await titles(house, starts_from=NOW + 2 * DAY) == ["Next", "Later"]
    assert await titles(house, starts_to=NOW + 2 * DAY) == ["Soon", "Next"]
    assert await titles(house, status=EventStatus.ENDED, starts_from=NOW - 30 * DAY) == ["Gone"]


async def test_a_festival_under_way_is_still_listed(house: House) -> None:
    festival = house.on(NOW - 20 * DAY, title="Festival", ends_at=NOW + 5 * DAY, closes_at=NOW + 5 * DAY)
    await house.catalog.create_event(festival)
    assert await titles(house) == ["Festival"]
    assert await titles(house, starts_from=NOW) == []


async def test_all_words_must_be_found_in_any_order_and_place(house: House) -> None:
    await house.catalog.create_events(
        [house.draft(title="Trio Bleu"), house.draft(title="100% Trio_Rouge", genre="Pop")]
    )
    assert await titles(house, q="lyon TRIO hall") == ["Trio Bleu", "100% Trio_Rouge"]
    assert await titles(house, q="jazz trio") == ["Trio Bleu"]
    assert await titles(house, q="trio opera") == []
    assert await titles(house, q="%") == ["100% Trio_Rouge"]
    assert await titles(house, q="o_r") == ["100% Trio_Rouge"]
    for odd in ("\\", "'; --", "\0", "%s", "%(now)s", "\\%"):
        assert len(await titles(house, q=odd)) in (0, 2), odd


async def test_filters_narrow_the_list_together(house: House) -> None:
    other = await house.catalog.create_venue(NewVenue(name="Barn", city="Bern", country="CH", timezone="Europe/Zurich"))
    barn = house.draft(title="Barn", venue_id=other, chart_hash=None, tiers=(), genre="Pop")
    await house.catalog.create_events([house.draft(title="Hall"), barn])
    assert await titles(house, city="bern") == ["Barn"]
    assert await titles(house, genre="pop") == ["Barn"]
    assert await titles(house, genre="jazz", city="Bern") == []
    facets = await house.catalog.facets()
    assert facets.cities == ("Bern", "Lyon")
    assert [genre.name for genre in facets.genres] == ["Jazz", "Pop"]


@pytest.mark.parametrize("status", [None, EventStatus.ENDED])
async def test_pages_cover_the_list_without_gap_or_repeat(house: House, status: EventStatus | None) -> None:
    sign = -1 if status else 1
    drafts = [house.on(NOW + sign * (1 + number // 3) * DAY, title=f"{number:02}") for number in range(20)]
    await house.catalog.create_events(drafts)
    seen: list[str] = []
    after = None
    while True:
        events, following = await house.catalog.list_at(Listing(status=status, limit=7, after=after), NOW)
        seen += [event.title for event in events]
        if following is None:
            break
        after = parse_cursor(following)
    assert sorted(seen) == [f"{number:02}" for number in range(20)] and len(seen) == 20


async def test_a_cursor_from_anywhere_in_time_is_harmless(house: House) -> None:
    for micros in (-(2**55), 0, 2**57):
        text = base64.urlsafe_b64encode(micros.to_bytes(8, "big", signed=True) + bytes(8)).decode().rstrip("=")
        await house.catalog.list_at(Listing(after=parse_cursor(text)), NOW)


async def test_the_status_is_the_same_in_python_and_in_sql(house: House, database: db.Database) -> None:
    hour = timedelta(hours=1)
    event_ids = await house.catalog.create_events(
        [
            house.on(NOW + start, opens_at=NOW + opens)
            for start in (-hour, timedelta(0), hour, DAY)
            for opens in (-2 * DAY, -2 * hour, timedelta(0) if start > timedelta(0) else -3 * hour)
            for _ in range(4)
        ]
    )
    for number, event_id in enumerate(event_ids):
        if number % 4:
            await put_on_sale(database, house, event_id, left=[None, 0, 1][number % 4 - 1])
        if number % 7 == 0:
            await say(house, database, event_id, [EventStatus.CANCELLED, EventStatus.POSTPONED][number % 2])
    events = [await house.catalog.event(event_id) for event_id in event_ids]
    for moment in (NOW - hour, NOW, NOW + hour, NOW + 3 * hour):
        for status in EventStatus:
            found, _ = await house.catalog.list_at(Listing(status=status, limit=100), moment)
            assert _ids(found) == {
                event.event_id
                for event in events
                if status_of(event, moment) is status and (event.ends_at > moment or status is EventStatus.ENDED)
            }, (moment, status)
        unfiltered, _ = await house.catalog.list_at(Listing(limit=100), moment)
        shown = [e for e in events if status_of(e, moment) is not EventStatus.ENDED and e.ends_at > moment]
        assert _ids(unfiltered) == {event.event_id for event in shown}


async def say(house: House, database: db.Database, event_id: int, said: EventStatus | None) -> None:
    """The organiser's word as the room above says it."""
    async with database.transaction() as tx:
        await house.catalog.say(tx, event_id, said)
    house.catalog.forget(event_id)


def _ids(events: Sequence[Event]) -> set[int]:
    return {event.event_id for event in events}


# -- changing ----------------------------------------------------------------------------------------------------------


async def test_this_process_sees_its_own_word_at_once(house: House, database: db.Database) -> None:
    event_id = await house.catalog.create_event(house.draft())
    assert (await house.catalog.event(event_id)).said is None
    await say(house, database, event_id, EventStatus.CANCELLED)
    assert (await house.catalog.event(event_id)).said == "CANCELLED"
    await say(house, database, event_id, None)
    assert (await house.catalog.event(event_id)).said is None
    with pytest.raises(EventNotFound):
        await say(house, database, 999, EventStatus.CANCELLED)


async def test_going_on_sale_and_seats_left_show_in_the_event(house: House, database: db.Database) -> None:
    event_id = await house.catalog.create_event(house.draft())
    await put_on_sale(database, house, event_id, left=7)
    async with database.transaction() as tx:
        await house.catalog.tell_left(tx, event_id, {1: 3, 99: 5})
        await house.catalog.tell_left(tx, event_id, {})
    event = await house.catalog.event(event_id)
    assert event.on_sale and [tier.seats_left for tier in event.tiers] == [3, 7]


async def test_two_who_put_an_event_on_sale_take_turns(house: House, database: db.Database) -> None:
    event_id = await house.catalog.create_event(house.draft())
    async with database.transaction() as tx:
        await house.catalog.event_for_sale(tx, event_id)
        second = asyncio.ensure_future(put_on_sale(database, house, event_id))
        done, _ = await asyncio.wait({second}, timeout=0.2)
        assert not done, "the second waits for the first"
        await house.catalog.mark_on_sale(tx, event_id)
    await second
    async with database.transaction() as tx:
        with pytest.raises(EventNotFound):
            await house.catalog.event_for_sale(tx, 999)
        with pytest.raises(EventNotFound):
            await house.catalog.mark_on_sale(tx, 999)


async def test_nothing_is_kept_when_the_transaction_above_fails(house: House, database: db.Database) -> None:
    event_id = await house.catalog.create_event(house.draft())

    async def fail_after_marking() -> None:
        async with database.transaction() as tx:
            await house.catalog.mark_on_sale(tx, event_id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_after_marking()
    assert not (await house.catalog.event(event_id)).on_sale


async def test_the_demonstration_season_can_be_stored(house: House, database: db.Database) -> None:
    season, catalog = demo_season(NOW), house.catalog
    organisers = {name: await catalog.create_organiser(name) for name in season.organisers}
    grounds = []
    for planned in season.venues:
        chart = generate_chart(planned.kind, planned.seats, planned.venue.name, planned.seed)
        venue_id = await catalog.create_venue(planned.venue)
        grounds.append((venue_id, await catalog.add_chart(venue_id, chart), chart.zones))
    drafts = [event.draft(organisers[event.organiser], *grounds[event.venue]) for event in season.events]
    event_ids = await catalog.create_events(drafts)
    for event_id, event in zip(event_ids, season.events, strict=True):
        if event.said:
            await say(house, database, event_id, event.said)
    assert len(await titles(house, limit=100)) == len(season.events) - 1


# -- remembering -------------------------------------------------------------------------------------------------------


class Shelf:
    """What a memory reads from: counts its reads, and can be away."""

    def __init__(self) -> None:
        self.reads: list[list[int]] = []
        self.begun = asyncio.Event()
        self.away = False
        self.now_s = 0.0

    async def read(self, keys: Sequence[int]) -> dict[int, str]:
        self.reads.append(list(keys))
        self.begun.set()
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable
        return {key: f"{key}@{self.now_s:g}" for key in keys if key >= 0}

    def memory(self, **bounds: Any) -> Memory[int, str]:
        return Memory(
            self.read, name="shelf", monotonic=lambda: self.now_s, **{"size_max": 10, "age_max_s": 1.0} | bounds
        )


async def test_a_crowd_costs_one_read() -> None:
    shelf = Shelf()
    memory = shelf.memory()
    assert await asyncio.gather(*(memory.get(1) for _ in range(100))) == ["1@0"] * 100
    assert shelf.reads == [[1]]


async def test_a_value_is_read_again_when_it_is_too_old_or_forgotten() -> None:
    shelf = Shelf()
    memory = shelf.memory()
    await memory.get(1)
    shelf.now_s = 0.999
    assert await memory.get(1) == "1@0"
    shelf.now_s = 1.0
    assert await memory.get(1) == "1@1"
    memory.forget(1)
    await memory.get(1)
    assert len(shelf.reads) == 3


async def test_what_was_read_before_a_change_is_not_kept_after_it() -> None:
    shelf = Shelf()
    memory = shelf.memory()
    slow = asyncio.ensure_future(memory.get(1))
    await shelf.begun.wait()
    memory.forget(1)
    assert await slow == "1@0"
    await memory.get(1)
    assert len(shelf.reads) == 2


async def test_the_least_recently_used_is_dropped_and_nothing_is_not_remembered() -> None:
    shelf = Shelf()
    memory = shelf.memory(size_max=2)
    for key in (1, 2, 1, 3, 1, -5, -5):
        await memory.get(key)
    assert shelf.reads == [[1], [2], [3], [-5], [-5]]
    assert await asyncio.gather(*(memory.get(key) for key in (4, 5, 6, -7))) == ["4@0", "5@0", "6@0", None]


async def test_what_was_known_is_good_for_a_while_when_the_database_is_away() -> None:
    shelf = Shelf()
    memory = shelf.memory(stale_max_s=60.0)
    await memory.get(1)
    shelf.away, shelf.now_s = True, 30.0
    assert await memory.get(1) == "1@0"
    assert await memory.get(1) == "1@0"
    assert len(shelf.reads) == 2, "the next look is put off"
    with pytest.raises(Unavailable):
        await memory.get(2)
    shelf.now_s = 61.0
    with pytest.raises(Unavailable):
        await memory.get(1)
    shelf.away = False
    assert await memory.get(1) == "1@61"

"""The catalogue's rows: the only place that runs its SQL. Functions take a transaction and never commit."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import errors

from onsale.catalog.chart import Chart
from onsale.catalog.draft import EVENT_LENGTH_MAX, NewEvent, NewVenue
from onsale.catalog.errors import OrganiserNotFound
from onsale.catalog.model import Event, EventStatus, Facets, Genre, Listing, Organiser, Tier, Venue
from onsale.kit import db
from onsale.limits import FACET_ROWS_MAX

SQL = db.load(__package__)

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_END = datetime(9999, 12, 31, tzinfo=UTC)
_LAST_ID = 2**63 - 1
# Of events_by_id: the event's own columns, then the organiser's, then the venue's.
_OWN_COLUMNS_COUNT = 24
_ORGANISER_COLUMNS_COUNT = 3


async def list_events(tx: db.Tx, wanted: Listing, now: datetime) -> list[Event]:
    """The events wanted, one more than a page where there are more, so that the caller knows."""
    ended = wanted.status is EventStatus.ENDED
    oldest = _BEGINNING if ended else now - EVENT_LENGTH_MAX
    floor_at = max(wanted.starts_from or _BEGINNING, oldest)
    first = (_END, _LAST_ID) if ended else (floor_at, 0)
    after_at, after_id = wanted.after or first
    values = {
        "now": now,
        "floor_at": floor_at,
        "ceiling_at": wanted.starts_to or _END,
        "after_at": after_at,
        "after_id": after_id,
        "city": wanted.city,
        "genre": wanted.genre,
        "status": wanted.status,
        "patterns": [f"%{_escaped(word)}%" for word in wanted.words],
        "rows": wanted.rows + 1,
    }
    cursor = await tx.execute(SQL.list_ended_events if ended else SQL.list_events, values)
    event_ids = [row[0] for row in await cursor.fetchall()]
    found = await events_by_id(tx, event_ids)
    return [found[event_id] for event_id in event_ids]


async def events_by_id(tx: db.Tx, event_ids: Sequence[int]) -> dict[int, Event]:
    """Those of the events that exist, with their tiers."""
    if not event_ids:
        return {}
    rows = await (await tx.execute(SQL.events_by_id, {"event_ids": list(event_ids)})).fetchall()
    tiers: dict[int, list[Tier]] = {row[0]: [] for row in rows}
    cursor = await tx.execute(SQL.tiers_of, {"event_ids": list(tiers)})
    for event_id, tier, name, zones, *prices in await cursor.fetchall():
        tiers[event_id].append(Tier(tier, name, tuple(zones), *prices))
    return {row[0]: _event(row, tuple(tiers[row[0]])) for row in rows}


async def locked_event(tx: db.Tx, event_id: int) -> Event | None:
    """The event as it is now, and will stay until this transaction ends."""
    if await _one(tx, SQL.lock_event, {"event_id": event_id}) is None:
        return None
    return (await events_by_id(tx, [event_id]))[event_id]


async def is_empty(tx: db.Tx) -> bool:
    row = await _one(tx, SQL.is_empty, {})
    assert row is not None
    return bool(row[0])


async def facets(tx: db.Tx, now: datetime) -> Facets:
    values = {"now": now, "floor_at": now - EVENT_LENGTH_MAX, "rows_max": FACET_ROWS_MAX}
    cities = await (await tx.execute(SQL.cities_to_come, values)).fetchall()
    genres = await (await tx.execute(SQL.genres_to_come, values)).fetchall()
    return Facets(tuple(city for (city,) in cities), tuple(Genre(*row) for row in genres))


async def chart_body(tx: db.Tx, chart_hash: str) -> bytes | None:
    row = await _one(tx, SQL.chart_body, {"hash": chart_hash})
    return bytes(row[0]) if row else None


async def insert_organiser(tx: db.Tx, slug: str, name: str) -> int | None:
    """Its id, or None when the slug is taken."""
    row = await _one(tx, SQL.insert_organiser, {"slug": slug, "name": name})
    return int(row[0]) if row else None


async def organiser_named(tx: db.Tx, slug: str) -> int | None:
    row = await _one(tx, SQL.organiser_named, {"slug": slug})
    return int(row[0]) if row else None


async def insert_member(tx: db.Tx, organiser_id: int, person: uuid.UUID) -> None:
    """Raises OrganiserNotFound."""
    try:
        await tx.execute(SQL.insert_member, {"organiser_id": organiser_id, "person": person})
    except errors.ForeignKeyViolation as error:
        raise OrganiserNotFound from error


async def is_member(tx: db.Tx, organiser_id: int, person: uuid.UUID) -> bool:
    row = await _one(tx, SQL.is_member, {"organiser_id": organiser_id, "person": person})
    return bool(row and row[0])


async def insert_venue(tx: db.Tx, venue: NewVenue) -> int | None:
    """Its id, or None when another venue of the city has the name."""
    values = {
        "slug": venue.slug,
        "name": venue.name,
        "address": venue.address,
        "city": venue.city,
        "country": venue.country,
        "latitude": venue.latitude,
        "longitude": venue.longitude,
        "timezone": venue.timezone,
    }
    row = await _one(tx, SQL.insert_venue, values)
    return int(row[0]) if row else None


async def venue_named(tx: db.Tx, slug: str) -> int | None:
    row = await _one(tx, SQL.venue_named, {"slug": slug})
    return int(row[0]) if row else None


async def lock_venue(tx: db.Tx, venue_id: int) -> bool:
    """Whether there is such a venue; if so, it is locked against another change."""
    return await _one(tx, SQL.lock_venue, {"venue_id": venue_id}) is not None


async def insert_chart(tx: db.Tx, venue_id: int, chart: Chart, chart_hash: str, body: bytes) -> None:
    """Under the lock of its venue. One that is there already is left as it is."""
    values = {
        "venue_id": venue_id,
        "hash": chart_hash,
        "name": chart.name,
        "seats": chart.seats,
        "zones": list(chart.zones),
        "body": body,
    }
    await tx.execute(SQL.insert_chart, values)


@dataclass(frozen=True, slots=True)
class Grounds:
    """What new events can stand on: venues, and charts by venue and hash with their zones."""

    venues: frozenset[int]
    charts: Mapping[tuple[int, str], tuple[int, tuple[str, ...]]]


async def grounds(tx: db.Tx, events: Sequence[NewEvent]) -> Grounds:
    values = {
        "venue_ids": sorted({event.venue_id for event in events}),
        "hashes": sorted({event.chart_hash for event in events if event.chart_hash}),
    }
    rows = await (await tx.execute(SQL.grounds, values)).fetchall()
    charts = {(row[0], row[1]): (row[2], tuple(row[3])) for row in rows if row[1] is not None}
    return Grounds(frozenset(row[0] for row in rows), charts)


async def events_named(tx: db.Tx, events: Sequence[NewEvent]) -> dict[tuple[int, str], list[int]]:
    """Ids of the events that stand at the same venues under the same names, oldest first, by venue and slug."""
    values = {
        "venue_ids": sorted({event.venue_id for event in events}),
        "slugs": sorted({event.slug for event in events}),
    }
    found: dict[tuple[int, str], list[int]] = {}
    for venue_id, slug, event_id in await (await tx.execute(SQL.events_named, values)).fetchall():
        found.setdefault((venue_id, slug), []).append(event_id)
    return found


async def insert_events(tx: db.Tx, events: Sequence[tuple[NewEvent, int | None]]) -> list[int]:
    """Ids of the new events, each given with the id of its chart. Raises OrganiserNotFound."""
    genres = {event.genre_slug: event.genre for event, _ in events}
    cursor = tx.cursor()
    # In order of the slug: two imports that bring the same new genres wait for each other and never in a circle.
    await cursor.executemany(SQL.insert_genre, [{"slug": slug, "name": genres[slug]} for slug in sorted(genres)])
    try:
        await cursor.executemany(SQL.insert_event, [_event_row(*entry) for entry in events], returning=True)
    except errors.ForeignKeyViolation as error:
        raise OrganiserNotFound from error
    event_ids = [row[0] async for result in cursor.results() async for row in result]
    assert len(event_ids) == len(events), "each new event has its id"
    tiers = [row for event_id, (event, _) in zip(event_ids, events, strict=True) for row in _tier_rows(event_id, event)]
    await cursor.executemany(SQL.insert_tier, tiers)
    return event_ids


def _event_row(event: NewEvent, chart_id: int | None) -> dict[str, Any]:
    return {
        "organiser_id": event.organiser_id,
        "venue_id": event.venue_id,
        "chart_id": chart_id,
        "genre": event.genre_slug,
        "slug": event.slug,
        "title": event.title,
        "summary": event.summary,
        "description": event.description,
        "image": event.image,
        "starts_at": event.starts_at,
        "doors_at": event.doors_at,
        "ends_at": event.ends_at,
        "opens_at": event.opens_at,
        "closes_at": event.closes_at,
        "currency": event.currency,
        "hold_s": event.hold_s,
        "seats_per_hold": event.seats_per_hold,
        "seats_per_person": event.seats_per_person,
        "several_holds": event.several_holds,
        "guests": event.guests,
    }


def _tier_rows(event_id: int, event: NewEvent) -> list[dict[str, Any]]:
    return [
        {
            "event_id": event_id,
            "tier": number,
            "name": tier.name,
            "zones": list(tier.zones),
            "face_minor": tier.face_minor,
            "fee_minor": tier.fee_minor,
            "colour": tier.colour,
        }
        for number, tier in enumerate(event.tiers, 1)
    ]


async def say(tx: db.Tx, event_id: int, said: str | None) -> bool:
    """Whether there is such an event."""
    return await _one(tx, SQL.say, {"event_id": event_id, "said": said}) is not None


async def mark_on_sale(tx: db.Tx, event_id: int) -> bool:
    """Whether there is such an event."""
    return await _one(tx, SQL.mark_on_sale, {"event_id": event_id}) is not None


async def tell_left(tx: db.Tx, event_id: int, left: Mapping[int, int]) -> None:
    tiers = sorted(left)
    await tx.execute(SQL.tell_left, {"event_id": event_id, "tiers": tiers, "lefts": [left[tier] for tier in tiers]})


async def _one(tx: db.Tx, query: Any, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
    return await (await tx.execute(query, values)).fetchone()


def _event(row: tuple[Any, ...], tiers: tuple[Tier, ...]) -> Event:
    own, others = row[:_OWN_COLUMNS_COUNT], row[_OWN_COLUMNS_COUNT:]
    organiser, venue = others[:_ORGANISER_COLUMNS_COUNT], others[_ORGANISER_COLUMNS_COUNT:]
    fields = (*own, Organiser(*organiser), Venue(*venue), tiers)
    return Event(*fields)


def _escaped(word: str) -> str:
    """A word as a pattern that matches itself: what ILIKE would take for a wildcard is taken literally."""
    return word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")

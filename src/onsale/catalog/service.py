"""The catalogue's verbs: read from memory where a second does not matter, fresh and locked where it does."""

import asyncio
import gzip
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from onsale.catalog import chart as charts
from onsale.catalog import draft, store
from onsale.catalog.chart import Chart, ChartError, Layout
from onsale.catalog.draft import NewEvent, NewVenue
from onsale.catalog.errors import (
    ChartNotFound,
    EventNotFound,
    InvalidChart,
    NameTaken,
    VenueNotFound,
)
from onsale.catalog.memory import Memory
from onsale.catalog.model import Cursor, Event, EventStatus, Facets, Listing
from onsale.kit import clock, db, idempotency
from onsale.limits import (
    CHART_BODIES_IN_MIND_MAX,
    EVENT_AGE_MAX_S,
    EVENT_STALE_MAX_S,
    EVENTS_IN_MIND_MAX,
    FACETS_AGE_MAX_S,
    LAYOUTS_IN_MIND_MAX,
    LISTS_BATCH_MAX,
    LISTS_IN_MIND_MAX,
)

Page = tuple[Sequence[Event], str | None]
"""Events, and the cursor of the page after them; None at the end."""


@dataclass(frozen=True, slots=True)
class _Body:
    plain: bytes
    gzipped: bytes


@dataclass(frozen=True, slots=True)
class Repeat:
    """How a repeated request is known: whose it is and for what, its Idempotency-Key, and its body."""

    scope: str
    key: str | None
    body: bytes


class Catalog:
    """The catalogue of one process. Methods that take a transaction never commit it."""

    def __init__(self, database: db.Database) -> None:
        self._database = database
        self._events: Memory[int, Event] = Memory(
            self._read_events,
            name="events",
            size_max=EVENTS_IN_MIND_MAX,
            age_max_s=EVENT_AGE_MAX_S,
            stale_max_s=EVENT_STALE_MAX_S,
        )
        self._layouts: Memory[str, Layout] = Memory(self._read_layouts, name="layouts", size_max=LAYOUTS_IN_MIND_MAX)
        self._bodies: Memory[str, _Body] = Memory(self._read_bodies, name="charts", size_max=CHART_BODIES_IN_MIND_MAX)
        self._lists: Memory[Listing, Page] = Memory(
            self._read_lists,
            name="lists",
            size_max=LISTS_IN_MIND_MAX,
            batch_max=LISTS_BATCH_MAX,
            age_max_s=EVENT_AGE_MAX_S,
            stale_max_s=EVENT_STALE_MAX_S,
        )
        self._facets: Memory[str, Facets] = Memory(
            self._read_facets, name="facets", size_max=1, age_max_s=FACETS_AGE_MAX_S, stale_max_s=EVENT_STALE_MAX_S
        )

    # -- reading, up to a second old -----------------------------------------------------------------------------------

    async def event(self, event_id: int) -> Event:
        """Raises EventNotFound, Unavailable."""
        event = await self._events.get(event_id)
        if event is None:
            raise EventNotFound
        return event

    async def layout(self, event: Event) -> Layout:
        """Look-ups over the event's chart, built once for everybody. Raises ChartNotFound for an event without one."""
        layout = await self._layouts.get(event.chart_hash) if event.chart_hash else None
        if layout is None:
            raise ChartNotFound
        return layout

    async def chart_body(self, chart_hash: str, *, gzipped: bool = False) -> bytes:
        """The chart's JSON as it was stored, or its gzip, made once. Raises ChartNotFound."""
        body = await self._bodies.get(chart_hash)
        if body is None:
            raise ChartNotFound
        return body.gzipped if gzipped else body.plain

    async def facets(self) -> Facets:
        """Cities and genres that have something to come."""
        facets = await self._facets.get("all")
        assert facets is not None, "reading the facets always gives them"
        return facets

    async def is_empty(self) -> bool:
        """Whether there is no event at all, not even one that has ended."""
        async with self._database.transaction() as tx:
            return await store.is_empty(tx)

    async def list(self, wanted: Listing) -> Page:
        """One page of events. However many browse, their lists use one connection, so sales find theirs free."""
        page = await self._lists.get(wanted)
        assert page is not None, "a list without events is one, too"
        return page

    async def list_at(self, wanted: Listing, now: datetime) -> Page:
        """The same as it is at `now`, read from the database."""
        async with self._database.reading() as tx:
            return await _page(tx, wanted, now)

    # -- organisers, venues, charts ------------------------------------------------------------------------------------

    async def create_organiser(
        self, name: str, *, member: uuid.UUID | None = None, repeat: Repeat | None = None
    ) -> int:
        """`member` is the first person who may act for it. Raises InvalidOrganiser, NameTaken, KeyReused."""
        draft.check_organiser(name)
        async with self._database.transaction() as tx:

            async def effect() -> str:
                organiser_id = await store.insert_organiser(tx, draft.slug_of(name), name)
                if organiser_id is None:
                    raise NameTaken(f"There is an organiser called {name!r} already")
                if member is not None:
                    await store.insert_member(tx, organiser_id, member)
                return str(organiser_id)

            return int(await _once(tx, repeat, effect))

    async def organiser_named(self, name: str) -> int | None:
        """Its id; None when there is no such organiser, so that a seed can tell whether it ran before."""
        async with self._database.transaction() as tx:
            return await store.organiser_named(tx, draft.slug_of(name))

    async def add_member(self, organiser_id: int, person: uuid.UUID) -> None:
        """Let a person act for an organiser. Raises OrganiserNotFound."""
        async with self._database.transaction() as tx:
            await store.insert_member(tx, organiser_id, person)

    async def is_member(self, organiser_id: int, person: uuid.UUID) -> bool:
        """Asked of the writing side: whoever was just let in can begin at once."""
        async with self._database.transaction() as tx:
            return await store.is_member(tx, organiser_id, person)

    async def create_venue(self, venue: NewVenue, repeat: Repeat | None = None) -> int:
        """Raises InvalidVenue, NameTaken, KeyReused."""
        draft.check_venue(venue)
        async with self._database.transaction() as tx:

            async def effect() -> str:
                venue_id = await store.insert_venue(tx, venue)
                if venue_id is None:
                    raise NameTaken(f"There is a venue called {venue.name!r} in {venue.city} already")
                return str(venue_id)

            return int(await _once(tx, repeat, effect))

    async def venue_named(self, venue: NewVenue) -> int | None:
        """Its id; None when the city has no venue of that name."""
        async with self._database.transaction() as tx:
            return await store.venue_named(tx, venue.slug)

    async def decoded(self, body: bytes) -> Chart:
        """A chart in wire form, read and checked off the event loop: a large one takes a while. Raises InvalidChart."""
        return await asyncio.to_thread(_decoded, body)

    async def add_chart(self, venue_id: int, chart: Chart, repeat: Repeat | None = None) -> str:
        """Store a chart as the venue's newest version and give its hash; one the venue has already stays as it is.

        Raises VenueNotFound, InvalidChart, KeyReused.
        """
        body = await asyncio.to_thread(_encoded, chart)
        chart_hash = charts.chart_hash(body)
        async with self._database.transaction() as tx:

            async def effect() -> str:
                if not await store.lock_venue(tx, venue_id):
                    raise VenueNotFound
                await store.insert_chart(tx, venue_id, chart, chart_hash, body)
                return chart_hash

            return await _once(tx, repeat, effect)

    # -- events --------------------------------------------------------------------------------------------------------

    async def create_event(self, event: NewEvent, repeat: Repeat | None = None) -> int:
        """The new event's id; that of the earlier one when the same request comes again under its key.

        Raises InvalidEvent, VenueNotFound, ChartNotFound, OrganiserNotFound, KeyReused.
        """
        async with self._database.transaction() as tx:

            async def effect() -> str:
                (event_id,) = await _insert(tx, [event])
                return str(event_id)

            return int(await _once(tx, repeat, effect))

    async def create_events(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """Ids of the new events, in their order: all of them, or none. Raises as `create_event` does."""
        async with self._database.transaction() as tx:
            return await _insert(tx, events)

    async def add_events(self, events: Sequence[NewEvent]) -> Sequence[int]:
        """`create_events` that may be repeated: the first event of a name at a venue is the first one there already.

        Their times are not compared: a season laid around today has others tomorrow, and is the same season.
        """
        async with self._database.transaction() as tx:
            named = await store.events_named(tx, events)
            known = [_next(named, event) for event in events]
            missing = [event for event, event_id in zip(events, known, strict=True) if event_id is None]
            made = iter(await _insert(tx, missing) if missing else ())
        return [next(made) if event_id is None else event_id for event_id in known]

    # -- for the rooms above, in their transaction ---------------------------------------------------------------------

    async def event_for_sale(self, tx: db.Tx, event_id: int) -> Event:
        """The event fresh and locked, for whoever copies it into a sale. Raises EventNotFound."""
        event = await store.locked_event(tx, event_id)
        if event is None:
            raise EventNotFound
        return event

    async def say(self, tx: db.Tx, event_id: int, said: EventStatus | None) -> None:
        """The organiser's word, CANCELLED or POSTPONED, or None to take it back. Raises EventNotFound.

        The event stays locked until the transaction ends, and its sale is told in the same one.
        """
        assert said in (None, EventStatus.CANCELLED, EventStatus.POSTPONED), "only these are said; the rest is derived"
        if not await store.say(tx, event_id, said):
            raise EventNotFound

    def forget(self, event_id: int) -> None:
        """An event was changed, and that is committed: this process shall see its own change."""
        self._events.forget(event_id)

    async def mark_on_sale(self, tx: db.Tx, event_id: int) -> None:
        """Seats are laid down; from `opens_at` the event is open. Raises EventNotFound."""
        if not await store.mark_on_sale(tx, event_id):
            raise EventNotFound

    async def tell_left(self, tx: db.Tx, event_id: int, left: Mapping[int, int]) -> None:
        """How many seats are free in each tier given; others stay as they are."""
        await store.tell_left(tx, event_id, left)

    # -- what the memories read ----------------------------------------------------------------------------------------

    async def _read_events(self, event_ids: Sequence[int]) -> Mapping[int, Event]:
        async with self._database.reading() as tx:
            return await store.events_by_id(tx, event_ids)

    async def _read_layouts(self, hashes: Sequence[str]) -> Mapping[str, Layout]:
        return {h: await asyncio.to_thread(_layout, body) for h, body in (await self._stored(hashes)).items()}

    async def _read_bodies(self, hashes: Sequence[str]) -> Mapping[str, _Body]:
        return {h: await asyncio.to_thread(_compressed, body) for h, body in (await self._stored(hashes)).items()}

    async def _stored(self, hashes: Sequence[str]) -> Mapping[str, bytes]:
        async with self._database.reading() as tx:
            bodies = [await store.chart_body(tx, chart_hash) for chart_hash in hashes]
        return {chart_hash: body for chart_hash, body in zip(hashes, bodies, strict=True) if body is not None}

    async def _read_lists(self, wanted: Sequence[Listing]) -> Mapping[Listing, Page]:
        now = clock.utcnow()
        async with self._database.reading() as tx:
            return {listing: await _page(tx, listing, now) for listing in wanted}

    async def _read_facets(self, keys: Sequence[str]) -> Mapping[str, Facets]:
        async with self._database.reading() as tx:
            facets = await store.facets(tx, clock.utcnow())
        return dict.fromkeys(keys, facets)


def _next(named: Mapping[tuple[int, str], list[int]], event: NewEvent) -> int | None:
    """The oldest event of that name at that venue which has not been given out yet."""
    left = named.get((event.venue_id, event.slug))
    return left.pop(0) if left else None


async def _once(tx: db.Tx, repeat: Repeat | None, effect: Callable[[], Awaitable[str]]) -> str:
    """The id that `effect` gives, or that it gave when the same request came before. Raises KeyReused."""

    async def answered() -> idempotency.Answer:
        return 201, (await effect()).encode()

    if repeat is None:
        return await effect()
    _, answer = await idempotency.once(tx, repeat.scope, repeat.key, repeat.body, answered)
    return answer.decode()


async def _page(tx: db.Tx, wanted: Listing, now: datetime) -> Page:
    found = await store.list_events(tx, wanted, now)
    page = found[: wanted.rows]
    more = len(found) > len(page)
    return page, str(Cursor(page[-1].starts_at, page[-1].event_id)) if more else None


async def _insert(tx: db.Tx, events: Sequence[NewEvent]) -> Sequence[int]:
    """Every refusal first; after them only writes."""
    grounds = await store.grounds(tx, events)
    return await store.insert_events(tx, [(event, _chart_of(event, grounds)) for event in events])


def _chart_of(event: NewEvent, grounds: store.Grounds) -> int | None:
    """The id of the chart of an event that can be listed. Raises InvalidEvent, VenueNotFound, ChartNotFound."""
    if event.venue_id not in grounds.venues:
        raise VenueNotFound
    if event.chart_hash is None:
        draft.check_event(event, None)
        return None
    chart = grounds.charts.get((event.venue_id, event.chart_hash))
    if chart is None:
        raise ChartNotFound("The venue has no such seating chart")
    chart_id, zones = chart
    draft.check_event(event, zones)
    return chart_id


def _encoded(chart: Chart) -> bytes:
    try:
        charts.check(chart)
    except ChartError as error:
        raise InvalidChart(f"The chart cannot be used: {error}") from error
    return charts.encode(chart)


def _decoded(body: bytes) -> Chart:
    try:
        return charts.decode(body)
    except ChartError as error:
        raise InvalidChart(f"The chart cannot be used: {error}") from error


def _layout(body: bytes) -> Layout:
    return Layout(charts.decode(body))


def _compressed(body: bytes) -> _Body:
    # Without a time in its header, the gzip of a body is the same in every process, as its ETag promises.
    return _Body(body, gzip.compress(body, 9, mtime=0))

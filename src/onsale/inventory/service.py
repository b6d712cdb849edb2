"""The verbs of inventory, as the endpoints and the rooms above use them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from onsale import limits
from onsale.catalog import Catalog, Event, Layout
from onsale.inventory import settle, store
from onsale.inventory.cache import MapCache
from onsale.inventory.choose import Chooser, Search
from onsale.inventory.errors import (
    DuplicateSeat,
    HoldNotFound,
    NoSeatsTogether,
    NotOnSale,
    SeatsTaken,
    TooManySeats,
)
from onsale.inventory.facts import SaleLaidDown
from onsale.inventory.heal import Healer
from onsale.inventory.model import Ask, Hold, HoldView, Own, Sale, SeatState
from onsale.inventory.owners import Owners
from onsale.inventory.seatmap import SeatMap
from onsale.inventory.take import Taker
from onsale.inventory.told import Changes
from onsale.kit import db, ids
from onsale.kit.facts import Facts
from onsale.kit.ids import PersonKey, ShardId
from onsale.kit.problems import KeyReused, NotFound, Overloaded


@dataclass(frozen=True, slots=True)
class Best:
    """The wish for seats together, narrowed to a tier or a section where one is named."""

    quantity: int
    tier: int | None = None
    section: str | None = None


class Inventory:
    """Seats and holds of all events. `now` in the verbs is the shard's own clock unless a test gives it."""

    def __init__(
        self, database: db.Database, catalog: Catalog, facts: Facts, map_cache: MapCache | None = None
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._facts = facts
        self.seat_map = SeatMap(database, map_cache)
        self.changes = Changes(facts, self.seat_map.tell)
        self._taker = Taker(database, self.changes, self.seat_map.taken)
        self._owners = Owners(database, self.changes)
        self._chooser = Chooser(self.seat_map)
        self._healer = Healer(database, map_cache) if map_cache else None

    async def hold(
        self, event_id: int, person: PersonKey, seats: Sequence[int], key_hash: bytes | None = None
    ) -> HoldView:
        """Hold exactly these seats, all or none. Asking for others replaces what the person has, in one step."""
        event = await self._catalog.event(event_id)
        if len(set(seats)) != len(seats):
            raise DuplicateSeat
        if not 1 <= len(seats) <= event.seats_per_hold:
            raise TooManySeats(f"One hold takes 1 to {event.seats_per_hold} seats", limit=event.seats_per_hold)
        shard_id = ids.shard_of(event_id)
        ask = Ask(person, tuple(sorted(seats)), ids.new_id(), key_hash)
        return await self._taker.take(shard_id, ask)

    async def hold_best(self, event_id: int, person: PersonKey, best: Best, key_hash: bytes | None = None) -> HoldView:
        """Hold the best free seats together. Losing the race for them, it looks again, a bounded number of times.

        Raises NoSeatsTogether when there are none, and Overloaded when others were faster each time.
        """
        event = await self._catalog.event(event_id)
        if not 1 <= best.quantity <= event.seats_per_hold:
            raise TooManySeats(f"One hold takes 1 to {event.seats_per_hold} seats", limit=event.seats_per_hold)
        layout = await self._catalog.layout(event)
        search = Search(event.chart_hash or "", layout, best.quantity, *_wish(event, layout, best))
        shard_id = ids.shard_of(event_id)
        for attempt in range(limits.BEST_ATTEMPTS_MAX):
            seats = await self._chooser.choose(shard_id, search, fresh=attempt > 0)
            if seats is None:
                if attempt > 0 and await self._chooser.nothing_left(shard_id, search):
                    return await self._answered(event_id, person, key_hash)
                await self._chooser.one_more_known(shard_id)
                continue
            with suppress(SeatsTaken), self._chooser.chosen(shard_id, seats):
                view = await self.hold(event_id, person, seats, key_hash)
                if view.hold.seats != seats:  # A repeated request: it has its answer from before.
                    self._chooser.look_anew(shard_id)
                return view
        raise Overloaded

    async def _answered(self, event_id: int, person: PersonKey, key_hash: bytes | None) -> HoldView:
        """The hold an earlier request with this key made: it may be what took the last seats.

        Raises KeyReused, and NoSeatsTogether where there is no such hold.
        """
        for view in await self.mine(event_id, person) if key_hash else ():
            if key_hash and view.hold.key_hash and view.hold.key_hash[:16] == key_hash[:16]:
                if view.hold.key_hash != key_hash:
                    raise KeyReused
                return view
        raise NoSeatsTogether

    async def read(self, shard_id: ShardId, hold_id: int, person: PersonKey) -> HoldView:
        """A hold of that person. Raises HoldNotFound for somebody else's, too: it is nobody's business."""
        async with self._database.transaction(shard_id) as tx:
            return await self.look(tx, shard_id, hold_id, person)

    async def look(self, tx: db.Tx, shard_id: ShardId, hold_id: int, person: PersonKey) -> HoldView:
        """`read` in the caller's transaction. Nothing is locked: whether it can be sold is decided when it is."""
        found = await store.read_hold(tx, shard_id, hold_id, None)
        if found is None or found[0].person != person:
            raise HoldNotFound
        return HoldView(shard_id, *found)

    async def mine(self, event_id: int, person: PersonKey) -> list[HoldView]:
        """What the person has in hand at an event now: a refresh or a second device finds it again."""
        shard_id = ids.shard_of(event_id)
        async with self._database.transaction(shard_id) as tx:
            held = await store.holds_of_person(tx, shard_id, person, None)
        return [HoldView(shard_id, hold, True, now) for hold, now in held]

    async def let_go(self, shard_id: ShardId, hold_id: int, person: PersonKey) -> None:
        """Release a hold; doing it again changes nothing. Raises HoldNotFound."""
        await self._owners.release(shard_id, Own(hold_id, person))

    async def prolong(self, shard_id: ShardId, hold_id: int, person: PersonKey) -> HoldView:
        """At least a minute more for the person, within the hold's bound. Raises HoldExpired, HoldNotFound."""
        return await self._owners.prolong(shard_id, Own(hold_id, person))

    async def extend(
        self, tx: db.Tx, shard_id: ShardId, hold_ids: Sequence[int], at_least_s: float
    ) -> list[Hold | None]:
        """In the caller's transaction: `settle.extend`."""
        return await settle.extend(self.changes, tx, shard_id, hold_ids, at_least_s)

    async def confirm(self, tx: db.Tx, shard_id: ShardId, orders: Mapping[int, int]) -> dict[int, Hold | None]:
        """In the caller's transaction: `settle.confirm`."""
        return await settle.confirm(self.changes, tx, shard_id, orders)

    async def take_back(
        self, tx: db.Tx, shard_id: ShardId, person: PersonKey, order_id: int, seat_nos: Sequence[int]
    ) -> int:
        """In the caller's transaction: `settle.take_back`."""
        return await settle.take_back(self.changes, tx, shard_id, person, order_id, seat_nos)

    async def lay_down(self, tx: db.Tx, event: Event, layout: Layout) -> int:
        """Write a seat row for each seat of an event that goes on sale; how many. 0: they were there already."""
        shard_id = ids.shard_of(event.event_id)
        sale = Sale(
            layout.seats,
            event.opens_at,
            event.closes_at,
            event.hold_s,
            event.seats_per_hold,
            event.seats_per_person,
            event.several_holds,
            called_off=event.said is not None,
            stopped=False,
        )
        tier_of = event.tier_of_zone()
        if not await store.lay_down(tx, shard_id, sale, [tier_of[zone] for zone in layout.zones()]):
            return 0
        await self._facts.record(tx, SaleLaidDown(shard_id=shard_id, seats=layout.seats))
        return layout.seats

    async def stop(self, tx: db.Tx, event_id: int, stopped: bool) -> None:
        """Stop or resume the taking of seats; holds and payments under way go on."""
        if not await store.write_stopped(tx, ids.shard_of(event_id), stopped):
            raise NotOnSale

    async def block(
        self, event_id: int, blocked: bool, seats: Sequence[int] = (), section: str | None = None
    ) -> dict[int, SeatState]:
        """Take seats or a whole section off sale, or put them back, as many as possible; how each stands then.

        Raises TooManySeats, UnknownSeat, NotOnSale, and NotFound for a section the venue does not have.
        """
        event = await self._catalog.event(event_id)
        if section is not None:
            seats = _section(await self._catalog.layout(event), section)
        if len(seats) > limits.BLOCK_SEATS_MAX:
            raise TooManySeats(f"At most {limits.BLOCK_SEATS_MAX} seats at once", limit=limits.BLOCK_SEATS_MAX)
        shard_id = ids.shard_of(event_id)
        async with self._database.pipelined(shard_id) as tx:
            return await settle.block(self.changes, tx, shard_id, seats, blocked)

    async def call_off(self, tx: db.Tx, event_id: int, called_off: bool) -> None:
        """The organiser's word as the sale knows it, apart from `stop`: taking it back lifts nobody else's stop.

        Without effect before the event is on sale; `lay_down` takes the word from the event.
        """
        await store.write_called_off(tx, ids.shard_of(event_id), called_off)

    async def count_free(self, event_id: int) -> dict[int, int]:
        """Tier -> seats left, now: on the writing side, since a later fact may never come to correct it."""
        shard_id = ids.shard_of(event_id)
        async with self._database.transaction(shard_id) as tx:
            return await store.count_free(tx, shard_id)

    async def sweep(self) -> int:
        """Show the seats of holds that have run out as free; how many holds that were."""
        return await settle.sweep(self._database, self.changes)

    async def heal(self) -> None:
        """One round of the healer: what Redis' maps missed. Raises Unavailable; the next round goes on."""
        if self._healer:
            await self._healer.round()

    async def forget_ended(self) -> int:
        """Delete holds that ended long ago; how many."""
        async with self._database.transaction() as tx:
            return await store.forget_ended_holds(tx, limits.ENDED_HOLD_KEPT_S, limits.FORGET_BATCH_MAX, None)


def _wish(event: Event, layout: Layout, best: Best) -> tuple[frozenset[int] | None, range | None]:
    """A wish in the layout's terms. Raises NotFound for a tier or section the event does not have."""
    zones, within = None, None
    if best.tier is not None:
        found = [tier for tier in event.tiers if tier.tier == best.tier]
        if not found:
            raise NotFound("This event has no such price tier")
        zones = frozenset(found[0].zones)
    if best.section is not None:
        within = _section(layout, best.section)
    return zones, within


def _section(layout: Layout, name: str) -> range:
    try:
        return layout.section_range(name)
    except KeyError:
        raise NotFound("This venue has no such section") from None

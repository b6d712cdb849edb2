"""Hot endpoints of inventory: availability and taking seats."""

from collections import Counter
from itertools import compress

import msgspec

from onsale.accounts import Shopper
from onsale.catalog import Catalog, Event, parse_event_id
from onsale.inventory.errors import AccountRequired
from onsale.inventory.model import SeatState
from onsale.inventory.schemas import HoldRequest, SeatCounts, TierCount, hold_body
from onsale.inventory.seatmap import Picture
from onsale.inventory.service import Best, Inventory
from onsale.kit import asgi, idempotency, ids, tokens
from onsale.kit.problems import Invalid, NotFound

# From the digits of a picture: true for a free seat.
_IS_FREE = bytes(state == ord("0") for state in range(256))


class InventoryEndpoints:
    def __init__(self, inventory: Inventory, catalog: Catalog) -> None:
        self._inventory = inventory
        self._catalog = catalog

    async def availability(self, request: asgi.Request) -> asgi.Answer:
        """All seats in two bits each, at most a moment old; the ETag says which version of which epoch."""
        event = await self._catalog.event(event_number(request))
        picture = await self._inventory.seat_map.picture(ids.shard_of(event.event_id))
        if not picture.states:
            raise NotFound("This event has no seats on sale")
        if request.query.get("format") == "json":
            return await self._counts(event, picture)
        etag = f'"{picture.version}-{picture.epoch.hex()}"'
        headers = (("etag", etag), ("cache-control", "public, max-age=1"))
        if request.header(b"if-none-match") == etag:
            return asgi.Answer(304, b"", headers)
        return asgi.Answer(200, picture.packed, (("content-type", "application/octet-stream"), *headers))

    async def _counts(self, event: Event, picture: Picture) -> asgi.Answer:
        tier_of = event.tier_of_zone()
        zones = (await self._catalog.layout(event)).zones()
        free = dict.fromkeys(sorted(set(tier_of.values())), 0)
        for zone, count in Counter(compress(zones, picture.states.translate(_IS_FREE))).items():
            free[tier_of[zone]] += count
        body = SeatCounts(
            version=picture.version,
            seats=len(picture.states),
            free=picture.count(SeatState.FREE),
            held=picture.count(SeatState.HELD),
            sold=picture.count(SeatState.SOLD),
            tiers=[TierCount(tier, count) for tier, count in free.items()],
        )
        return asgi.json(200, body)

    async def hold(self, shopper: Shopper, request: asgi.Request) -> asgi.Answer:
        """Take seats: chosen ones, or the best together."""
        event_id = event_number(request)
        wish = await request.json(HoldRequest)
        if (wish.seats is None) == (wish.best is None):
            raise Invalid("Send either `seats` or `best`")
        event = await self._catalog.event(event_id)
        if shopper.guest and not event.guests:
            raise AccountRequired
        key_hash = _key_hash(request, wish)
        if wish.best is not None:
            best = Best(wish.best.quantity, wish.best.tier, wish.best.section)
            view = await self._inventory.hold_best(event_id, shopper.person, best, key_hash)
        else:
            view = await self._inventory.hold(event_id, shopper.person, wish.seats or (), key_hash)
        return asgi.json(201, hold_body(view, event, await self._catalog.layout(event)))


def event_number(request: asgi.Request) -> int:
    """The event in the path."""
    return parse_event_id(request.path["event"])


def _key_hash(request: asgi.Request, wish: HoldRequest) -> bytes | None:
    """What the hold's own row keeps of an Idempotency-Key: half of it for the key, half for the body."""
    key = idempotency.checked(request.header(b"idempotency-key"))
    if key is None:
        return None
    return tokens.digest(key)[:16] + tokens.digest(msgspec.json.encode(wish).decode())[:16]

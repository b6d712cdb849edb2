"""Ordinary endpoints of holds: look at one, let it go, ask for more time. The hold itself authorises them."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from onsale.accounts import Shopper
from onsale.catalog import Catalog, parse_event_id
from onsale.inventory.errors import HoldNotFound
from onsale.inventory.model import HoldView
from onsale.inventory.schemas import HOLD_PREFIX, HoldBody, HoldsBody, hold_body
from onsale.inventory.service import Inventory
from onsale.kit import ids, openapi
from onsale.kit.http import answer
from onsale.kit.ids import ShardId

WhoIs = Callable[[Request], Awaitable[Shopper]]


def router(inventory: Inventory, catalog: Catalog, shopper: WhoIs) -> APIRouter:
    """`shopper` says whose request it is, or raises."""
    routes = APIRouter(prefix="/api/v1", tags=["holds"], default_response_class=Response)
    own: dict[str, Any] = {"openapi_extra": openapi.WITH_SESSION}

    async def body(view: HoldView) -> HoldBody:
        event = await catalog.event(ids.event_of(view.shard_id))
        return hold_body(view, event, await catalog.layout(event))

    @routes.get("/holds/{hold}", responses=openapi.json(HoldBody), **own)
    async def read_hold(hold: str, request: Request) -> Response:
        """One of your holds."""
        return answer(200, await body(await inventory.read(*_parse(hold), (await shopper(request)).person)))

    @routes.delete("/holds/{hold}", status_code=204, **own)
    async def release_hold(hold: str, request: Request) -> Response:
        """Let go of the seats. Doing it again changes nothing."""
        await inventory.let_go(*_parse(hold), (await shopper(request)).person)
        return Response(status_code=204)

    @routes.post("/holds/{hold}/extension", responses=openapi.json(HoldBody), **own)
    async def extend_hold(hold: str, request: Request) -> Response:
        """At least a minute more, as long as the hold's bound (`max_until`) allows."""
        return answer(200, await body(await inventory.prolong(*_parse(hold), (await shopper(request)).person)))

    @routes.get("/events/{event}/holds/mine", responses=openapi.json(HoldsBody), **own)
    async def my_holds(event: str, request: Request) -> Response:
        """What you have in hand at this event now."""
        held = await inventory.mine(
            (await catalog.event(parse_event_id(event))).event_id, (await shopper(request)).person
        )
        return answer(200, HoldsBody([await body(view) for view in held]))

    return routes


def _parse(hold: str) -> tuple[ShardId, int]:
    try:
        return ids.parse(HOLD_PREFIX, hold)
    except ids.UnknownId:
        raise HoldNotFound from None

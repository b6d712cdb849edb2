"""Endpoints of operators and organisers: put an event on sale, stop it, let it go on."""

from typing import Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from onsale.catalog import Catalog, RequireRole, controlled_event
from onsale.kit import openapi
from onsale.kit.http import answer
from onsale.ops.sale import SaleControl


class SaleChange(BaseModel):
    """`open` lays down the seats and puts the event on sale, `stop` pauses the taking of seats, `resume` goes on."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["open", "stop", "resume"]


class SaleBody(msgspec.Struct, frozen=True, omit_defaults=True):
    """`seats` that were laid down by `open`, 0 when they lay there already; else whether taking seats is stopped."""

    event: int
    seats: int | None = None
    stopped: bool | None = None


def router(sales: SaleControl, catalog: Catalog, require_role: RequireRole) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["organisers"], default_response_class=Response)

    @routes.post("/events/{event}/sale", responses=openapi.json(SaleBody), openapi_extra=openapi.WITH_SESSION)
    async def change_sale(event: str, change: SaleChange, request: Request) -> Response:
        """Control the sale of one of your events; operators that of any."""
        known = await controlled_event(catalog, require_role, request, event)
        if change.action == "open":
            return answer(200, SaleBody(known.event_id, seats=await sales.put_on_sale(known.event_id)))
        await sales.stop(known.event_id, change.action == "stop")
        return answer(200, SaleBody(known.event_id, stopped=change.action == "stop"))

    return routes

"""Endpoints of operators and organisers: put an event on sale, stop it, let it go on."""

import uuid
from collections.abc import Awaitable, Callable
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict

from onsale.accounts import Forbidden
from onsale.catalog import Catalog, EventNotFound, parse_event_id
from onsale.kit.http import answer
from onsale.ops.sale import SaleControl

RequireRole = Callable[[Request, str], Awaitable[uuid.UUID]]


class SaleChange(BaseModel):
    """`open` lays down the seats and puts the event on sale, `stop` pauses the taking of seats, `resume` goes on."""

    model_config = ConfigDict(extra="forbid")
    action: Literal["open", "stop", "resume"]


def router(sales: SaleControl, catalog: Catalog, require_role: RequireRole) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["organisers"])

    async def _may_control(request: Request, organiser_id: int) -> None:
        """An operator may control every sale, an organiser their own."""
        try:
            await require_role(request, "operator")
        except Forbidden:
            person = await require_role(request, "organiser")
            if not await catalog.is_member(organiser_id, person):
                raise EventNotFound("This is not one of your events") from None

    @routes.post("/events/{event}/sale")
    async def change_sale(event: str, change: SaleChange, request: Request) -> Response:
        """Control the sale of one of your events."""
        known = await catalog.event(parse_event_id(event))
        await _may_control(request, known.organiser.organiser_id)
        if change.action == "open":
            return answer(200, {"event": known.event_id, "seats": await sales.put_on_sale(known.event_id)})
        await sales.stop(known.event_id, change.action == "stop")
        return answer(200, {"event": known.event_id, "stopped": change.action == "stop"})

    return routes

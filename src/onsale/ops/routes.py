"""Endpoints of operators and organisers: put an event on sale, stop it, let it go on; take seats off sale and back.

Who did what stands in the log, one line a call.
"""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from onsale import limits
from onsale.catalog import Catalog, RequireRole, controlled_event
from onsale.inventory import Inventory, SeatState
from onsale.kit import openapi, telemetry
from onsale.kit.http import answer
from onsale.kit.problems import Invalid
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


SeatNo = Annotated[int, Field(ge=0, lt=limits.CHART_SEATS_MAX)]


class BlockChange(BaseModel):
    """Exactly one of `seats` and `section`. `blocked`: off sale from now on; false puts blocked seats back."""

    model_config = ConfigDict(extra="forbid")
    blocked: bool
    seats: Annotated[list[SeatNo], Field(min_length=1, max_length=limits.BLOCK_SEATS_MAX)] | None = None
    section: Annotated[str, Field(max_length=limits.CHART_NAME_CHARS_MAX)] | None = None


class BlocksBody(msgspec.Struct, frozen=True):
    """Each seat that was named, under how it stands now: `held` and `sold` are those that could not be blocked."""

    event: int
    blocked: list[int]
    free: list[int]
    held: list[int]
    sold: list[int]


def router(sales: SaleControl, inventory: Inventory, catalog: Catalog, require_role: RequireRole) -> APIRouter:
    routes = APIRouter(prefix="/api/v1", tags=["organisers"], default_response_class=Response)

    @routes.post("/events/{event}/sale", responses=openapi.json(SaleBody), openapi_extra=openapi.WITH_SESSION)
    async def change_sale(event: str, change: SaleChange, request: Request) -> Response:
        """Control the sale of one of your events; operators that of any."""
        known, person = await controlled_event(catalog, require_role, request, event)
        if change.action == "open":
            body = SaleBody(known.event_id, seats=await sales.put_on_sale(known.event_id))
        else:
            await sales.stop(known.event_id, change.action == "stop")
            body = SaleBody(known.event_id, stopped=change.action == "stop")
        telemetry.log.info("sale_changed", event_id=known.event_id, action=change.action, person=str(person))
        return answer(200, body)

    @routes.post("/events/{event}/blocks", responses=openapi.json(BlocksBody), openapi_extra=openapi.WITH_SESSION)
    async def change_blocks(event: str, change: BlockChange, request: Request) -> Response:
        """Take seats of one of your events off sale, or put them back: as many as possible, and doing it again is
        harmless. Seats that are held or sold are not touched.
        """
        known, person = await controlled_event(catalog, require_role, request, event)
        if (change.seats is None) == (change.section is None):
            raise Invalid("Send either `seats` or `section`")
        stand = await inventory.block(known.event_id, change.blocked, change.seats or (), change.section)
        body = _blocks_body(known.event_id, stand)
        telemetry.log.info(
            "seats_blocked" if change.blocked else "seats_unblocked",
            event_id=known.event_id,
            person=str(person),
            section=change.section,
            asked=len(stand),
            not_possible=len(body.held) + len(body.sold),
        )
        return answer(200, body)

    return routes


def _blocks_body(event_id: int, stand: dict[int, SeatState]) -> BlocksBody:
    def those(state: SeatState) -> list[int]:
        return sorted(seat_no for seat_no, now in stand.items() if now is state)

    return BlocksBody(
        event_id,
        blocked=those(SeatState.NOT_FOR_SALE),
        free=those(SeatState.FREE),
        held=those(SeatState.HELD),
        sold=those(SeatState.SOLD),
    )

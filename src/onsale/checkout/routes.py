"""Ordinary endpoints of checkout: look at an order, and all its tickets as one PDF."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from fastapi import APIRouter, Header, Request, Response

from onsale.accounts import Shopper
from onsale.checkout.errors import OrderNotFound
from onsale.checkout.orders import OrderView
from onsale.checkout.schemas import OrderBody
from onsale.checkout.service import Checkout
from onsale.kit import openapi
from onsale.kit.http import answer

MaybeWhoIs = Callable[[Request], Awaitable[Shopper | None]]


def router(checkout: Checkout, optional_shopper: MaybeWhoIs) -> APIRouter:
    """`optional_shopper` says whose request it is, or None: an order can also be shown by its secret."""
    routes = APIRouter(prefix="/api/v1/orders", tags=["orders"], default_response_class=Response)
    own: dict[str, Any] = {"openapi_extra": openapi.WITH_OR_WITHOUT}

    async def view(order: str, request: Request, secret: str | None) -> OrderView:
        shopper = await optional_shopper(request)
        return await checkout.read(order, person=shopper.person if shopper else None, secret=secret)

    @routes.get("/{order}", responses=openapi.json(OrderBody), **own)
    async def read_order(
        order: str, request: Request, onsale_order_secret: Annotated[str | None, Header()] = None
    ) -> Response:
        """An order of yours with its tickets, or the one whose `Onsale-Order-Secret` you send."""
        return answer(200, await checkout.body(await view(order, request, onsale_order_secret)))

    @routes.get("/{order}/tickets.pdf", responses=openapi.media("application/pdf"), **own)
    async def read_tickets(
        order: str,
        request: Request,
        secret: str | None = None,
        onsale_order_secret: Annotated[str | None, Header()] = None,
    ) -> Response:
        """All tickets of an order, a page each."""
        found = await view(order, request, onsale_order_secret or secret)
        alive = [ticket for ticket in found.tickets if ticket.alive]
        if not alive:
            raise OrderNotFound("This order has no tickets yet")
        pdf = await checkout.tickets.pdf(alive)
        return Response(pdf, 200, {"cache-control": "private, no-store"}, "application/pdf")

    return routes

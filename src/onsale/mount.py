"""One page: each hot endpoint with its guards, then its room; and what each role serves.

Guards are composed here, so rooms receive a `Shopper` and know no pass and no rate. The pass' guard lets everybody
through until the waiting room is built, at the place where it will stand.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Any, TypeVar

from fastapi import FastAPI

from onsale.accounts import COOKIE, Accounts, Shopper
from onsale.checkout import OrderBody, OrderRequest, PaymentRequest
from onsale.checkout.hot import CheckoutEndpoints
from onsale.guard import Guard
from onsale.inventory import HoldBody, HoldRequest, SeatCounts
from onsale.inventory.hot import InventoryEndpoints
from onsale.kit import asgi, openapi, sockets
from onsale.live.hot import LiveEndpoints
from onsale.waitingroom import BoardBody, PlaceBody
from onsale.waitingroom.hot import LineEndpoints

ForShopper = Callable[[Shopper, asgi.Request], Awaitable[asgi.Answer]]
ForAnybody = Callable[[Shopper | None, asgi.Request], Awaitable[asgi.Answer]]


class Role(StrEnum):
    """What a process serves. `all` is one machine's web process; the others run apart, from the same package."""

    GATE = "gate"
    SHOP = "shop"
    ALL = "all"


Guarded = TypeVar("Guarded", bound=Callable[..., Any])
Routes = Sequence[tuple[str, str, asgi.Endpoint]]


def hot_routes(
    role: Role, guards: "Guards", line: LineEndpoints, inventory: InventoryEndpoints, checkout: CheckoutEndpoints
) -> Routes:
    """Method, path, guarded endpoint. The gate serves the line, the shop everything else."""
    gate = [
        ("GET", "/api/v1/events/{event}/board", line.board),  # The same for all, and made once: it has no rate.
        ("POST", "/api/v1/events/{event}/places", guards.person(line.join)),
        ("GET", "/api/v1/events/{event}/places/me", guards.person(line.place)),
        ("DELETE", "/api/v1/events/{event}/places/me", guards.person(line.leave)),
    ]
    if role is Role.GATE:
        return gate
    shop = _shop_routes(guards, inventory, checkout)
    return shop if role is Role.SHOP else [*gate, *shop]


def _shop_routes(guards: "Guards", inventory: InventoryEndpoints, checkout: CheckoutEndpoints) -> Routes:
    return [
        ("GET", "/api/v1/events/{event}/availability", guards.browsing(inventory.availability)),
        ("POST", "/api/v1/events/{event}/holds", guards.taking(inventory.hold)),
        ("POST", "/api/v1/orders", guards.person(checkout.order)),
        ("POST", "/api/v1/orders/{order}/payment", guards.paying(checkout.payment)),
    ]


def live_routes(role: Role, guards: "Guards", live: LiveEndpoints) -> Sequence[tuple[str, str, sockets.Endpoint]]:
    """The same for WebSockets: method of the handshake, path, guarded endpoint."""
    if role is Role.GATE:
        return []
    return [("GET", "/api/v1/events/{event}/live", guards.watching(live.live))]


class Guards:
    """Who may come to an endpoint: a known person, at an allowed rate, with a pass where the event has a line."""

    def __init__(self, accounts: Accounts, guard: Guard) -> None:
        self._accounts = accounts
        self._guard = guard

    async def visit(self, scope: asgi.Scope) -> None:
        """Any request of the ordinary endpoints that counts."""
        await self._guard.visit(scope)

    def browsing(self, endpoint: asgi.Endpoint) -> asgi.Endpoint:
        """Anybody may look, at an allowed rate."""

        async def guarded(request: asgi.Request) -> asgi.Answer:
            await self.visit(request.scope)
            return await endpoint(request)

        return _named(guarded, endpoint)

    def watching(self, endpoint: sockets.Endpoint) -> sockets.Endpoint:
        """The same through a WebSocket. The map is public: no session is looked at, so any site may show it."""

        async def guarded(socket: sockets.Socket) -> None:
            await self.visit(socket.request.scope)
            await endpoint(socket)

        return _named(guarded, endpoint)

    def person(self, endpoint: ForShopper) -> asgi.Endpoint:
        """A known person, at an allowed rate."""

        async def guarded(request: asgi.Request) -> asgi.Answer:
            shopper = self._accounts.shopper_of(request.scope)
            await self.visit(request.scope)
            return await endpoint(shopper, request)

        return _named(guarded, endpoint)

    def paying(self, endpoint: ForAnybody) -> asgi.Endpoint:
        """A known person or not: an order carries its own authority. No rate: nobody is kept from paying for a seat."""

        async def guarded(request: asgi.Request) -> asgi.Answer:
            return await endpoint(self._accounts.optional_shopper(request.scope), request)

        return _named(guarded, endpoint)

    def taking(self, endpoint: ForShopper) -> asgi.Endpoint:
        """A known person at their own rate, with a pass where the event has a line. Only *taking* seats needs one."""

        async def guarded(request: asgi.Request) -> asgi.Answer:
            shopper = self._accounts.shopper_of(request.scope)
            rates = await self._guard.take_seats(request.scope, shopper)
            await self._pass(shopper, request)
            answer = await endpoint(shopper, request)
            return asgi.Answer(answer.status, answer.body, answer.headers + rates)

        return _named(guarded, endpoint)

    async def _pass(self, shopper: Shopper, request: asgi.Request) -> None:
        """Lets everybody through until the waiting room is built: no event has a line yet."""


def _named(guarded: Guarded, endpoint: Any) -> Guarded:
    """Metrics are told by the name of the room's endpoint, not by its guard's."""
    guarded.__name__ = endpoint.__name__
    return guarded


def describe_hot(app: FastAPI) -> None:
    """Put the hot endpoints into the OpenAPI document: they are part of the contract like all others."""
    openapi.describe(app, _OPERATIONS, COOKIE)


_KEY = openapi.header("Idempotency-Key", "Sent again with the same key, the same request gets the same answer.")
_PLACE = openapi.header("Onsale-Place", "The `token` of the place one has.")
_SECRET = openapi.header("Onsale-Order-Secret", "The order's `secret`, for who has no session of its owner.")
_SEATS = openapi.json(SeatCounts)[200]["content"] | openapi.media("application/octet-stream")[200]["content"]
_OPERATIONS: openapi.Operations = (
    (
        "/api/v1/events/{event}/availability",
        "get",
        openapi.operation(
            "holds",
            "All seats, two bits each: version (8 bytes), count (4), then the seats. `?format=json` counts for people.",
            {
                200: {"description": "OK", "headers": {"ETag": {"schema": {"type": "string"}}}, "content": _SEATS},
                **openapi.NOT_MODIFIED,
            },
            path=["event"],
            parameters=[openapi.query("format", "json"), openapi.header("If-None-Match", "The ETag you have.")],
        ),
    ),
    (
        "/api/v1/events/{event}/board",
        "get",
        openapi.operation(
            "line",
            "How the event's line stands: the same for everybody, at most a second old.",
            openapi.json(BoardBody) | openapi.NOT_MODIFIED,
            path=["event"],
            parameters=[openapi.header("If-None-Match", "The ETag you have.")],
        ),
    ),
    (
        "/api/v1/events/{event}/places",
        "post",
        openapi.operation(
            "line",
            "Join the line. Whoever has a place already gets the same one.",
            openapi.json(PlaceBody, 201),
            path=["event"],
            parameters=[_PLACE],
            extra=openapi.WITH_SESSION,
        ),
    ),
    (
        "/api/v1/events/{event}/places/me",
        "get",
        openapi.operation(
            "line",
            "One's own place as it stands now; ask again after `poll_after_ms`.",
            openapi.json(PlaceBody),
            path=["event"],
            parameters=[_PLACE],
            extra=openapi.WITH_SESSION,
        ),
    ),
    (
        "/api/v1/events/{event}/places/me",
        "delete",
        openapi.operation(
            "line",
            "Leave the line: the place is given up.",
            {204: {"description": "Given up"}},
            path=["event"],
            extra=openapi.WITH_SESSION,
        ),
    ),
    (
        "/api/v1/events/{event}/holds",
        "post",
        openapi.operation(
            "holds",
            "Take seats: chosen ones, or the best together. All of them or none.",
            openapi.json(HoldBody, 201),
            path=["event"],
            parameters=[_KEY],
            body=HoldRequest,
            extra=openapi.WITH_SESSION,
        ),
    ),
    (
        "/api/v1/orders",
        "post",
        openapi.operation(
            "orders",
            "Make the order for held seats; for the same holds again, the same order.",
            openapi.json(OrderBody, 201),
            parameters=[_KEY],
            body=OrderRequest,
            extra=openapi.WITH_SESSION,
        ),
    ),
    (
        "/api/v1/orders/{order}/payment",
        "post",
        openapi.operation(
            "orders",
            "Pay: 200 once the money is captured, 202 while the gateway is asked, 402 when it said no.",
            openapi.json(OrderBody) | openapi.json(OrderBody, 202),
            path=["order"],
            parameters=[_KEY, _SECRET],
            body=PaymentRequest,
            extra=openapi.WITH_OR_WITHOUT,
        ),
    ),
)

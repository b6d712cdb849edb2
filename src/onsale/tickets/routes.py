"""Endpoints of tickets: the same ticket as data, as a code to scan and as a page to print."""

from collections.abc import Awaitable, Callable

import msgspec
from fastapi import APIRouter, Request, Response

from onsale.accounts import Shopper
from onsale.catalog import Catalog
from onsale.kit import ids, openapi
from onsale.kit.http import answer
from onsale.kit.ids import ShardId
from onsale.tickets.errors import TicketNotFound
from onsale.tickets.model import PREFIX
from onsale.tickets.schemas import KeysBody, ShownTicket, ticket_body
from onsale.tickets.service import Tickets

MaybeWhoIs = Callable[[Request], Awaitable[Shopper | None]]

# A code may be kept by the holder's own browser for the walk to the entrance, and by nothing in between.
_PRIVATE = {"cache-control": "private, max-age=3600"}


def router(tickets: Tickets, catalog: Catalog, optional_shopper: MaybeWhoIs) -> APIRouter:
    """`optional_shopper` says whose request it is, or None: a ticket can also be shown by its key."""
    routes = APIRouter(prefix="/api/v1/tickets", tags=["tickets"], default_response_class=Response)
    forms = openapi.json(ShownTicket, **openapi.media("image/png", "image/svg+xml", "application/pdf")[200]["content"])

    @routes.get("/keys", responses=openapi.json(KeysBody))
    async def public_keys() -> Response:
        """Ed25519 public keys (hex) by key id: all that a scanner needs to check codes without a network."""
        keys = {key_id: key.hex() for key_id, key in tickets.public_keys.items()}
        return answer(200, KeysBody(keys), {"cache-control": "public, max-age=3600"})

    @routes.get("/{ticket}.{form}", responses=forms, openapi_extra=openapi.WITH_OR_WITHOUT)
    async def read_ticket(ticket: str, form: str, request: Request, key: str | None = None) -> Response:
        """One ticket as `json`, `png`, `svg` or `pdf`, for its holder or who has its key. A void one has no code."""
        shopper = await optional_shopper(request)
        found = await tickets.read(*_parse(ticket), shopper.person if shopper else None, key)
        if form == "json":
            event = await catalog.event(ids.event_of(found.shard_id))
            body = ticket_body(found, await catalog.layout(event), tickets.view_key(found))
            code = tickets.code(found) if found.alive else None
            return answer(200, ShownTicket(**msgspec.structs.asdict(body), code=code))
        if not found.alive:
            raise TicketNotFound("This ticket is void")
        if form == "svg":
            return Response(await tickets.qr_svg(found), 200, _PRIVATE, "image/svg+xml")
        if form == "png":
            return Response(await tickets.qr_png(found), 200, _PRIVATE, "image/png")
        if form == "pdf":
            return Response(await tickets.pdf([found]), 200, _PRIVATE, "application/pdf")
        raise TicketNotFound

    return routes


def _parse(ticket: str) -> tuple[ShardId, int]:
    try:
        return ids.parse(PREFIX, ticket)
    except ids.UnknownId:
        raise TicketNotFound from None

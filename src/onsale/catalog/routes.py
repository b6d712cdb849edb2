"""The catalogue over HTTP. Thin: read the request, call the service, say it in `schemas`."""

import uuid
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from onsale import limits
from onsale.catalog import errors, model, schemas
from onsale.catalog.control import RequireRole, controlled_event
from onsale.catalog.draft import slug_of
from onsale.catalog.service import Catalog, Repeat
from onsale.kit import asgi, clock, idempotency
from onsale.kit.http import takes_gzip
from onsale.kit.openapi import NOT_MODIFIED, WITH_SESSION, header, refusals
from onsale.kit.problems import KeyReused, TooLarge

Key = Annotated[str | None, Header(alias="Idempotency-Key")]
# Passes on the organiser's word; from above, because it also stops the taking of seats.
Say = Callable[[int, model.EventStatus | None], Awaitable[None]]

# Many may ask about an event at once, and caches between us share the answer among them.
_FOR_A_SECOND = {"cache-control": "public, max-age=1"}
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
_OWN = {"cache-control": "no-store"}

_ANY_JSON = {"application/json": {"schema": {"type": "object"}}}
_CHART_OUT: dict[int | str, dict[str, Any]] = {200: {"description": "For ever the same", "content": _ANY_JSON}}
_TAGGED: dict[str, Any] = {"openapi_extra": {"parameters": [header("If-None-Match", "The ETag you have.")]}}


def router(catalog: Catalog, require_role: RequireRole, say: Say) -> APIRouter:
    """The endpoints, to be mounted at the root."""
    routes, made = _Routes(catalog, require_role, say), APIRouter(prefix="/api/v1", tags=["events"])
    add, event = made.add_api_route, "/events/{event}"
    page: dict[str, Any] = {"response_model": schemas.EventPage}
    full: dict[str, Any] = {"response_model": schemas.EventFull}
    add("/events", routes.list_events, summary="List events", responses=refusals(errors.InvalidCursor), **page)
    one = refusals(errors.EventNotFound) | NOT_MODIFIED
    add(event, routes.event, summary="One event", responses=one, **full, **_TAGGED)
    drawn = refusals(errors.ChartNotFound) | NOT_MODIFIED | _CHART_OUT
    add("/charts/{chart}", routes.chart, summary="A seating chart", responses=drawn, **_TAGGED)
    own: dict[str, Any] = {"tags": ["organisers"], "openapi_extra": WITH_SESSION}
    post: dict[str, Any] = {"methods": ["POST"], "status_code": 201, "tags": ["organisers"]}
    taken = {**own, **post, "responses": refusals(errors.NameTaken, KeyReused)}
    add("/organisers", routes.create_organiser, summary="New organiser", **taken)
    add("/venues", routes.create_venue, summary="New venue", **taken)
    add(
        "/venues/{venue}/charts",
        routes.add_chart,
        summary="New chart of a venue",
        responses=refusals(errors.VenueNotFound, errors.InvalidChart, TooLarge),
        openapi_extra=WITH_SESSION | {"requestBody": {"required": True, "content": _ANY_JSON}},
        **post,
    )
    made_event = refusals(errors.NotYours, errors.VenueNotFound, errors.InvalidEvent, KeyReused)
    add("/events", routes.create_event, summary="New event", responses=made_event, **(own | post), **full)
    add(
        event,
        routes.change_event,
        summary="Cancel or postpone an event",
        methods=["PATCH"],
        responses=refusals(errors.NotYours, errors.EventNotFound),
        **own,
        **full,
    )
    return made


class _Routes:
    def __init__(self, catalog: Catalog, require_role: RequireRole, say: Say) -> None:
        self._catalog = catalog
        self._require_role = require_role
        self._say = say

    async def list_events(self, asked: Annotated[schemas.EventQuery, Query()]) -> Response:
        events, after = await self._catalog.list(asked.listing())
        now = clock.utcnow()
        page = schemas.EventPage(items=[schemas.summary(event, now) for event in events], next=after)
        return _json(page.model_dump_json().encode(), 200, _FOR_A_SECOND)

    async def event(self, event: str, request: Request) -> Response:
        found = await self._catalog.event(model.parse_event_id(event))
        return _matched(request, schemas.full(found, clock.utcnow()).model_dump_json().encode())

    async def chart(self, chart: str, request: Request) -> Response:
        if len(chart) != 64 or not set(chart) <= set("0123456789abcdef"):
            raise errors.ChartNotFound
        gzipped = takes_gzip(request.headers.get("accept-encoding", ""))
        # The two forms are different bytes, so a strong tag must tell them apart.
        headers = _FOR_EVER | {"etag": f'"{chart}-gzip"' if gzipped else f'"{chart}"'}
        body = await self._catalog.chart_body(chart, gzipped=gzipped)
        if _has(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        return _json(body, 200, headers | ({"content-encoding": "gzip"} if gzipped else {}))

    async def create_organiser(
        self, body: schemas.OrganiserIn, request: Request, idempotency_key: Key = None
    ) -> schemas.OrganiserMade:
        person = await self._require_role(request, "operator")
        repeat = await _repeat(request, person, idempotency_key)
        organiser_id = await self._catalog.create_organiser(body.name, member=person, repeat=repeat)
        return schemas.OrganiserMade(id=organiser_id, name=body.name, slug=slug_of(body.name))

    async def create_venue(
        self, body: schemas.VenueIn, request: Request, idempotency_key: Key = None
    ) -> schemas.VenueMade:
        person = await self._require_role(request, "organiser")
        venue, repeat = body.draft(), await _repeat(request, person, idempotency_key)
        return schemas.VenueMade(id=await self._catalog.create_venue(venue, repeat), slug=venue.slug)

    async def add_chart(self, venue: str, request: Request, idempotency_key: Key = None) -> schemas.ChartOut:
        person = await self._require_role(request, "organiser")
        venue_id = _venue_id(venue)
        body = await asgi.read_body(request.receive, limits.BODY_MAX_BYTES)
        repeat = Repeat(_scope(request, person), idempotency.checked(idempotency_key), body)
        chart = await self._catalog.decoded(body)
        chart_hash = await self._catalog.add_chart(venue_id, chart, repeat)
        return schemas.ChartOut(hash=chart_hash, url=f"/api/v1/charts/{chart_hash}", seats=chart.seats)

    async def create_event(self, body: schemas.EventIn, request: Request, idempotency_key: Key = None) -> Response:
        person = await self._require_role(request, "organiser")
        if not await self._catalog.is_member(body.organiser, person):
            raise errors.NotYours("You do not act for this organiser")
        repeat = await _repeat(request, person, idempotency_key)
        event_id = await self._catalog.create_event(body.draft(), repeat)
        return await self._answer(event_id, 201, {"location": f"/api/v1/events/{event_id}"})

    async def change_event(self, event: str, body: schemas.EventChange, request: Request) -> Response:
        found, _ = await controlled_event(self._catalog, self._require_role, request, event)
        await self._say(found.event_id, model.EventStatus(body.said) if body.said else None)
        return await self._answer(found.event_id, 200, {})

    async def _answer(self, event_id: int, status: int, headers: dict[str, str]) -> Response:
        event = await self._catalog.event(event_id)
        return _json(schemas.full(event, clock.utcnow()).model_dump_json().encode(), status, _OWN | headers)


def _venue_id(text: str) -> int:
    """The venue in a path, spelled as an event's id is. Raises VenueNotFound."""
    try:
        return model.parse_event_id(text)
    except errors.EventNotFound as error:
        raise errors.VenueNotFound from error


async def _repeat(request: Request, person: uuid.UUID, key: str | None) -> Repeat:
    """How the request is known when it comes again. Raises Invalid for a key that is none."""
    return Repeat(_scope(request, person), idempotency.checked(key), await request.body())


def _scope(request: Request, person: uuid.UUID) -> str:
    return f"{person} POST {request.url.path}"


def _json(body: bytes, status: int, headers: dict[str, str]) -> Response:
    return Response(body, status, headers, media_type="application/json")


def _matched(request: Request, body: bytes) -> Response:
    """The body with its tag, or 304 for a client that has it."""
    headers = _FOR_A_SECOND | {"etag": f'"{sha256(body).hexdigest()[:32]}"'}
    return Response(status_code=304, headers=headers) if _has(request, headers["etag"]) else _json(body, 200, headers)


def _has(request: Request, etag: str) -> bool:
    """Whether If-None-Match names the tag; a cache on the way may have made it a weak one."""
    named = [tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")]
    return etag in named or named == ["*"]

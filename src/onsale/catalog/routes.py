"""The catalogue over HTTP. Thin: read the request, call the service, say it in `schemas`."""

import uuid
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response

from onsale import limits
from onsale.catalog import errors, model, schemas
from onsale.catalog.draft import slug_of
from onsale.catalog.service import Catalog, Repeat
from onsale.kit import clock, idempotency
from onsale.kit.problems import CONTENT_TYPE, KeyReused, Problem, TooLarge

RequireRole = Callable[[Request, str], Awaitable[uuid.UUID]]
# Passes on the organiser's word; from above, because it also stops the taking of seats.
Say = Callable[[int, model.EventStatus | None], Awaitable[None]]
"""The person of a request that has the role; raises the problem that says what is missing."""

# Many may ask about an event at once, and caches between us share the answer among them.
_FOR_A_SECOND = {"cache-control": "public, max-age=1"}
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}
_OWN = {"cache-control": "no-store"}

_PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
    },
}


_ANY_JSON = {"application/json": {"schema": {"type": "object"}}}
_CHART_OUT: dict[int | str, dict[str, Any]] = {200: {"description": "For ever the same", "content": _ANY_JSON}}


def router(catalog: Catalog, require_role: RequireRole, say: Say) -> APIRouter:
    """The endpoints, to be mounted at the root."""
    routes, made = _Routes(catalog, require_role, say), APIRouter(prefix="/api/v1", tags=["events"])
    add, event = made.add_api_route, "/events/{event}"
    page: dict[str, Any] = {"response_model": schemas.EventPage}
    full: dict[str, Any] = {"response_model": schemas.EventFull}
    add("/events", routes.list_events, summary="List events", responses=_no(errors.InvalidCursor), **page)
    add(event, routes.event, summary="One event", responses=_no(errors.EventNotFound), **full)
    add("/charts/{chart}", routes.chart, summary="A seating chart", responses=_no(errors.ChartNotFound) | _CHART_OUT)
    post: dict[str, Any] = {"methods": ["POST"], "status_code": 201, "tags": ["organisers"]}
    add("/organisers", routes.create_organiser, summary="New organiser", responses=_no(errors.NameTaken), **post)
    add("/venues", routes.create_venue, summary="New venue", responses=_no(errors.NameTaken), **post)
    add(
        "/venues/{venue}/charts",
        routes.add_chart,
        summary="New chart of a venue",
        responses=_no(errors.VenueNotFound, errors.InvalidChart, TooLarge),
        openapi_extra={"requestBody": {"required": True, "content": _ANY_JSON}},
        **post,
    )
    add(
        "/events",
        routes.create_event,
        summary="New event",
        responses=_no(errors.NotYours, errors.VenueNotFound, errors.InvalidEvent, KeyReused),
        **post,
        **full,
    )
    add(
        event,
        routes.change_event,
        summary="Cancel or postpone an event",
        methods=["PATCH"],
        tags=["organisers"],
        responses=_no(errors.NotYours, errors.EventNotFound),
        **full,
    )
    return made


class _Routes:
    def __init__(self, catalog: Catalog, require_role: RequireRole, say: Say) -> None:
        self._catalog = catalog
        self._require_role = require_role
        self._say = say

    async def list_events(self, asked: Annotated[schemas.EventQuery, Query()]) -> Response:
        now = clock.utcnow()
        events, after = await self._catalog.list(asked.listing(), now)
        page = schemas.EventPage(items=[schemas.summary(event, now) for event in events], next=after)
        return _json(page.model_dump_json().encode(), 200, _FOR_A_SECOND)

    async def event(self, event: str, request: Request) -> Response:
        found = await self._catalog.event(_number(event, errors.EventNotFound))
        return _matched(request, schemas.full(found, clock.utcnow()).model_dump_json().encode())

    async def chart(self, chart: str, request: Request) -> Response:
        if len(chart) != 64 or not set(chart) <= set("0123456789abcdef"):
            raise errors.ChartNotFound
        gzipped = _takes_gzip(request.headers.get("accept-encoding", ""))
        # The two forms are different bytes, so a strong tag must tell them apart.
        headers = _FOR_EVER | {"etag": f'"{chart}-gzip"' if gzipped else f'"{chart}"'}
        body = await self._catalog.chart_body(chart, gzipped=gzipped)
        if _has(request, headers["etag"]):
            return Response(status_code=304, headers=headers)
        return _json(body, 200, headers | ({"content-encoding": "gzip"} if gzipped else {}))

    async def create_organiser(self, body: schemas.OrganiserIn, request: Request) -> schemas.OrganiserMade:
        person = await self._require_role(request, "operator")
        organiser_id = await self._catalog.create_organiser(body.name, member=person)
        return schemas.OrganiserMade(id=organiser_id, name=body.name, slug=slug_of(body.name))

    async def create_venue(self, body: schemas.VenueIn, request: Request) -> schemas.VenueMade:
        await self._require_role(request, "organiser")
        venue = body.draft()
        return schemas.VenueMade(id=await self._catalog.create_venue(venue), slug=venue.slug)

    async def add_chart(self, venue: str, request: Request) -> schemas.ChartOut:
        await self._require_role(request, "organiser")
        venue_id = _number(venue, errors.VenueNotFound)
        chart = await self._catalog.decoded(await _bounded_body(request))
        chart_hash = await self._catalog.add_chart(venue_id, chart)
        return schemas.ChartOut(hash=chart_hash, url=f"/api/v1/charts/{chart_hash}", seats=chart.seats)

    async def create_event(
        self,
        body: schemas.EventIn,
        request: Request,
        idempotency_key: Annotated[str | None, Header()] = None,
    ) -> Response:
        person = await self._require_role(request, "organiser")
        if not await self._catalog.is_member(body.organiser, person):
            raise errors.NotYours("You do not act for this organiser")
        key = idempotency.checked(idempotency_key)
        repeat = Repeat(f"{person} POST /api/v1/events", key, await request.body())
        event_id = await self._catalog.create_event(body.draft(), repeat)
        return await self._answer(event_id, 201, {"location": f"/api/v1/events/{event_id}"})

    async def change_event(self, event: str, body: schemas.EventChange, request: Request) -> Response:
        person = await self._require_role(request, "organiser")
        found = await self._catalog.event(_number(event, errors.EventNotFound))
        if not await self._catalog.is_member(found.organiser.organiser_id, person):
            raise errors.NotYours
        await self._say(found.event_id, model.EventStatus(body.said) if body.said else None)
        return await self._answer(found.event_id, 200, {})

    async def _answer(self, event_id: int, status: int, headers: dict[str, str]) -> Response:
        event = await self._catalog.event(event_id)
        return _json(schemas.full(event, clock.utcnow()).model_dump_json().encode(), status, _OWN | headers)


def _number(text: str, missing: type[Problem]) -> int:
    """The id in a path. Whatever is not exactly one names nothing, and is told so like any other unknown id."""
    try:
        number = model.parse_event_id(text)
    except errors.EventNotFound as error:
        raise missing from error
    if str(number) != text:
        raise missing
    return number


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


def _takes_gzip(accepted: str) -> bool:
    """Whether Accept-Encoding allows gzip: by its name, else by `*`; a quality of 0 is a refusal."""
    allowed = {}
    for part in accepted.lower().split(","):
        coding, _, quality = part.partition(";")
        allowed[coding.strip()] = quality.strip().rstrip("0.") != "q="
    return allowed.get("gzip", allowed.get("*", False))


async def _bounded_body(request: Request) -> bytes:
    """The whole body. Raises TooLarge beyond the bound, before more of it is read."""
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limits.BODY_MAX_BYTES:
            raise TooLarge(f"At most {limits.BODY_MAX_BYTES} bytes are read here")
        chunks.append(chunk)
    return b"".join(chunks)


def _no(*refusals: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """What an endpoint may refuse, for the OpenAPI document."""
    content = {CONTENT_TYPE: {"schema": _PROBLEM_SCHEMA}}
    return {refusal.status: {"description": refusal.title, "content": content} for refusal in refusals}

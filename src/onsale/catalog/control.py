"""Who may change an event and its sale: one rule, for whatever address asks."""

import uuid
from collections.abc import Awaitable, Callable

from fastapi import Request

from onsale.accounts import Forbidden
from onsale.catalog.errors import NotYours
from onsale.catalog.model import Event, parse_event_id
from onsale.catalog.service import Catalog

# The person of a request that has the role; raises the problem that says what is missing.
RequireRole = Callable[[Request, str], Awaitable[uuid.UUID]]


async def controlled_event(
    catalog: Catalog, require_role: RequireRole, request: Request, text: str
) -> tuple[Event, uuid.UUID]:
    """The event of a path, for an operator, or for an organiser whose event it is; and who that person is.

    Who asks is settled first. Raises SessionRequired, BadSession, Forbidden, EventNotFound, NotYours.
    """
    try:
        person, operator = await require_role(request, "operator"), True
    except Forbidden:
        person, operator = await require_role(request, "organiser"), False
    event = await catalog.event(parse_event_id(text))
    if not operator and not await catalog.is_member(event.organiser.organiser_id, person):
        raise NotYours
    return event, person

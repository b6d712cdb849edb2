"""Templates and what they may use: addresses of static files, dates, money."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zlib import crc32
from zoneinfo import ZoneInfo

import msgspec
from fastapi import Request, Response
from jinja2 import Environment, PackageLoader

from onsale.accounts import Accounts
from onsale.kit import money
from onsale.web.statics import Statics

# As many as css/components.css has.
POSTERS = 6


class Pages:
    """Renders templates with who is asking; escaping is always on."""

    def __init__(self, accounts: Accounts, statics: Statics, *, development: bool) -> None:
        self._accounts = accounts
        self._environment = Environment(
            loader=PackageLoader("onsale.web"), autoescape=True, trim_blocks=True, lstrip_blocks=True
        )
        self._environment.filters.update(when=when, money=money_text, shade=shade)
        self._environment.globals.update(static=statics.address, dev=development)

    def render(self, request: Request, template: str, status: int = 200, **context: Any) -> Response:
        """A page that belongs to one person: no cache in between may keep it."""
        shopper = self._accounts.optional_shopper(request.scope)
        person = None
        if shopper is not None:
            person = {"signed_in": not shopper.guest, "email": shopper.email, "roles": sorted(shopper.roles)}
        text = self._environment.get_template(template).render(person=person, status=status, **context)
        return Response(text, status, {"cache-control": "private, no-store"}, "text/html")


def when(moment: datetime, timezone: str = "UTC") -> str:
    """For people, on the venue's clocks: "Sat 12 June 2027, 19:30"."""
    local = moment.astimezone(ZoneInfo(timezone))
    return f"{local:%a} {local.day} {local:%B %Y, %H:%M}"


def shade(slug: str) -> int:
    """Which of the six posters a genre has: the same on every page, so that its colour comes to mean something."""
    return (crc32(slug.encode()) >> 8) % POSTERS


def money_text(amount: money.Money | Mapping[str, Any]) -> str:
    """A Money, or the same as it stands on the wire."""
    return money.text(amount if isinstance(amount, money.Money) else msgspec.convert(dict(amount), money.Money))

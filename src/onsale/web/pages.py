"""The pages fans walk through: find an event, choose seats, pay, see the tickets; sign in; the development mailbox."""

from dataclasses import dataclass
from typing import Annotated
from urllib.parse import urlencode, urlsplit

import msgspec
from fastapi import APIRouter, Form, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import ValidationError

from onsale.accounts import Accounts, drop_session, keep_session
from onsale.catalog import Catalog, EventQuery, event_full, event_summary, parse_event_id
from onsale.checkout import Checkout
from onsale.config import is_loopback
from onsale.kit import clock
from onsale.kit.mailbox import Mailbox
from onsale.kit.problems import Invalid, NotFound, Problem
from onsale.kit.proxies import TrustedProxies, client_address
from onsale.web.rendering import Pages
from onsale.web.statics import READ


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the pages show. `mailbox` is None where it may not be read: then there is no such page."""

    catalog: Catalog
    checkout: Checkout
    accounts: Accounts
    mailbox: Mailbox | None
    secure_cookies: bool
    trusted: TrustedProxies


@dataclass(frozen=True, slots=True)
class Told:
    """What an order's page says above the order when paying without scripts did not work."""

    status: int
    title: str
    detail: str


DECLINED = Told(402, "Your bank said no.", "Nothing was charged, and your seats are still kept. Try another card.")


def router(pages: Pages, rooms: Rooms) -> APIRouter:
    routes = APIRouter(include_in_schema=False)
    _events(routes, pages, rooms)
    _orders(routes, pages, rooms)
    _signing_in(routes, pages, rooms)
    if rooms.mailbox is not None:
        _mailbox(routes, pages, rooms.mailbox)
    return routes


def _events(routes: APIRouter, pages: Pages, rooms: Rooms) -> None:
    @routes.api_route("/", methods=READ)
    async def home(request: Request) -> Response:
        """The list of events, with a search that works without scripts."""
        asked = {key: value for key, value in request.query_params.items() if value}
        try:
            query = EventQuery.model_validate(asked)
        except ValidationError:
            raise Invalid("This search cannot be understood") from None
        now = clock.utcnow()
        events, after = await rooms.catalog.list(query.listing())
        facets = await rooms.catalog.facets()
        return pages.render(
            request,
            "home.html",
            events=[event_summary(event, now).model_dump() | {"timezone": event.venue.timezone} for event in events],
            query={name: asked.get(name, "") for name in ("q", "city", "genre", "status")},
            cities=facets.cities,
            genres=facets.genres,
            next_url=f"/?{urlencode({**asked, 'cursor': after})}" if after else None,
        )

    @routes.api_route("/events/{event}", methods=READ)
    async def event_page(event: str, request: Request) -> Response:
        """One event: facts, prices, and the seats when they are on sale."""
        found = await rooms.catalog.event(parse_event_id(event.partition("-")[0]))
        body = event_full(found, clock.utcnow())
        address = f"/events/{found.event_id}-{found.slug}"
        if request.url.path != address:
            return RedirectResponse(address, 308)
        return pages.render(request, "event.html", event=body.model_dump(), event_json=body.model_dump_json())


def _orders(routes: APIRouter, pages: Pages, rooms: Rooms) -> None:
    async def show(request: Request, order: str, secret: str | None, told: Told | None = None) -> Response:
        shopper = rooms.accounts.optional_shopper(request.scope)
        view = await rooms.checkout.read(order, person=shopper.person if shopper else None, secret=secret)
        body = await rooms.checkout.body(view)
        event = event_full(await rooms.catalog.event(body.event), clock.utcnow()).model_dump()
        shown = msgspec.structs.asdict(body)
        status = told.status if told else 200
        return pages.render(request, "order.html", status, order=shown, event=event, secret=secret, problem=told)

    @routes.api_route("/orders/{order}", methods=READ)
    async def order_page(order: str, request: Request, secret: str | None = None) -> Response:
        """Checkout while the order is pending, the tickets once it is confirmed: one address for both."""
        return await show(request, order, secret)

    @routes.post("/orders/{order}/pay")
    async def pay(
        order: str, request: Request, method: Annotated[str, Form()], secret: Annotated[str | None, Form()] = None
    ) -> Response:
        """Paying without scripts. The answer is a redirect, so that a reload shows the order and pays nothing again."""
        shopper = rooms.accounts.optional_shopper(request.scope)
        try:
            view = await rooms.checkout.pay(order, method, person=shopper.person if shopper else None, secret=secret)
        except Problem as problem:
            return await show(request, order, secret, Told(problem.status, problem.title, problem.detail))
        if view.status in ("pending", "expired"):
            return await show(request, order, secret, DECLINED)
        key = f"?{urlencode({'secret': secret})}" if secret else ""
        return RedirectResponse(f"/orders/{order}{key}", 303)


def _signing_in(routes: APIRouter, pages: Pages, rooms: Rooms) -> None:
    def again(request: Request, problem: Problem, *, step: str, email: str) -> Response:
        return pages.render(request, "sign_in.html", problem.status, step=step, email=email, error=problem.detail)

    @routes.api_route("/sign-in", methods=READ)
    async def ask_email(request: Request) -> Response:
        return pages.render(request, "sign_in.html", step="email", email="", error=None)

    @routes.post("/sign-in")
    async def send_code(request: Request, email: Annotated[str, Form()]) -> Response:
        """Send the code, then ask for it. The same answer whether or not the address is known."""
        try:
            await rooms.accounts.send_code(email, client_address(request.scope, rooms.trusted))
        except Problem as problem:
            return pages.render(
                request, "sign_in.html", problem.status, step="email", email=email, error=problem.detail
            )
        return pages.render(request, "sign_in.html", step="code", email=email, error=None)

    @routes.post("/sign-in/code")
    async def sign_in(request: Request, email: Annotated[str, Form()], code: Annotated[str, Form()]) -> Response:
        guest = rooms.accounts.optional_shopper(request.scope)
        try:
            token, shopper = await rooms.accounts.sign_in(email, code.strip(), guest)
        except Problem as problem:
            return again(request, problem, step="code", email=email)
        answer = RedirectResponse("/", 303)
        keep_session(answer, token, shopper, secure=rooms.secure_cookies)
        return answer

    @routes.post("/sign-out")
    async def sign_out(request: Request) -> Response:
        answer = RedirectResponse("/", 303)
        if shopper := rooms.accounts.optional_shopper(request.scope):
            await rooms.accounts.sign_out(shopper)
        drop_session(answer, secure=rooms.secure_cookies)
        return answer


def _mailbox(routes: APIRouter, pages: Pages, mailbox: Mailbox) -> None:
    @routes.api_route("/dev/mailbox", methods=READ)
    async def list_mails(request: Request) -> Response:
        _need_here(request)
        return pages.render(request, "mailbox.html", messages=await mailbox.list())

    @routes.api_route("/dev/mailbox/{mail}", methods=READ)
    async def show_mail(mail: int, request: Request) -> Response:
        _need_here(request)
        found = await mailbox.read(mail)
        if found is None:
            raise NotFound
        return pages.render(request, "mail.html", message=found)

    @routes.api_route("/dev/mailbox/{mail}/html", methods=READ)
    async def mail_body(mail: int, request: Request) -> Response:
        """The letter itself, in a frame without rights: it may bring styles and pictures, and nothing else."""
        _need_here(request)
        found = await mailbox.read(mail)
        if found is None:
            raise NotFound
        policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; sandbox"
        return Response(found.html, 200, {"content-security-policy": policy}, "text/html")


def _need_here(request: Request) -> None:
    """Raise NotFound unless a person at this machine asks us directly: sign-in codes and tickets lie in the mails.

    The settings cannot tell. A proxy on this machine lets in the world, and shows it by its headers; a page of another
    site, whose name was made to mean 127.0.0.1, comes from here but names itself as the host.
    """
    peer = request.client.host if request.client else ""
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:
        host = ""
    passed_on = any(name == "forwarded" or name.startswith("x-forwarded-") for name in request.headers)
    if passed_on or not (is_loopback(peer) and is_loopback(host)):
        raise NotFound

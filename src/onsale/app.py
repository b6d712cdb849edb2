"""The composition root: settings -> pools -> rooms -> endpoints; and the table of which fact reaches whom.

Nobody imports this module but the command line and the tests; everything else is given what it needs.
"""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import uvloop
from fastapi import APIRouter, Depends, FastAPI, Request
from starlette.types import ASGIApp

from onsale import __version__, limits, mount
from onsale.accounts import Accounts, Shopper
from onsale.accounts import routes as account_routes
from onsale.catalog import Catalog
from onsale.catalog import routes as catalog_routes
from onsale.checkout import Checkout, Gateway, Orders, PaymentCaptured, Payments, SandboxGateway
from onsale.checkout import routes as checkout_routes
from onsale.checkout.hot import CheckoutEndpoints
from onsale.checkout.jobs import Delivery
from onsale.config import Settings
from onsale.guard import Guard, Rates
from onsale.inventory import Inventory, MapCache
from onsale.inventory import routes as inventory_routes
from onsale.inventory.hot import InventoryEndpoints
from onsale.kit import asgi, db, front, redis, tasks, tokens
from onsale.kit.facts import Fact, Facts, Hearer
from onsale.kit.jobs import Jobs
from onsale.kit.mail import MailboxMailer, Mailer, Message, SmtpMailer, standalone_html
from onsale.kit.mailbox import Mailbox
from onsale.kit.proxies import parse_trusted
from onsale.kit.pulse import Pulse
from onsale.kit.quota import Quota
from onsale.live import Live
from onsale.live.hot import LiveEndpoints
from onsale.mount import Role, describe_hot
from onsale.ops import DatabaseCheck, Housekeeping, SaleControl, health_router
from onsale.ops import router as sale_router
from onsale.tickets import TicketKey, Tickets
from onsale.tickets import routes as ticket_routes
from onsale.waitingroom import Line, LineCache, PlaceTokens
from onsale.waitingroom.hot import LineEndpoints
from onsale.web import Pages, Rooms, Statics, documents_router, install_error_pages, pages_router


def hearers(delivery: Delivery) -> Mapping[type[Fact], Sequence[Hearer]]:
    """Which fact is heard by whom, in the worker, at least once. Facts that nobody hears are for followers."""
    return {
        PaymentCaptured: (delivery.send_tickets,),
    }


@dataclass(frozen=True, slots=True)
class House:
    """All parts of one process, built and not yet opened."""

    settings: Settings
    database: db.Database
    redis: redis.Client
    quota: Quota
    jobs: Jobs
    catalog: Catalog
    accounts: Accounts
    line: Line
    place_tokens: PlaceTokens
    inventory: Inventory
    checkout: Checkout
    gateway: Gateway
    sales: SaleControl
    housekeeping: Housekeeping
    mailbox: Mailbox | None
    pulse: Pulse
    live: Live

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Connections, and what every process does in the background."""
        await self.database.open()
        watching = tasks.spawn(self.accounts.watch_revocations(), name="watch revocations")
        mapping = tasks.spawn(self.inventory.seat_map.run(), name="seat map")
        try:
            yield
        finally:
            await tasks.cancel(watching, mapping)
            await self.live.close()
            await self.gateway.close()
            await self.redis.aclose()
            await self.database.close()


def build(settings: Settings, gateway: Gateway | None = None) -> House:
    """Put the parts together. Nothing is connected yet, so this cannot fail for what is away.

    `gateway` replaces the one the settings name; tests and one benchmark run the sandbox in process.
    """
    secret = settings.secret_key.encode()
    database = db.Database(settings.database_url, settings.database_read_url)
    client = redis.connect(settings.redis_url)
    mailbox = Mailbox(database) if settings.development_mailbox else None
    mailer = _mailer(settings, mailbox)
    jobs = Jobs(settings.database_url)
    catalog = Catalog(database)
    signer = tokens.Signer({"1": tokens.derive(secret, "sessions")}, current="1")
    quota = Quota(client)
    accounts = Accounts(database, signer, quota, mailer, tokens.derive(secret, "sign-in codes"))
    gateway = gateway or SandboxGateway(settings.gateway_url, settings.gateway_key)

    # The letter needs orders and tickets, and these need the facts that bring the letter: the one knot of the house.
    facts = Facts(jobs)
    inventory = Inventory(database, catalog, facts, MapCache(client))
    ticket_key = TicketKey.from_seed(tokens.derive(secret, "entry codes"))
    tickets = Tickets(database, catalog, facts, ticket_key, tokens.derive(secret, "ticket links"))
    orders = Orders(database, catalog, inventory, tickets, facts, tokens.derive(secret, "order links"))
    facts.tell(hearers(Delivery(orders, tickets, mailer, settings.base_url)))
    payments = Payments(database, inventory, tickets, facts, gateway, settings.gateway)
    sales = SaleControl(database, catalog, inventory)
    return House(
        settings,
        database,
        client,
        quota,
        jobs,
        catalog,
        accounts,
        Line(database, LineCache(client)),
        PlaceTokens(tokens.Signer({"1": tokens.derive(secret, "places")}, current="1")),
        inventory,
        Checkout(orders, payments, catalog, tickets, gateway),
        gateway,
        sales,
        Housekeeping(database, accounts, inventory, payments, sales),
        mailbox,
        Pulse(client, f"{socket.gethostname()}-{os.getpid()}"),
        Live(inventory.seat_map),
    )


def _mailer(settings: Settings, mailbox: Mailbox | None) -> Mailer:
    if mailbox is None:
        return SmtpMailer(settings.smtp_url, settings.mail_from)

    async def keep(message: Message) -> None:
        names = [attachment.name for attachment in message.attachments]
        await mailbox.put(message.to, message.subject, message.text, standalone_html(message), names)

    return MailboxMailer(keep)


def web(house: House, role: Role) -> asgi.App:
    """The ASGI application of a web process in its role."""
    guarded = guards(house)
    routes = mount.hot_routes(
        role,
        guarded,
        LineEndpoints(house.line, house.place_tokens),
        InventoryEndpoints(house.inventory, house.catalog),
        CheckoutEndpoints(house.checkout),
    )
    live = mount.live_routes(role, guarded, LiveEndpoints(house.live, house.catalog))
    return front.Front(asgi.Router(routes), _framework(house, role, guarded), live)


def guards(house: House) -> mount.Guards:
    """What stands before the endpoints, by the settings."""
    settings = house.settings
    rates = Rates(
        settings.rate_per_address_per_min, settings.rate_holds_per_person_per_min, settings.rate_holds_in_all_per_s
    )
    return mount.Guards(house.accounts, Guard(house.quota, rates, parse_trusted(settings.trusted_proxies)))


def _framework(house: House, role: Role, guarded: mount.Guards) -> ASGIApp:
    """Everything that is not hot, over FastAPI; its OpenAPI document describes the hot endpoints, too."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with house.open():
            beating = tasks.spawn(house.pulse.beat("process", lambda: {"role": list(Role).index(role)}), name="pulse")
            yield
            await tasks.cancel(beating)

    app = FastAPI(title="onsale", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    statics = Statics()
    pages = Pages(house.accounts, statics, development=house.settings.mailbox_page)
    install_error_pages(app, pages)

    async def redis_state() -> str:
        return "ok" if await redis.ready(house.redis) else "away"

    app.include_router(health_router({"database": DatabaseCheck(house.database)}, {"redis": redis_state}))
    if role is Role.GATE:
        return app

    async def counted(request: Request) -> None:
        await guarded.visit(request.scope)

    app.include_router(statics.router())
    for part in (*_shop_routers(house, pages), documents_router(pages, app)):
        app.include_router(part, dependencies=[Depends(counted)])
    describe_hot(app)
    return app


def _shop_routers(house: House, pages: Pages) -> list[APIRouter]:
    accounts, catalog, checkout = house.accounts, house.catalog, house.checkout

    async def maybe(request: Request) -> Shopper | None:
        return accounts.optional_shopper(request.scope)

    secure, trusted = house.settings.secure_cookies, parse_trusted(house.settings.trusted_proxies)
    mailbox = house.mailbox if house.settings.mailbox_page else None
    rooms = Rooms(catalog, checkout, accounts, mailbox, secure, trusted)
    return [
        account_routes.router(accounts, secure, trusted),
        catalog_routes.router(catalog, accounts.require_role, house.sales.say),
        inventory_routes.router(house.inventory, catalog, accounts.shopper),
        checkout_routes.router(checkout, maybe),
        ticket_routes.router(checkout.tickets, catalog, maybe),
        sale_router(house.sales, house.inventory, catalog, accounts.require_role),
        pages_router(pages, rooms),
    ]


async def work(house: House, *, until_empty: bool = False) -> None:
    """What a worker process does until it is cancelled: jobs and housekeeping."""
    async with house.open():
        if until_empty:
            await house.jobs.run(concurrency=limits.JOBS_RUNNING_MAX, until_empty=True)
            return
        beating = tasks.spawn(house.pulse.beat("process", lambda: {"role": len(Role)}), name="pulse")
        keeping = tasks.spawn(house.housekeeping.run(), name="housekeeping")
        try:
            await house.jobs.run(concurrency=limits.JOBS_RUNNING_MAX)
        finally:
            await tasks.cancel(beating, keeping)


def run_worker(settings: Settings, *, until_empty: bool = False) -> None:
    """A worker process: until SIGTERM or SIGINT, or until no job is left."""

    async def until_told() -> None:
        told = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, told.set)
        working = tasks.spawn(work(build(settings), until_empty=until_empty), name="worker")
        waiting = tasks.spawn(told.wait(), name="wait for a signal")
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        ended_by_itself = working.done()
        await tasks.cancel(working, waiting)
        if ended_by_itself:
            working.result()

    uvloop.run(until_told())

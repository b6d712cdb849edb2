"""The sandbox gateway's real book, read over HTTP, page after page, and held against ours."""

import asyncio
import contextlib

import pytest
import uvicorn

from onsale.checkout.gateways import Intent, SandboxGateway
from onsale.checkout.gateways.sandbox_server import sandbox_app
from onsale.drop.book import Payment, State, compare, read_book
from onsale.kit import clock, tasks

pytestmark = pytest.mark.anyio

KEY = "sk_sandbox_test"
# More than a page of the book, so that the second page is read too.
ORDERS = 1_100


@contextlib.asynccontextmanager
async def sandbox(folder):
    """The base URL of a sandbox gateway with an empty book."""
    config = uvicorn.Config(sandbox_app(folder / "book"), port=0, log_level="error", lifespan="on", ws="none")
    server = uvicorn.Server(config)
    serving = tasks.spawn(server.serve(), name="sandbox")
    while not server.started:
        await clock.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def test_every_charge_of_the_book_is_read_and_what_differs_is_named(tmp_path):
    async with sandbox(tmp_path) as url:
        gateway = SandboxGateway(url, KEY)
        intents = [
            Intent(f"ord_{n}", 1, 500, "EUR", "sandbox_declined" if n > 1 else "sandbox_ok", "2 tickets")
            for n in range(ORDERS)
        ]
        outcomes = await asyncio.gather(*(gateway.authorise(intent) for intent in intents))
        await gateway.capture(outcomes[0].ref, intents[0].key + ":capture")
        await gateway.close()
        charges = await read_book(url, KEY)
    ours = [Payment(intent.order, 1, State.DECLINED, 500, "EUR") for intent in intents[2:]]
    captured = [Payment(f"ord_{n}", 1, State.CAPTURED, 500, "EUR") for n in (0, 1)]
    broken = {name: lines for name, lines in compare(captured + ours, charges).items() if lines}
    assert len(charges) == ORDERS
    assert broken.keys() == {"book_money_not_taken"}
    assert broken["book_money_not_taken"][0].startswith("ord_1 ")

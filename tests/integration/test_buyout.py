"""Two thousand fans buy out two thousand seats of a real `onsale up`; then all books are held against each other."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console
from tests.integration.world import GATEWAY_KEY, put_on_sale
from tests.running import Running, await_answer, up

from onsale import app
from onsale.config import Settings
from onsale.drop import buy_out, referee

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(240)]

SEATS = BUYERS = 2_000
OVER_S = 20.0
# What two cores carry together with the letters: this test is about whose seats they are, not about how fast.
AT_ONCE_MAX = 48
SEED = 20_261_123
SECRET = "a secret of thirty-two characters."


@contextmanager
def gateway(data_dir: Path) -> Iterator[str]:
    """The sandbox in a process of its own, at an address the referee knows, too."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    running = Running.start("gateway", "--port", str(port), DATA_DIR=data_dir)
    try:
        await_answer(f"http://127.0.0.1:{port}/book", status=401)
        yield f"http://127.0.0.1:{port}"
    finally:
        running.stop()


@contextmanager
def machine(data_dir: Path, **settings: object) -> Iterator[str]:
    """`onsale up`, which must end when it is told to."""
    running, address = up(data_dir, **settings)
    try:
        yield address
    finally:
        code = running.stop()
    assert code == 0, running.said


async def event_on_sale(settings: Settings) -> int:
    house = app.build(settings)
    async with house.open():
        return await put_on_sale(house, seats=SEATS)


async def test_a_crowd_buys_out_an_event_and_every_book_agrees(database_url: str, redis_url: str, tmp_path: Path):
    settings = Settings(database_url=database_url, redis_url=redis_url, secret_key=SECRET, data_dir=tmp_path)
    event = await event_on_sale(settings)
    with gateway(tmp_path / "gateway") as gateway_url:
        addresses = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "GATEWAY_URL": gateway_url}
        own = {"SECRET_KEY": SECRET, "GATEWAY_KEY": GATEWAY_KEY, "LOG_LEVEL": "warning"}
        with machine(tmp_path / "machine", **addresses, **own) as address:
            print(f"seed {SEED}")
            report = await buy_out(address, event, BUYERS, SEED, over_s=OVER_S, at_once_max=AT_ONCE_MAX)
            verdict = await referee(database_url, gateway_url, GATEWAY_KEY)
            console = Console(width=140)
            console.print(report.table(), verdict.table())
    assert report.good, (report.contradictions, report.failures, report.arrivals.verdict)
    assert (report.sold_out, report.sold, report.tickets) == (True, SEATS, SEATS)
    assert verdict.book_compared
    assert verdict.good, verdict.broken
    assert verdict.looked_at["tickets"] == SEATS

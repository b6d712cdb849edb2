"""The roles run apart, as processes against one database: they sell together, and each may die at any moment."""

import asyncio
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx
import pytest
from tests.running import Running, await_answer

from onsale import app, ops
from onsale.catalog import Season, demo_season
from onsale.config import Settings
from onsale.kit import clock

SECRET = "a secret of thirty-two characters."
SEATS = 80


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Town:
    """One installation whose roles are started one by one."""

    settings: dict[str, Any]
    ports: dict[str, int]
    running: dict[str, Running]

    WORDS: ClassVar = {
        "shop": ("serve", "--role", "shop"),
        "gate": ("serve", "--role", "gate"),
        "worker": ("work",),
        "gateway": ("gateway", "--port"),
    }

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def begin(self, name: str, **settings: Any) -> None:
        words = [*self.WORDS[name], *([str(self.ports[name])] if name == "gateway" else [])]
        own = {"PORT": self.ports[name]} if name in ("shop", "gate") else {}
        self.running[name] = Running.start(*words, **{**self.settings, **own, **settings})

    def ready(self) -> None:
        for name in self.running.keys() & {"shop", "gate"}:
            await_answer(f"{self.url(name)}/readyz")
        if "gateway" in self.running:
            await_answer(f"{self.url('gateway')}/book", status=401)

    def kill(self, name: str) -> None:
        """As a power cut would: no signal that could be heard."""
        assert self.running.pop(name).stop(signal.SIGKILL) == -signal.SIGKILL

    def end(self, name: str) -> str:
        """As an operator would; what it said."""
        running = self.running.pop(name)
        assert running.stop(signal.SIGTERM) == 0, running.said
        return running.said

    def letters(self) -> str:
        return httpx.get(f"{self.url('shop')}/dev/mailbox", timeout=10).text


@pytest.fixture
def town(database_url, servers, tmp_path) -> Iterator[Town]:
    ports = {name: free_port() for name in Town.WORDS}
    settings = {
        "DATABASE_URL": database_url,
        "REDIS_URL": servers.redis_url,
        "SECRET_KEY": SECRET,
        "DATA_DIR": tmp_path / "data",
        "GATEWAY_URL": f"http://127.0.0.1:{ports['gateway']}",
    }
    asyncio.run(_season(database_url, servers.redis_url))
    town = Town(settings, ports, {})
    yield town
    for name, running in town.running.items():
        running.stop(signal.SIGKILL)
        print(f"--- {name} said:\n{running.said}")  # Shown when the test fails.


async def _season(database_url: str, redis_url: str) -> None:
    """The demo season's smallest venue, and what plays there."""
    house = app.build(Settings(database_url=database_url, redis_url=redis_url, secret_key=SECRET))
    whole = demo_season(clock.utcnow())
    place = next(number for number, venue in enumerate(whole.venues) if venue.seats == SEATS)
    events = tuple(replace(event, venue=0) for event in whole.events if event.venue == place)
    async with house.open():
        await ops.seed(house.catalog, house.sales, Season((whole.venues[place],), events), lambda *_: None)


@contextmanager
def fan(town: Town) -> Iterator[httpx.Client]:
    """A guest at the shop, who opens a new connection for each request: the old one may be dead."""
    limits = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(base_url=f"{town.url('shop')}/api/v1", timeout=40, limits=limits) as client:
        token = client.post("/session", json={}).raise_for_status().json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def an_event(client: httpx.Client) -> int:
    number: int = client.get("/events", params={"status": "OPEN"}).json()["items"][0]["id"]
    return number


def ordered(client: httpx.Client, email: str) -> Any:
    hold = client.post(f"/events/{an_event(client)}/holds", json={"best": {"quantity": 2}}).raise_for_status().json()
    return client.post("/orders", json={"holds": [hold["id"]], "email": email}).raise_for_status().json()


def paid(client: httpx.Client, order: Any) -> httpx.Response:
    return client.post(f"/orders/{order['id']}/payment", json={"method": "sandbox_ok"})


def await_letter(town: Town, email: str) -> None:
    deadline = time.monotonic() + 30
    while email not in town.letters():
        assert time.monotonic() < deadline, "the letter never came"
        time.sleep(0.1)


def test_the_roles_sell_a_ticket_together_and_the_gate_serves_no_shop(town):
    for name in Town.WORDS:
        town.begin(name)
    town.ready()
    with fan(town) as client:
        order = ordered(client, "ann@example.org")
        answer = paid(client, order)
        assert answer.status_code == 200
        assert [ticket["status"] for ticket in answer.json()["tickets"]] == ["valid", "valid"]
    await_letter(town, "ann@example.org")

    gate = town.url("gate")
    assert httpx.get(f"{gate}/healthz").json() == {"status": "alive"}
    assert httpx.get(f"{gate}/readyz").json()["parts"] == {"database": "ok", "redis": "ok"}
    assert httpx.get(f"{gate}/metrics").status_code == 200
    for path in ("/", "/events/1", "/sign-in", "/api/v1/events", "/api/v1/events/1/availability", "/docs"):
        answer = httpx.get(f"{gate}{path}", headers={"accept": "text/html"})
        assert answer.status_code == 404, path
    assert httpx.post(f"{gate}/api/v1/orders", json={}).status_code == 404
    for name in Town.WORDS:
        assert "Traceback" not in town.end(name)


def test_each_role_may_be_killed_at_any_moment_and_nothing_is_lost(town):
    for name in ("shop", "gateway", "worker"):
        town.begin(name)
    town.ready()
    with fan(town) as client:
        event = an_event(client)
        hold = client.post(f"/events/{event}/holds", json={"best": {"quantity": 2}}).raise_for_status().json()
        town.kill("shop")
        town.begin("shop")
        town.ready()
        mine = client.get(f"/events/{event}/holds/mine").json()["items"]
        assert [(one["id"], one["status"]) for one in mine] == [(hold["id"], "held")]

        order = client.post("/orders", json={"holds": [hold["id"]], "email": "bob@example.org"}).json()
        town.kill("worker")
        town.kill("gateway")
        answer = paid(client, order)
        assert answer.status_code in (202, 503), "nobody knows whether the money moved, so nobody says no"
        town.begin("gateway")
        town.begin("worker")
        town.ready()
        tickets = _await_confirmed(client, order)
        assert len(tickets) == 2
        await_letter(town, "bob@example.org")
        town.kill("shop")
        town.begin("shop")
        town.ready()
        assert client.get(f"/orders/{order['id']}").json()["tickets"] == tickets


def _await_confirmed(client: httpx.Client, order: Any) -> Any:
    """The reconciler ends what the dead gateway left open; who pays again meanwhile pays once."""
    deadline = time.monotonic() + 60
    while True:
        body = client.get(f"/orders/{order['id']}").raise_for_status().json()
        if body["status"] == "confirmed":
            return body["tickets"]
        assert time.monotonic() < deadline, body
        if body["status"] == "pending":
            paid(client, order)
        time.sleep(0.25)


def test_a_payment_under_way_is_answered_before_the_shop_ends(town):
    town.begin("gateway")
    with slow_gateway(town.url("gateway"), pause_s=2.0) as slow:
        town.begin("shop", GATEWAY_URL=slow.url)
        town.ready()
        with fan(town) as client, httpx.Client() as idle:
            order = ordered(client, "eve@example.org")
            idle.get(f"{town.url('shop')}/healthz")
            answers: list[httpx.Response] = []
            paying = threading.Thread(target=lambda: answers.append(paid(client, order)))
            paying.start()
            assert slow.asked.wait(10)
            began = time.monotonic()
            said = town.end("shop")
            assert time.monotonic() - began < 15, "a connection kept open by nobody's request holds nobody up"
            paying.join()
            assert answers[0].status_code == 200
            assert answers[0].json()["status"] == "confirmed"
            assert "Traceback" not in said
            with pytest.raises(httpx.ConnectError):
                client.get("/events")


@dataclass
class Slow:
    """`asked` is set when the first request is in the middle of its pause."""

    url: str
    asked: threading.Event


@contextmanager
def slow_gateway(behind: str, pause_s: float) -> Iterator[Slow]:
    """The sandbox behind a bad line: every answer comes late."""
    asked = threading.Event()

    class Line(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"] or 0))
            asked.set()
            time.sleep(pause_s)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            answer = httpx.request(self.command, f"{behind}{self.path}", content=body, headers=headers, timeout=10)
            self.send_response(answer.status_code)
            self.send_header("content-type", answer.headers["content-type"])
            self.send_header("content-length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: the test says what matters."""

    with ExitStack() as stack:
        server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Line))
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield Slow(f"http://127.0.0.1:{server.server_address[1]}", asked)
        with suppress(OSError):
            server.shutdown()
        thread.join()

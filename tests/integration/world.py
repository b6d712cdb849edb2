"""A whole house as tests meet it: every room on a real database and Valkey, a real sandbox in process, fans over ASGI.

`World` is one installation with events on sale. `Fan` is one browser. `Flaky` stands between us and the gateway, and
does what networks and crashes do. `judge` holds all books against each other, as the referee does after an on-sale.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psycopg

from onsale import app as composition
from onsale.catalog import NewEvent, NewTier, NewVenue, generate_chart
from onsale.checkout import SandboxGateway, sandbox_app
from onsale.checkout.gateways import Gateway, GatewayState, Intent, Outcome
from onsale.checkout.gateways.sandbox_server import SandboxApp
from onsale.config import Settings
from onsale.drop import book, referee
from onsale.kit import asgi, clock, ids, tasks
from onsale.mount import Role

SEATS = 60
FACE_MINOR = 5_000
FEE_MINOR = 450
GATEWAY_KEY = "sk_sandbox_test"
GATEWAY_HEADERS = {"Authorization": f"Bearer {GATEWAY_KEY}"}
EMAIL = "ann@example.org"


class Killed(Exception):
    """The process ended here. What comes after in the code does not happen."""


@dataclass
class Flaky:
    """The gateway, with what may go wrong on the way to it and back.

    `script` maps a moment, like `before authorise` or `after capture`, to what happens there, once: Killed, or the
    Outcome to answer instead (before: the request never arrives; after: it arrived, its answer is lost), or something
    to await and then go on.
    """

    inner: Gateway
    script: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @property
    def methods(self) -> Mapping[str, str]:
        return self.inner.methods

    async def authorise(self, intent: Intent) -> Outcome:
        return await self._with_trouble("authorise", lambda: self.inner.authorise(intent))

    async def capture(self, ref: str, key: str) -> Outcome:
        return await self._with_trouble("capture", lambda: self.inner.capture(ref, key))

    async def void(self, ref: str, key: str) -> Outcome:
        return await self._with_trouble("void", lambda: self.inner.void(ref, key))

    async def refund(self, ref: str, amount_minor: int, key: str) -> Outcome:
        return await self._with_trouble("refund", lambda: self.inner.refund(ref, amount_minor, key))

    async def status(self, order: str) -> list[Outcome]:
        return await self.inner.status(order)

    async def close(self) -> None:
        await self.inner.close()

    async def _with_trouble(self, verb: str, ask: Callable[[], Any]) -> Outcome:
        self.asked.append(verb)
        instead = await self._trouble(f"before {verb}")
        if instead is not None:
            return instead
        outcome: Outcome = await ask()
        return await self._trouble(f"after {verb}") or outcome

    async def _trouble(self, moment: str) -> Outcome | None:
        trouble = self.script.pop(moment, None)
        if trouble is Killed:
            raise Killed(moment)
        if trouble is None or isinstance(trouble, Outcome):
            return trouble
        told: Outcome | None = await trouble()
        return told


NO_ANSWER = Outcome(GatewayState.UNKNOWN, message="timed out")
"""What a request without an answer tells: nothing."""


@dataclass
class World:
    """One installation. `client` has no cookies: each Fan brings its own session."""

    house: composition.House
    app: asgi.App
    client: httpx.AsyncClient
    sandbox: SandboxApp
    gateway: Flaky
    event: int

    @property
    def url(self) -> str:
        return self.house.settings.database_url

    async def fan(self) -> "Fan":
        """Somebody new."""
        session = await self.client.post("/api/v1/session", json={})
        assert session.status_code == 201, session.text
        self.client.cookies.clear()
        return Fan(self, {"Authorization": f"Bearer {session.json()['token']}"})

    async def put_on_sale(self, **changes: Any) -> int:
        """Another event of this world; `changes` are fields of NewEvent, or `face_minor`, `fee_minor` and `seats`."""
        return await put_on_sale(self.house, **changes)

    async def rows(self, query: str, *values: Any) -> list[Any]:
        """Rows, read or written, by SQL of the test's own."""
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            cursor = await connection.execute(query.encode(), values or None)
            return await cursor.fetchall() if cursor.description else []

    async def value(self, query: str, *values: Any) -> Any:
        [[value]] = await self.rows(query, *values)
        return value

    async def counts(self) -> dict[str, int]:
        """How many rows each table of a sale has: what a refused request must not change."""
        tables = ("hold", "orders", "order_hold", "order_item", "payment", "ticket", "fact", "procrastinate_jobs")
        counted = {table: await self.value(f"SELECT count(*) FROM {table}") for table in tables}
        counted["taken"] = await self.value("SELECT count(*) FROM seat WHERE state <> 0")
        return counted

    async def run_out(self, hold: str) -> None:
        """The time of a hold is over; nobody has swept it, nobody has taken its seats."""
        shard_id, hold_id = ids.parse("hld", hold)
        await self.rows(
            "WITH late AS (UPDATE hold SET expires_at = statement_timestamp() - interval '1 s' "
            "WHERE shard_id = %s AND hold_id = %s RETURNING shard_id, hold_id, expires_at) "
            "UPDATE seat SET held_until = late.expires_at FROM late "
            "WHERE seat.shard_id = late.shard_id AND seat.hold_id = late.hold_id",
            shard_id,
            hold_id,
        )

    async def reconcile(self) -> int:
        """What the worker does with payments that stood still: now, instead of in some seconds."""
        await self.rows("UPDATE payment SET updated_at = updated_at - interval '1 minute' WHERE state IN (1, 2, 5, 7)")
        return await self.house.checkout.payments.reconcile()

    async def work(self) -> None:
        """A worker comes by: all jobs that wait are done."""
        gateway = SandboxGateway("http://sandbox", GATEWAY_KEY, transport=httpx.ASGITransport(self.sandbox))
        await composition.work(composition.build(self.house.settings, gateway), until_empty=True)

    async def charges(self) -> list[book.Charge]:
        """The gateway's own book."""
        async with self.bank() as bank:
            page = await bank.get("/book")
        assert page.json()["next"] is None
        return msgspec.convert(page.json()["items"], list[book.Charge])

    def bank(self) -> httpx.AsyncClient:
        """The sandbox itself, for what happens there without us."""
        transport = httpx.ASGITransport(self.sandbox)
        return httpx.AsyncClient(transport=transport, base_url="http://sandbox", headers=GATEWAY_HEADERS)

    async def judge(self) -> None:
        """Every check of audit.sql, and our payments against the gateway's book. Nothing may be broken."""
        verdict = await referee(self.url)
        assert verdict.good, verdict.broken
        rows = await self.rows("SELECT shard_id, order_id, attempt, state, amount_minor, currency FROM payment")
        payments = [
            book.Payment(ids.public("ord", shard_id, order_id), *rest) for shard_id, order_id, *rest in rows if rest[2]
        ]
        differences = {name: lines for name, lines in book.compare(payments, await self.charges()).items() if lines}
        assert not differences, differences

    async def ended(self) -> None:
        """`judge`, and no payment is under way any more."""
        assert not await self.rows("SELECT * FROM payment WHERE state IN (1, 2, 5, 7)")
        await self.judge()


@dataclass
class Fan:
    """One browser with its session."""

    world: World
    headers: dict[str, str]

    async def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        own = {"Idempotency-Key": key} if key else {}
        return await self.world.client.post(path, json=body, headers={**self.headers, **own})

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.world.client.get(path, headers={**self.headers, **headers})

    async def take(self, *seats: int, event: int | None = None, key: str | None = None) -> httpx.Response:
        return await self.post(f"/api/v1/events/{event or self.world.event}/holds", {"seats": seats}, key)

    async def hold(self, *seats: int, event: int | None = None) -> str:
        """The id of a hold of these seats."""
        return str(ok(await self.take(*seats, event=event), 201)["id"])

    async def place(self, *holds: str, email: str = EMAIL, key: str | None = None) -> httpx.Response:
        return await self.post("/api/v1/orders", {"holds": holds, "email": email}, key)

    async def order(self, *seats: int, event: int | None = None) -> str:
        """The id of an order of these seats, held for it."""
        return str(ok(await self.place(await self.hold(*seats, event=event)), 201)["id"])

    async def pay(self, order: str, method: str = "sandbox_ok", key: str | None = None) -> httpx.Response:
        return await self.post(f"/api/v1/orders/{order}/payment", {"method": method}, key)

    async def see(self, order: str) -> Any:
        return ok(await self.get(f"/api/v1/orders/{order}"), 200)

    async def status(self, order: str) -> str:
        status: str = (await self.see(order))["status"]
        return status

    async def buy(self, *seats: int, event: int | None = None) -> Any:
        """The confirmed order."""
        return ok(await self.pay(await self.order(*seats, event=event)), 200)


def ok(response: httpx.Response, status: int) -> Any:
    """The body of an answer that has this status."""
    assert response.status_code == status, (response.status_code, response.text)
    return response.json()


def refused(response: httpx.Response, status: int, code: str) -> Any:
    """The body of a problem: all its members, and nothing of our insides."""
    assert (response.status_code, response.json().get("code")) == (status, code), response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    body = response.json()
    assert body["type"] == f"/docs/errors#{code}"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert "Traceback" not in response.text
    assert "onsale." not in response.text
    return body


async def put_on_sale(house: composition.House, **changes: Any) -> int:
    """An event that sells since a minute ago, every zone at the same price."""
    seats = changes.pop("seats", SEATS)
    face, fee = changes.pop("face_minor", FACE_MINOR), changes.pop("fee_minor", FEE_MINOR)
    name = f"Hall {ids.new_id():x}"
    venue_id = await house.catalog.create_venue(
        NewVenue(name=name, city="Prague", country="CZ", timezone="Europe/Prague")
    )
    chart = generate_chart("club" if seats > 6_000 else "theatre", seats, name)
    now = clock.utcnow()
    event: dict[str, Any] = {
        "organiser_id": await house.catalog.create_organiser(name),
        "venue_id": venue_id,
        "chart_hash": await house.catalog.add_chart(venue_id, chart),
        "genre": "Opera",
        "title": "Rusalka",
        "starts_at": now + timedelta(days=30),
        "ends_at": now + timedelta(days=30, hours=3),
        "opens_at": now - timedelta(minutes=1),
        "closes_at": now + timedelta(days=30),
        "currency": "EUR",
        "tiers": (
            NewTier(
                name="All seats", zones=tuple(range(len(chart.zones))), face_minor=face, fee_minor=fee, colour="#0072b2"
            ),
        ),
    }
    event_id = await house.catalog.create_event(NewEvent(**(event | changes)))
    assert await house.sales.put_on_sale(event_id) == seats
    return event_id


async def _run(app: asgi.App, to_app: asyncio.Queue[Any], from_app: asyncio.Queue[Any]) -> None:
    await app({"type": "lifespan", "state": {}}, to_app.get, from_app.put)


@asynccontextmanager
async def living(app: asgi.App) -> AsyncIterator[None]:
    """The application between its startup and its shutdown, as a server would bring it there."""
    to_app: asyncio.Queue[Any] = asyncio.Queue()
    from_app: asyncio.Queue[Any] = asyncio.Queue()
    running = tasks.spawn(_run(app, to_app, from_app), name="application")
    for moment in ("startup", "shutdown"):
        await to_app.put({"type": f"lifespan.{moment}"})
        told = await from_app.get()
        assert told["type"] == f"lifespan.{moment}.complete", told
        if moment == "startup":
            try:
                yield
            except BaseException:
                await tasks.cancel(running)
                raise
    await running


@asynccontextmanager
async def world(database_url: str, redis_url: str, folder: Path, **changes: Any) -> AsyncIterator[World]:
    """A house with one event of SEATS seats on sale, built as the product builds it. `changes` are settings."""
    sandbox = sandbox_app(folder / "sandbox.sqlite")
    gateway = Flaky(SandboxGateway("http://sandbox", GATEWAY_KEY, transport=httpx.ASGITransport(sandbox)))
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_dir=folder,
        secret_key="a secret of thirty-two letters..",
        **changes,
    )
    house = composition.build(settings, gateway=gateway)
    app = composition.web(house, Role.ALL)
    transport = httpx.ASGITransport(app)
    try:
        async with living(app), httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
            yield World(house, app, client, sandbox, gateway, await put_on_sale(house))
    finally:
        sandbox.book.close()

"""A real server on loopback that serves the live map of a world, and real clients of it."""

import json
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.integration.live.polled import EPOCH, Polled
from tests.integration.world import World, world
from websockets.asyncio.client import ClientConnection, connect

from onsale import app as composition
from onsale import mount
from onsale.kit import asgi, clock, ids, serving, tasks
from onsale.kit.front import Front
from onsale.live import Live
from onsale.live.hot import LiveEndpoints
from onsale.mount import Role


@asynccontextmanager
async def served(app: asgi.App) -> AsyncIterator[int]:
    """The port of the application, served as the product serves it."""
    server = serving.server(app, lifespan=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        running = tasks.spawn(server.serve(sockets=[listening]), name="server")
        while not server.started:
            await clock.sleep(0.01)
        yield port
        server.should_exit = True
        await running


@dataclass
class Stage:
    """A world whose map is served live at `port`."""

    world: World
    live: Live
    port: int

    @property
    def event(self) -> int:
        return self.world.event

    async def picture(self, event: int | None = None) -> tuple[int, list[int]]:
        """Version and states as any client gets them, from a picture taken after this call."""
        event = event or self.event
        await self.world.house.inventory.seat_map.picture(ids.shard_of(event), fresh=True)
        answer = await self.world.client.get(f"/api/v1/events/{event}/availability")
        version, count = struct.unpack_from(">QI", answer.content)
        packed = answer.content[12:]
        assert answer.headers["etag"].strip('"').partition("-")[0] == str(version)
        return version, [(packed[seat >> 2] >> (2 * (seat & 3))) & 3 for seat in range(count)]

    async def mark(self) -> str:
        version, _ = await self.picture()
        return f"{version}-{EPOCH.hex()}"

    def url(self, event: int | str | None = None) -> str:
        return f"ws://127.0.0.1:{self.port}/api/v1/events/{event or self.event}/live"

    def connect(self, since: str, event: int | None = None) -> connect:
        return connect(f"{self.url(event)}?since={since}", compression=None, proxy=None)


@dataclass
class Page:
    """What a page makes of a picture and the messages after it."""

    version: int
    states: list[int]
    messages: list[Any] = field(default_factory=list)

    @property
    def mark(self) -> str:
        return f"{self.version}-{EPOCH.hex()}"

    async def read_to(self, line: ClientConnection, version: int) -> None:
        """Take messages until that version is reached."""
        while self.version < version:
            self.take(json.loads(await line.recv()))

    def take(self, message: Any) -> None:
        assert set(message) == {"v", "etag", "seats"}, message
        assert message["v"] >= self.version
        assert message["etag"] == f"{message['v']}-{EPOCH.hex()}"
        for seat_no, state in message["seats"]:
            self.states[seat_no] = state
        self.version = message["v"]
        self.messages.append(message)


@pytest.fixture
async def stage(database_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    async with world(database_url, redis_url, tmp_path) as made:
        live = Live(Polled(made.house.inventory.seat_map))
        routes = mount.live_routes(Role.ALL, composition.guards(made.house), LiveEndpoints(live, made.house.catalog))
        async with served(Front(asgi.Router([]), made.app, routes)) as port:
            yield Stage(made, live, port)
        await live.close()


@pytest.fixture
async def browser(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{stage.port}", trust_env=False) as client:
        yield client

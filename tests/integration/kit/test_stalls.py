"""A WebSocket that takes nothing, or never says what it wants: cut within the bounds, while others are served."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.integration.live.conftest import served
from websockets.asyncio.client import connect

from onsale import limits
from onsale.kit import clock

pytestmark = pytest.mark.anyio

HANDSHAKE = (
    b"GET /talk HTTP/1.1\r\nHost: shop.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
TEXT = "x" * 1024


class Talker:
    """An application that talks without an end, or says one word."""

    def __init__(self) -> None:
        self.port = 0
        self.said = 0
        self.ended: list[str] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        try:
            if scope["path"] == "/word":
                await send({"type": "websocket.send", "text": "word"})
                return
            while True:
                await send({"type": "websocket.send", "text": TEXT})
                self.said += len(TEXT)
        except OSError:
            self.ended.append(scope["path"])


@pytest.fixture
async def talker(monkeypatch) -> AsyncIterator[Talker]:
    monkeypatch.setattr(limits, "LIVE_STALL_MAX_S", 0.5)
    app = Talker()
    async with served(app) as port:
        app.port = port
        yield app


def plug(talker: Talker) -> socket.socket:
    """A client whose own buffer is small and who has sent its handshake."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.connect(("127.0.0.1", talker.port))
    line.sendall(HANDSHAKE + b"\r\n")
    return line


async def test_who_takes_nothing_is_cut_and_costs_a_bounded_buffer(talker):
    line = plug(talker)
    began_s = clock.monotonic()
    while not talker.ended:
        await clock.sleep(0.02)
        assert clock.monotonic() - began_s < 10, "it was never cut"
    assert clock.monotonic() - began_s > 0.4
    # Ours, the kernel's (which counts twice, for its own books), and the client's.
    assert talker.said < 5 * limits.LIVE_BACKLOG_MAX_BYTES
    line.close()


async def test_others_are_served_meanwhile(talker):
    line = plug(talker)
    while not talker.said:
        await clock.sleep(0.01)
    async with connect(f"ws://127.0.0.1:{talker.port}/word", compression=None, proxy=None) as other:
        assert await asyncio.wait_for(other.recv(), 5) == "word"
    line.close()


async def test_a_handshake_that_cannot_be_read_is_hung_up_on(talker):
    reader, writer = await asyncio.open_connection("127.0.0.1", talker.port)
    writer.write(HANDSHAKE + b"Cookie: " + b"c" * 10_000 + b"\r\n\r\n")
    assert b"101" not in await asyncio.wait_for(reader.read(), 5)
    assert not talker.said
    writer.close()

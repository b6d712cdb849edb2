"""What stands before a body, over real connections: how long it may be, and how long it may take."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import uvicorn

from onsale import limits
from onsale.kit import clock, tasks
from onsale.kit.heads import BoundedHeads

pytestmark = pytest.mark.anyio

BEGUN = b"GET / HTTP/1.1\r\nHost: shop.test\r\n"
POSTED = b"POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n"


class Server:
    """An application that reads the body and tells its length, and how many requests have come so far."""

    def __init__(self) -> None:
        self.port = 0
        self.asked = 0

    async def __call__(self, scope, receive, send) -> None:
        self.asked += 1
        size, more = 0, True
        while more:
            message = await receive()
            size += len(message.get("body", b""))
            more = message.get("more_body", False)
        body = str(size).encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    app = Server()
    config = uvicorn.Config(app, http=BoundedHeads, lifespan="off", ws="none", log_level="critical", access_log=False)
    running = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app.port = listening.getsockname()[1]
        serving = tasks.spawn(running.serve(sockets=[listening]), name="server")
        while not running.started:
            await clock.sleep(0.01)
        yield app
        running.should_exit = True
        await serving


async def talk(server: Server, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """All the server answers to these pieces until it closes, or until nothing more comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answer = bytearray()

    async def listen() -> None:
        with suppress(TimeoutError, ConnectionError):
            while got := await asyncio.wait_for(reader.read(65_536), 2):
                answer.extend(got)

    listening = tasks.spawn(listen(), name="listen")
    with suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await clock.sleep(pause_s)
    await listening
    writer.close()
    return bytes(answer)


def of_size(size: int) -> bytes:
    """A whole request whose address and headers have so many bytes, as they are counted."""
    rest = len("/") + len("Host: shop.test\r\n") + len("X-Long: \r\n")
    return BEGUN + b"X-Long: " + b"a" * (size - rest) + b"\r\n\r\n"


async def test_headers_up_to_the_bound_are_served_and_a_byte_more_is_refused(server):
    assert (await talk(server, of_size(limits.HEAD_MAX_BYTES))).startswith(b"HTTP/1.1 200 ")
    head, _, body = (await talk(server, of_size(limits.HEAD_MAX_BYTES + 1))).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert b"content-type: application/problem+json" in head and b"connection: close" in head
    assert json.loads(body)["code"] == "headers_too_large"
    assert server.asked == 1


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
async def test_a_long_address_without_any_field_is_refused_too(server, version):
    def asked(size):
        return b"GET /" + b"a" * (size - 1) + b" HTTP/" + version + b"\r\n\r\n"

    assert (await talk(server, asked(limits.HEAD_MAX_BYTES))).startswith(b"HTTP/1.1 200 ")
    assert (await talk(server, asked(limits.HEAD_MAX_BYTES + 1))).startswith(b"HTTP/1.1 431 ")
    assert server.asked == 1


@pytest.mark.parametrize(
    "endless",
    [
        b"GET /" + b"a" * 4_000_000,
        BEGUN + b"X-Long: " + b"a" * 4_000_000,
        BEGUN + b"X-Many: a\r\n" * 400_000,
    ],
)
async def test_no_more_is_read_of_a_head_without_an_end(server, endless):
    _, writer = await asyncio.open_connection("127.0.0.1", server.port)
    taken = 0
    with suppress(ConnectionError):
        for start in range(0, len(endless), 4_096):
            writer.write(endless[start : start + 4_096])
            await writer.drain()
            taken = start
            await clock.sleep(0.001)
            if taken > 40 * limits.HEAD_MAX_BYTES:
                break
    writer.close()
    assert taken < 4 * limits.HEAD_MAX_BYTES
    assert server.asked == 0


@pytest.mark.parametrize(
    "what", [b"1;" + b"x" * 200_000, b"0\r\nX-Long: " + b"x" * 200_000, b"0\r\n" + b"X: y\r\n" * 50_000]
)
async def test_what_stands_between_and_behind_the_pieces_of_a_body_is_bounded_too(server, what):
    pieces = [what[start : start + 20_000] for start in range(0, len(what), 20_000)]
    answer = await talk(server, POSTED, *pieces, pause_s=0.01)
    assert not answer.startswith(b"HTTP/1.1 200 ")
    assert len(asyncio.all_tasks()) < 10


async def test_a_large_body_is_no_large_head(server):
    size = 10 * limits.HEAD_MAX_BYTES
    posted = f"POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: {size}\r\n\r\n".encode() + b"b" * size
    answer = await talk(server, posted + posted)
    assert answer.count(b"HTTP/1.1 200 ") == 2 and answer.endswith(str(size).encode())


async def test_a_head_that_takes_too_long_is_hung_up_on(server, monkeypatch):
    monkeypatch.setattr(limits, "HEAD_WAIT_S", 0.3)
    silent = await talk(server)
    dripping = await talk(server, *[BEGUN[index : index + 1] for index in range(len(BEGUN))], pause_s=0.05)
    again = await talk(server, BEGUN + b"\r\n", *[b"\r\n"] * 20, pause_s=0.05)
    assert (silent, dripping) == (b"", b"")
    assert again.count(b"HTTP/1.1 200 ") == 1
    assert server.asked == 1


async def test_a_body_may_take_longer_than_a_head(server, monkeypatch):
    monkeypatch.setattr(limits, "HEAD_WAIT_S", 0.2)
    answer = await talk(server, POSTED, *[b"1\r\nb\r\n"] * 10, b"0\r\n\r\n", pause_s=0.05)
    assert answer.endswith(b"10")


async def test_what_is_no_http_is_told_so_in_our_words(server):
    head, _, body = (await talk(server, b"hello\r\n\r\n")).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["code"] == "malformed_request"

"""The frugal generator: each request once, when it is due, whatever the server does; and it says what it saw."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from onsale.drop import Volley

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def server(answer):
    """`answer(request bytes, writer)` writes what it likes."""
    writers = set()

    async def serve(reader, writer):
        writers.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await answer(head, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            writers.discard(writer)

    running = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = running.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        running.close()
        for writer in list(writers):
            writer.close()
        await running.wait_closed()


def request(number):
    return f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def outcome(number, status, body):
    return f"{status} {body.decode()}"


async def echo(head, writer):
    body = head.split()[1]
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))


async def test_each_request_is_sent_once_and_its_answer_is_its_own():
    seen = []

    async def answer(head, writer):
        seen.append(head.split()[1])
        await echo(head, writer)

    async with server(answer) as url, Volley(url, 5) as volley:
        shot = await volley.fire((n / 500 for n in range(100)), request, outcome)
    assert sorted(seen) == sorted(f"/{n}".encode() for n in range(100))
    assert shot.offered == 100 and set(shot.outcomes) == {f"200 /{n}" for n in range(100)}


async def test_an_answer_in_pieces_is_read_whole():
    async def answer(head, writer):
        for piece in (b"HTTP/1.1 40", b"9 No\r\nContent-", b"Length: 4\r\n\r", b"\nab", b"cd"):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.002)

    async with server(answer) as url, Volley(url, 1) as volley:
        shot = await volley.fire([0.0, 0.0], request, outcome)
    assert shot.count("409 abcd") == 2 and shot.held_back == 1


async def test_latency_counts_from_when_it_was_due():
    """One connection, and a server that takes 50 ms: the third of three due at once has waited for two."""

    async def answer(head, writer):
        await asyncio.sleep(0.05)
        await echo(head, writer)

    async with server(answer) as url, Volley(url, 1) as volley:
        shot = await volley.fire([0.0, 0.0, 0.0], request, outcome)
    assert shot.latency.max_s >= 0.15 and shot.latency.min_s < 0.1


async def test_a_broken_connection_is_an_outcome_and_the_next_request_finds_another():
    count = 0

    async def answer(head, writer):
        nonlocal count
        count += 1
        if count == 2:
            writer.close()
        else:
            await echo(head, writer)

    async with server(answer) as url, Volley(url, 1) as volley:
        shot = await volley.fire([0.0, 0.05, 0.4], request, outcome)
    assert shot.count("broken") == 1 and shot.latency.count == 3 and shot.count("200 /2") == 1


async def test_no_answer_at_all_ends_too():
    async def answer(head, writer):
        await asyncio.sleep(30)

    async with server(answer) as url, Volley(url, 2) as volley:
        shot = await volley.fire([0.0, 0.0], request, outcome, drain_s=0.2)
        assert shot.count("unanswered") == 2


async def test_a_burst_is_on_every_connection():
    async with server(echo) as url, Volley(url, 40) as volley:
        shot = await volley.burst(request, outcome)
    assert shot.offered == 40 and shot.latency.count == 40


async def test_when_it_gives_up_what_was_never_written_what_is_under_way_still_has_its_time():
    async def slowly(head, writer):
        await asyncio.sleep(0.3)
        await echo(head, writer)

    async with server(slowly) as url, Volley(url, 1) as volley:
        shot = await volley.fire([0.0] * 5, request, outcome, drain_s=0.4)
    assert (shot.count("200 /0"), shot.count("200 /1"), shot.latency.count) == (1, 1, 2)

"""The client: what it makes of every way in which an answer may come, or not come."""

import asyncio

import msgspec
import pytest
import uvloop
from tests.unit.drop.servers import answer, read_request, repeating, serving

from onsale.drop import Client, RequestFailed, fan_address
from onsale.drop.client import problem_code

pytestmark = pytest.mark.anyio

CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
)


async def test_answers_with_a_length_share_one_connection():
    connections = 0

    async def talk(reader, writer):
        nonlocal connections
        connections += 1
        while request := await read_request(reader):
            writer.write(answer(request.split(b" ")[1]))

    async with serving(talk) as url, Client(url) as client:
        bodies = [(await client.get(f"/{n}")).body for n in range(5)]
    assert bodies == [b"/0", b"/1", b"/2", b"/3", b"/4"]
    assert connections == 1


async def test_chunks_are_put_together_and_the_connection_lives_on():
    async with serving(repeating(CHUNKED, answer(b"next"))) as url, Client(url) as client:
        assert (await client.get("/")).body == b"hello world"
        assert (await client.get("/")).body == b"next"
    assert client.reconnects == 0


async def test_an_answer_may_come_byte_by_byte():
    async def talk(reader, writer):
        await read_request(reader)
        for byte in CHUNKED:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(talk) as url, Client(url) as client:
        assert (await client.get("/")).body == b"hello world"


async def test_an_answer_without_a_length_ends_with_its_connection():
    async with serving(repeating(b"HTTP/1.1 200 OK\r\n\r\nall of it")) as url, Client(url) as client:
        assert (await client.get("/")).body == b"all of it"


async def test_connection_close_is_kept_to():
    closing = answer(b"bye", headers="Connection: close\r\n")
    async with serving(repeating(closing)) as url, Client(url) as client:
        assert [(await client.get("/")).body for _ in range(3)] == [b"bye"] * 3
    assert client.reconnects == 0


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
async def test_an_answer_that_has_no_body_is_complete_at_once(status):
    bare = f'HTTP/1.1 {status}\r\nETag: "7"\r\n\r\n'.encode()
    async with serving(repeating(bare, answer(b"next"))) as url, Client(url) as client:
        response = await client.get("/")
        assert (response.body, response.header("etag")) == (b"", '"7"')
        assert (await client.get("/")).body == b"next"


async def test_an_interim_answer_is_not_the_answer():
    interim = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + answer(b"real")
    async with serving(repeating(interim, answer(b"next"))) as url, Client(url) as client:
        assert (await client.get("/")).body == b"real"
        assert (await client.get("/")).body == b"next"


async def test_a_refusal_is_an_answer_with_its_code_and_its_wait():
    body = msgspec.json.encode({"code": "seats_taken", "taken": [12]})
    refusal = answer(body, "409 Conflict", "Retry-After: 7\r\nContent-Type: application/problem+json\r\n")
    async with serving(repeating(refusal)) as url, Client(url) as client:
        response = await client.post("/", {"seats": [12]})
    assert (response.status, problem_code(response), response.retry_after_s()) == (409, "seats_taken", 7.0)
    assert response.json(dict) == {"code": "seats_taken", "taken": [12]}
    assert not client.errors


async def test_what_is_not_json_has_a_code_all_the_same():
    async with serving(repeating(answer(b"<html>", "502 Bad Gateway"))) as url, Client(url) as client:
        response = await client.get("/")
    assert problem_code(response) == "http_502"
    with pytest.raises(RequestFailed, match="malformed"):
        response.json(dict)


async def test_a_request_carries_its_headers_and_body():
    seen = []

    async def talk(reader, writer):
        seen.append(await read_request(reader))
        writer.write(answer(b""))

    async with serving(talk) as url, Client(url) as client:
        await client.post("/x?y=1", {"a": 1}, [("X-Forwarded-For", fan_address(3))])
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /x?y=1 HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"\r\nX-Forwarded-For: 240.0.0.3\r\n" in head
    assert body == b'{"a":1}'


async def test_a_header_that_would_split_the_request_is_refused():
    async with Client("http://127.0.0.1:9") as client:
        with pytest.raises(ValueError, match="break the request"):
            await client.get("/", [("X-Name", "a\r\nX-Other: b")])


def test_every_fan_has_an_own_address():
    assert len({fan_address(number) for number in range(0, 1 << 28, 99_991)}) == 2_685
    assert fan_address((1 << 28) - 1) == "255.255.255.255"


async def test_a_silent_server_is_a_timeout_and_its_connection_is_not_used_again():
    connections = 0

    async def talk(reader, writer):
        nonlocal connections
        connections += 1
        await read_request(reader)
        if connections > 1:
            writer.write(answer(b"awake"))
        await reader.read()

    async with serving(talk) as url, Client(url, timeout_s=0.05, connections_max=1) as client:
        with pytest.raises(RequestFailed, match="timeout"):
            await client.get("/")
        assert (await client.get("/")).body == b"awake"
    assert client.errors == {"timeout": 1}


async def test_half_an_answer_is_counted_as_closed():
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
    async with serving(repeating(half)) as url, Client(url) as client:
        with pytest.raises(RequestFailed, match="closed"):
            await client.get("/")
    assert client.errors == {"closed": 1}


async def test_what_is_not_http_is_malformed():
    async with serving(repeating(b"SSH-2.0-OpenSSH\r\n")) as url, Client(url) as client:
        with pytest.raises(RequestFailed, match="malformed"):
            await client.get("/")
    assert client.errors == {"malformed": 1}


async def test_an_answer_beyond_the_bound_is_given_up():
    async with serving(repeating(answer(b"x" * 100))) as url, Client(url, answer_max_bytes=99) as client:
        with pytest.raises(RequestFailed, match="too_large"):
            await client.get("/")


async def test_nobody_listening_is_counted():
    async with serving(repeating()) as url:
        pass
    async with Client(url, connections_max=1) as client:
        for _ in range(3):
            with pytest.raises(RequestFailed, match="connect"):
                await client.get("/")
    assert client.errors == {"connect": 3}


async def test_a_read_on_a_connection_that_was_closed_meanwhile_is_repeated_once():
    closed = asyncio.Event()

    async def talk(reader, writer):
        await read_request(reader)
        writer.write(answer(b"one"))
        await writer.drain()
        if not closed.is_set():
            await read_request(reader)
            closed.set()

    async with serving(talk) as url, Client(url) as client:
        await client.get("/")
        assert (await client.get("/")).body == b"one"
    assert client.reconnects == 1
    assert not client.errors


@pytest.mark.parametrize(("headers", "repeated"), [((), False), ((("Idempotency-Key", "k"),), True)])
async def test_a_write_is_repeated_only_under_a_key(headers, repeated):
    connections = 0

    async def talk(reader, writer):
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(answer(b"one"))
        await writer.drain()
        if connections == 1:
            await read_request(reader)

    async with serving(talk) as url, Client(url) as client:
        await client.get("/")
        if repeated:
            assert (await client.post("/", {}, headers)).body == b"one"
        else:
            with pytest.raises(RequestFailed, match="closed"):
                await client.post("/", {}, headers)
    assert client.reconnects == repeated


async def test_connections_stay_within_the_bound_and_everybody_is_served():
    now, most = 0, 0

    async def talk(reader, writer):
        nonlocal now, most
        now += 1
        most = max(most, now)
        while await read_request(reader):
            await asyncio.sleep(0.001)
            writer.write(answer(b"ok"))
        now -= 1

    async with serving(talk) as url, Client(url, connections_max=3) as client:
        responses = await asyncio.gather(*(client.get("/") for _ in range(50)))
    assert [response.body for response in responses] == [b"ok"] * 50
    assert most == 3
    assert client.waits == 47


async def test_who_waits_in_vain_for_a_connection_leaves_it_to_the_next():
    async def talk(reader, writer):
        while await read_request(reader):
            await asyncio.sleep(0.1)
            writer.write(answer(b"slow"))

    async with serving(talk) as url, Client(url, connections_max=1) as client:
        first = asyncio.ensure_future(client.get("/"))
        await asyncio.sleep(0.01)
        waiting = asyncio.ensure_future(client.get("/"))
        await asyncio.sleep(0.01)
        waiting.cancel()
        assert (await first).body == b"slow"
        assert (await client.get("/")).body == b"slow"
    assert waiting.cancelled()


async def test_a_unix_socket_serves_as_well(tmp_path):
    async with serving(repeating(answer(b"near")), f"{tmp_path}/s") as url, Client(url) as client:
        assert (await client.get("/")).body == b"near"


def test_an_address_without_a_host_is_refused():
    with pytest.raises(ValueError, match="not an address"):
        Client("localhost:8000")


def test_the_faster_event_loop_serves_as_well():
    async def ask():
        async with serving(repeating(CHUNKED, answer(b"next"))) as url, Client(url) as client:
            return [(await client.get("/")).body for _ in range(2)]

    assert uvloop.run(ask()) == [b"hello world", b"next"]

"""The live map of a real `onsale up`: what its worker, web process, Redis and PostgreSQL make of it together."""

import json
import struct
from contextlib import contextmanager

import httpx
import pytest
from tests.running import up
from websockets.sync.client import connect

pytestmark = pytest.mark.timeout(240)


def picture(client, event):
    answer = client.get(f"/api/v1/events/{event}/availability")
    version, count = struct.unpack_from(">QI", answer.content)
    packed = answer.content[12:]
    return answer.headers["etag"].strip('"'), version, [(packed[n >> 2] >> 2 * (n & 3)) & 3 for n in range(count)]


@contextmanager
def following(client, address, event):
    """A line that goes on from a picture, as a page gets it: who is told to take a new picture takes one."""
    for _ in range(20):
        etag, version, states = picture(client, event)
        url = f"{address.replace('http', 'ws')}/api/v1/events/{event}/live?since={etag}"
        with connect(url, compression=None, proxy=None) as line:
            try:
                message = json.loads(line.recv(timeout=3.0))
            except TimeoutError:  # Nothing to say: the line goes on from this picture.
                message = {"v": version, "seats": []}
            if not message.get("resync"):
                for seat_no, state in message["seats"]:
                    states[seat_no] = state
                yield line, message["v"], states
                return
    raise AssertionError("no picture to go on from")


def test_a_picture_and_what_is_heard_after_it_are_a_fresh_picture(tmp_path):
    running, address = up(tmp_path / "data")
    try:
        with httpx.Client(base_url=address) as client:
            event = client.get("/api/v1/events?status=OPEN&limit=1").json()["items"][0]["id"]
            client.post("/api/v1/session", json={})
            # A healer that begins makes the maps anew once, and who watches is told to take a new picture.
            assert any(led_all_the_way(client, address, event) for _ in range(3))
    finally:
        running.stop()


def led_all_the_way(client, address, event):
    """Take seats and give them back: what the line tells of it makes a fresh picture. False: it tells to take one."""
    hold(client, event, 1)
    with following(client, address, event) as (line, begun, states):
        version = begun
        seats = hold(client, event, 2) | hold(client, event, 3)
        [mine] = client.get(f"/api/v1/events/{event}/holds/mine").json()["items"]
        client.delete(f"/api/v1/holds/{mine['id']}")
        heard: set[int] = set()
        while heard < seats or any(states[seat] for seat in seats):
            message = json.loads(line.recv(timeout=20))
            if message.get("resync"):
                return False
            assert message["v"] >= version
            version = message["v"]
            for seat_no, state in message["seats"]:
                states[seat_no] = state
                heard.add(seat_no)
    fresh = picture(client, event)
    assert (version, states) == fresh[1:] and fresh[0].startswith(f"{version}-")
    return True


def hold(client, event, quantity):
    """Seats of a hold; the person's earlier hold is replaced by it."""
    held = client.post(f"/api/v1/events/{event}/holds", json={"best": {"quantity": quantity}})
    assert held.status_code == 201, held.text
    return {seat["seat_no"] for seat in held.json()["seats"]}

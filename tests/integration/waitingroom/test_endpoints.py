"""The line over HTTP: what each answer says, and who is refused what."""

import asyncio

import httpx
import pytest
from tests.integration.world import Fan, ok, refused, world

from onsale import app as composition
from onsale.kit import ids
from onsale.mount import Role

pytestmark = pytest.mark.anyio


@pytest.fixture
async def house(database_url, redis_url, tmp_path):
    """An event with a line."""
    async with world(database_url, redis_url, tmp_path) as whole:
        async with whole.house.database.transaction() as tx:
            await whole.house.line.open(tx, ids.shard_of(whole.event))
        yield whole


def path(whole, what="places", event=None):
    return f"/api/v1/events/{event or whole.event}/{what}"


async def join(fan: Fan, token: str | None = None, **more):
    headers = {**fan.headers, **({"Onsale-Place": token} if token else {})}
    return await fan.world.client.post(path(fan.world, **more), headers=headers)


async def own(fan: Fan, token: str):
    return await fan.get(path(fan.world, "places/me"), **{"Onsale-Place": token})


async def test_joining_tells_the_place_and_shows_it_again(house):
    ann, bob = await house.fan(), await house.fan()
    first, second = ok(await join(ann), 201), ok(await join(bob), 201)
    assert [(place["number"], place["position"]) for place in (first, second)] == [(1, 1), (2, 2)]
    assert 2_000 < first["poll_after_ms"] < 5_000 and first["eta_s"] is None
    again = await join(ann)
    assert ok(again, 201)["number"] == 1 and again.headers["cache-control"] == "no-store"
    seen = ok(await own(bob, second["token"]), 200)
    assert (seen["number"], seen["position"]) == (2, 2)


async def test_the_board_is_the_same_for_all_and_may_be_cached_for_a_second(house):
    fans = [await house.fan() for _ in range(3)]
    for fan in fans:
        await join(fan)
    answer = await house.client.get(path(house, "board"))
    board = ok(answer, 200)
    assert (board["serving"], board["gaps"], board["left"]) == (0, [], [])
    assert answer.headers["cache-control"] == "public, max-age=1"
    unchanged = await house.client.get(path(house, "board"), headers={"If-None-Match": answer.headers["etag"]})
    assert unchanged.status_code == 304
    await asyncio.sleep(0.6)
    later = ok(await house.client.get(path(house, "board")), 200)
    assert (later["given"], later["waiting"]) == (3, 3)


async def test_who_leaves_is_out_and_may_leave_again(house):
    ann, bob = await house.fan(), await house.fan()
    place = ok(await join(ann), 201)
    for _ in range(2):
        answer = await house.client.delete(path(house, "places/me"), headers=ann.headers)
        assert (answer.status_code, answer.content) == (204, b"")
    refused(await own(ann, place["token"]), 404, "no_place")
    ok(await join(bob), 201)
    assert ok(await join(ann, place["token"]), 201)["number"] == 3


async def test_a_place_survives_the_loss_of_redis_and_a_second_device(house, redis_client):
    ann = await house.fan()
    place = ok(await join(ann), 201)
    await redis_client.flushall()
    assert ok(await own(ann, place["token"]), 200)["number"] == place["number"]
    # The same person elsewhere, with nothing but their session.
    assert ok(await join(ann), 201)["number"] == place["number"]


async def test_a_token_is_no_use_to_a_thief_and_a_bad_one_is_refused(house):
    ann, eve = await house.fan(), await house.fan()
    token = ok(await join(ann), 201)["token"]
    other = await house.put_on_sale()
    for stolen in (token, token[:-2], "1.x.y", "nonsense", "x" * 2_000):
        refused(await own(eve, stolen), 401, "invalid_place")
        assert ok(await join(eve, stolen), 201)["number"] == 2, "and gives no place in joining"
    elsewhere = await ann.get(path(house, "places/me", other), **{"Onsale-Place": token})
    refused(elsewhere, 401, "invalid_place")
    refused(await house.client.get(path(house, "places/me"), headers={"Onsale-Place": token}), 401, "session_required")


async def test_what_needs_a_session_or_a_line_says_so(house):
    fan, other = await house.fan(), await house.put_on_sale()
    refused(await house.client.post(path(house)), 401, "session_required")
    refused(await fan.post(path(house, event=other), {}), 404, "no_line")
    refused(await house.client.get(path(house, "board", other)), 404, "no_line")
    refused(await fan.get(path(house, "places/me")), 404, "no_place")
    refused(await fan.post(path(house, event=2**62), {}), 404, "event_not_found")


async def test_the_gate_serves_the_line_and_nothing_of_the_shop(house):
    app = composition.web(house.house, Role.GATE)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gate.test") as gate:
        fan = await house.fan()
        assert (await gate.post(path(house), headers=fan.headers)).status_code == 201
        assert (await gate.get(path(house, "board"))).status_code == 200
        assert (await gate.post(path(house, "holds"), headers=fan.headers, json={"seats": [1]})).status_code == 404


async def test_joining_counts_for_the_address_and_the_board_does_not(database_url, redis_url, tmp_path):
    async with world(database_url, redis_url, tmp_path, rate_per_address_per_min=3) as whole:
        async with whole.house.database.transaction() as tx:
            await whole.house.line.open(tx, ids.shard_of(whole.event))
        fan = await whole.fan()
        far = httpx.ASGITransport(whole.app, client=("203.0.113.7", 4_000))
        async with httpx.AsyncClient(transport=far, base_url="http://shop.test") as client:
            boards = [(await client.get(path(whole, "board"))).status_code for _ in range(5)]
            joins = [(await client.post(path(whole), headers=fan.headers)).status_code for _ in range(5)]
        assert boards == [200] * 5
        assert joins == [201] * 3 + [429] * 2

"""Rates at the doors of a whole house: who is counted as whom, what counts, and what a refusal says and costs."""

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial

import httpx
import pytest
from tests.integration.world import ok, refused, world

from onsale import app as composition
from onsale.mount import Role

pytestmark = pytest.mark.anyio

ADDRESS, OTHER = "203.0.113.7", "198.51.100.9"


@pytest.fixture
async def shop(database_url, redis_url, tmp_path):
    async with world(database_url, redis_url, tmp_path) as whole:
        yield whole


@pytest.fixture
def strict(database_url, redis_url, tmp_path):
    """A house with other rates."""
    return partial(world, database_url, redis_url, tmp_path)


@asynccontextmanager
async def coming_from(whole, peer):
    """A browser, or a proxy, at that address."""
    transport = httpx.ASGITransport(whole.app, client=(peer, 4_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://shop.test") as client:
        yield client


async def statuses(client, count, path="/api/v1/events", **headers):
    return [(await client.get(path, headers=headers)).status_code for _ in range(count)]


# -- a person ----------------------------------------------------------------------------------------------------------


async def test_a_person_may_try_for_seats_ten_times_a_minute_and_hears_how_often_still(shop):
    ann, bob = await shop.fan(), await shop.fan()
    await bob.hold(50)
    for left in range(9, -1, -1):
        answer = await ann.take(left)
        assert answer.status_code == 201
        assert answer.headers["ratelimit-policy"] == '"person";q=10;w=60'
        assert answer.headers["ratelimit"].startswith(f'"person";r={left};t=')
    before = await shop.counts()
    answer = await ann.take(20)
    assert refused(answer, 429, "rate_limited")["limit"] == "person"
    assert 1 <= int(answer.headers["retry-after"]) <= 6
    assert answer.headers["ratelimit"].startswith('"person";r=0;t=')
    assert await shop.counts() == before, "a refusal changes nothing, and what she holds stays hers"
    assert (await bob.take(51)).status_code == 201


async def test_what_is_refused_for_another_reason_has_been_tried_all_the_same(shop):
    ann, bob = await shop.fan(), await shop.fan()
    await bob.hold(5)
    answers = [(await ann.take(5)).status_code for _ in range(12)]
    assert answers == [409] * 10 + [429] * 2


async def test_of_forty_attempts_at_once_through_two_processes_exactly_ten_are_let_in(shop):
    ann = await shop.fan()
    beside = composition.build(shop.house.settings)
    async with beside.open():
        second = httpx.ASGITransport(composition.web(beside, Role.ALL))
        async with httpx.AsyncClient(transport=second, base_url="http://shop.test") as other:
            path = f"/api/v1/events/{shop.event}/holds"
            answers = await asyncio.gather(
                *(
                    (other, shop.client)[number % 2].post(path, json={"seats": [number]}, headers=ann.headers)
                    for number in range(40)
                )
            )
    counted = Counter(answer.status_code == 429 for answer in answers)
    assert counted == {True: 30, False: 10}


async def test_nobody_is_kept_from_paying_by_a_rate(strict):
    async with strict(rate_per_address_per_min=5) as whole:
        fan = await whole.fan()
        order = await fan.order(1)
        async with coming_from(whole, ADDRESS) as client:
            assert await statuses(client, 6) == [200] * 5 + [429]
            paid = await client.post(
                f"/api/v1/orders/{order}/payment", json={"method": "sandbox_ok"}, headers=fan.headers
            )
            assert ok(paid, 200)["status"] == "confirmed"


# -- an address --------------------------------------------------------------------------------------------------------


async def test_an_address_may_ask_a_hundred_times_a_minute(shop):
    async with coming_from(shop, ADDRESS) as client, coming_from(shop, OTHER) as other:
        assert Counter(await statuses(client, 102)) == {200: 100, 429: 2}
        answer = await client.get("/api/v1/events")
        assert refused(answer, 429, "rate_limited")["limit"] == "address"
        assert answer.headers["ratelimit-policy"] == '"address";q=100;w=60'
        assert answer.headers["retry-after"] == "1"
        assert await statuses(other, 1) == [200]


async def test_hot_and_ordinary_requests_and_pages_are_counted_together(strict):
    async with strict(rate_per_address_per_min=4) as whole:
        event = whole.event
        async with coming_from(whole, ADDRESS) as client:
            paths = "/", f"/api/v1/events/{event}/availability", "/api/v1/events", "/docs/errors"
            assert [(await client.get(path)).status_code for path in (*paths, *paths)] == [200] * 4 + [429] * 4
            page = await client.get("/", headers={"accept": "text/html"})
            assert page.status_code == 429 and page.headers["retry-after"]
            assert "Too many requests" in page.text and "<html" in page.text


async def test_what_machines_and_pages_fetch_by_themselves_is_not_counted(strict):
    async with strict(rate_per_address_per_min=2) as whole, coming_from(whole, ADDRESS) as client:
        found = (await client.get("/")).text
        sheet = found.partition('rel="stylesheet" href="')[2].partition('"')[0]
        for path in (sheet, "/healthz", "/readyz", "/metrics"):
            assert await statuses(client, 5, path) == [200] * 5, path
        assert await statuses(client, 2) == [200, 429]


async def test_a_forged_x_forwarded_for_changes_nothing(strict):
    async with strict(rate_per_address_per_min=3) as whole, coming_from(whole, ADDRESS) as client:
        answers = [await statuses(client, 1, **{"X-Forwarded-For": f"192.0.2.{n}"}) for n in range(5)]
        assert answers == [[200]] * 3 + [[429]] * 2
        local = {"X-Forwarded-For": "127.0.0.1"}
        assert await statuses(client, 1, **local) == [429], "nor does a claim to be this machine"


async def test_behind_a_trusted_proxy_each_is_counted_by_the_last_hop_it_cannot_forge(strict):
    settings = {"rate_per_address_per_min": 2, "trusted_proxies": "10.0.0.0/8"}
    async with strict(**settings) as whole, coming_from(whole, "10.0.0.1") as proxy:
        for address in (ADDRESS, OTHER):
            forged = {"X-Forwarded-For": f"127.0.0.1, {address}"}
            assert await statuses(proxy, 3, **forged) == [200, 200, 429]
        for host in (1, 2, 3):
            seen = await statuses(proxy, 1, **{"X-Forwarded-For": f"2001:db8:1:2::{host}"})
            assert seen == [429 if host == 3 else 200], "a household has a /64"


async def test_requests_of_this_machine_itself_have_no_address_to_count(strict):
    """Else a proxy beside us that nobody has named would make all its visitors one."""
    async with strict(rate_per_address_per_min=1) as whole:
        for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            async with coming_from(whole, peer) as client:
                assert await statuses(client, 3) == [200] * 3, peer


# -- all together ------------------------------------------------------------------------------------------------------


async def test_all_together_may_try_so_often_a_second(strict):
    async with strict(rate_holds_in_all_per_s=5, rate_holds_per_person_per_min=0) as whole:
        ann = await whole.fan()
        answers = await asyncio.gather(*(ann.take(seat) for seat in range(20)))
        refusals = [answer for answer in answers if answer.status_code == 429]
        assert 14 <= len(refusals) <= 15, "a fifth of a second gives one more"
        assert refused(refusals[0], 429, "rate_limited")["limit"] == "holds"
        await asyncio.sleep(0.5)
        assert (await ann.take(30)).status_code == 201


# -- without Redis -----------------------------------------------------------------------------------------------------


async def test_without_redis_each_process_counts_by_itself(database_url, tmp_path):
    async with world(database_url, "redis://127.0.0.1:9/0", tmp_path, rate_per_address_per_min=3) as whole:
        ann = await whole.fan()
        assert [(await ann.take(seat)).status_code for seat in range(12)] == [201] * 10 + [429] * 2
        async with coming_from(whole, ADDRESS) as client:
            assert await statuses(client, 4) == [200] * 3 + [429]
